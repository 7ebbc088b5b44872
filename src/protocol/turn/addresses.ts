import { xorAddress } from '../stun/addresses.js'

/** A peer, as the server sees it (RFC 8656 section 18.3); its port counts for nothing in a CreatePermission. */
export const xorPeerAddress = xorAddress(0x0012)
/** Where peers reach us (RFC 8656 section 18.5). */
export const xorRelayedAddress = xorAddress(0x0016)
