import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import { hpkeOpen, hpkeSeal } from './hpke.js'
import { type Identity, montgomeryOf, sign, verify } from './identity.js'
import { encodePeerId } from './peer-id.js'
import { decodeHexId } from './signal-fields.js'
import { decodeSignalBody, encodeSignalBody, type SignalMessage, signalTypeCode } from './signal-message.js'

/** A message as it came out of an envelope: signed by `senderId` for us. `timeMs` is the sender's clock, only a hint. */
export interface Letter {
  readonly tagged: boolean
  readonly senderId: string
  readonly senderKey: Uint8Array
  /** 32 hexadecimal digits. */
  readonly messageId: string
  /** Milliseconds of the Unix epoch. */
  readonly timeMs: number
  readonly message: SignalMessage
}

/** What `sealEnvelope` works on. */
export interface EnvelopeInput {
  readonly message: SignalMessage
  readonly sender: Identity
  /** The public key (not the X25519 form) of the recipient. */
  readonly recipient: Uint8Array
  /** Of the recipient, when its address is known: the envelope is tagged then. */
  readonly doorKey?: Uint8Array
  /** 32 hexadecimal digits, fresh. */
  readonly messageId: string
  readonly timeMs: number
  /** A fresh X25519 private key, for this envelope alone. */
  readonly ephemeralKey: KeyObject
}

// Offsets and sizes of protocol section 4.1.
const version = 1
const taggedFlag = 1
const tagBytes = 16
const encStart = 2 + tagBytes
const cipherStart = encStart + 32
const idBytes = 16
/** Type, message id and time in front of the body. */
const headBytes = 1 + idBytes + 6
const minEnvelopeBytes = cipherStart + 32 + 64 + headBytes + 16
const noTag = Buffer.alloc(tagBytes)
const info = Buffer.from('throughline/1 envelope')
const letterContext = Buffer.from('throughline/1 letter')

/** Signs a message and seals it to its recipient. Throws ERR_MALFORMED for values without an encoding, ERR_ADDRESS_INVALID for a refused recipient key. */
export function sealEnvelope({ message, sender, recipient, doorKey, messageId, timeMs, ephemeralKey }: EnvelopeInput): Buffer {
  const signed = new ByteWriter(512)
    .u8(signalTypeCode(message))
    .bytes(decodeHexId(messageId))
    .u48(Math.floor(timeMs))
    .bytes(encodeSignalBody(message))
    .finish()
  const signature = sign(sender, signedBytes(recipient, sender.publicKey, signed))
  const plaintext = Buffer.concat([sender.publicKey, signature, signed])
  const { enc, ciphertext } = hpkeSeal({ recipientPublicKey: montgomeryOf(recipient), ephemeralKey, info, plaintext })
  const tag = doorKey === undefined ? noTag : createHmac('sha256', doorKey).update(enc).update(ciphertext).digest().subarray(0, tagBytes)
  const envelope = Buffer.concat([Buffer.from([version, doorKey === undefined ? 0 : taggedFlag]), tag, enc, ciphertext])
  if (envelope.length > defaults.signalling.maxEnvelopeBytes) {
    throw new ThroughlineError('ERR_MALFORMED', `A message of ${envelope.length} bytes is too long for an envelope.`)
  }
  return envelope
}

/** Tells whether an envelope claims to be from somebody who holds the recipient's address; `tagIsValid` tells the truth. */
export const isTagged = (envelope: Uint8Array): boolean => envelope[1] === taggedFlag

/** Checks the tag: one HMAC, before anything dear is computed. False for untagged envelopes. */
export function tagIsValid(envelope: Uint8Array, doorKey: Uint8Array): boolean {
  if (!isTagged(envelope) || !hasValidForm(envelope)) return false
  const tag = createHmac('sha256', doorKey).update(envelope.subarray(encStart)).digest().subarray(0, tagBytes)
  return timingSafeEqual(tag, envelope.subarray(2, encStart))
}

/**
 * Opens an envelope sealed to `recipient`: steps 1 and 3 of protocol section 4.2. Undefined, never an error, for whatever
 * must be dropped; limiting untagged ones, repeats and freshness are left to the caller.
 */
export function openEnvelope(envelope: Uint8Array, recipient: Identity): Letter | undefined {
  if (!hasValidForm(envelope)) return undefined
  const tagged = isTagged(envelope)
  if (tagged ? !tagIsValid(envelope, recipient.doorKey) : !noTag.equals(envelope.subarray(2, encStart))) return undefined
  const plaintext = hpkeOpen({
    recipientKey: recipient.sealingKey,
    recipientPublicKey: montgomeryOf(recipient.publicKey),
    enc: envelope.subarray(encStart, cipherStart),
    info,
    ciphertext: envelope.subarray(cipherStart),
  })
  if (plaintext === undefined) return undefined
  try {
    return readLetter(plaintext, recipient, tagged)
  } catch {
    // Whatever it was, it came from the network: a letter must not be able to end the process.
    return undefined
  }
}

function readLetter(plaintext: Uint8Array, recipient: Identity, tagged: boolean): Letter | undefined {
  const reader = new ByteReader(plaintext)
  const senderKey = Uint8Array.from(reader.bytes(32))
  const signature = reader.bytes(64)
  const signed = reader.bytes(reader.remaining)
  // `verify` also refuses sender keys that protocol section 1 does.
  if (!verify(senderKey, signedBytes(recipient.publicKey, senderKey, signed), signature)) return undefined
  const letter = new ByteReader(signed)
  const type = letter.u8()
  const messageId = letter.bytes(idBytes).toString('hex')
  const timeMs = letter.u48()
  const message = decodeSignalBody(type, letter.bytes(letter.remaining))
  return { tagged, senderId: encodePeerId(senderKey), senderKey, messageId, timeMs, message }
}

const signedBytes = (recipient: Uint8Array, sender: Uint8Array, signed: Uint8Array): Buffer =>
  Buffer.concat([letterContext, recipient, sender, signed])

/** Length within bounds, version and flags known. */
const hasValidForm = (envelope: Uint8Array): boolean =>
  envelope.length >= minEnvelopeBytes &&
  envelope.length <= defaults.signalling.maxEnvelopeBytes &&
  envelope[0] === version &&
  (envelope[1] === 0 || envelope[1] === taggedFlag)
