import { machineTag } from '../protocol/machine-tag.js'
import type { Identity } from '../protocol/identity.js'
import { decodePeerId } from '../protocol/peer-id.js'

/** Door keys of peers, so that later letters to them are tagged; and who shares our machine. The eldest is forgotten. */
export class PeerBook {
  readonly #identity: Identity
  readonly #machineSecret: Uint8Array
  /** By peer id; at most `maxPeers`. */
  readonly #doorKeys = new Map<string, Uint8Array>()

  constructor(identity: Identity, machineSecret: Uint8Array) {
    this.#identity = identity
    this.#machineSecret = machineSecret
  }

  /** What we state in addresses and offers. */
  get ownTag(): Uint8Array {
    return machineTag(this.#machineSecret, this.#identity.publicKey)
  }

  /** True when the tag a peer stated proves that it runs on our machine. */
  isSameMachine(peerId: string, tag: Uint8Array): boolean {
    return Buffer.from(tag).equals(machineTag(this.#machineSecret, decodePeerId(peerId)))
  }

  /** Keeps the latest; letters to that peer are tagged with it. */
  learnDoorKey(peerId: string, doorKey: Uint8Array): void {
    this.#doorKeys.delete(peerId)
    this.#doorKeys.set(peerId, doorKey)
    const [eldest] = this.#doorKeys.keys()
    if (this.#doorKeys.size > maxPeers && eldest !== undefined) this.#doorKeys.delete(eldest)
  }

  /** What `Mailroom.seal` needs of a recipient. */
  recipient(peerId: string): { readonly publicKey: Uint8Array; readonly doorKey: Uint8Array | undefined } {
    return { publicKey: decodePeerId(peerId), doorKey: this.#doorKeys.get(peerId) }
  }
}

const maxPeers = 4_096
