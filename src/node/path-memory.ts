import { hkdfSync } from 'node:crypto'
import type { PeerTarget } from '../../machines/attempt/attempt.types.js'
import { defaults } from '../config/defaults.js'
import { bounded, decodePaths, encodePaths, hostMark, isStale, networkNames, pathKey, type PathRecord, type ProvenPath, type SeenAddress } from '../nat/path-memory.js'
import type { Clock } from '../net/clock.js'
import { readSmallFile, replaceFile } from '../net/small-file.js'
import { parseEndpoint } from '../protocol/endpoint.js'
import type { Identity } from '../protocol/identity.js'
import type { InterfaceRecord } from '../protocol/interface-record.js'
import type { PipePath } from '../streams/pipe/types.js'

/** What remembering takes. */
export interface PathMemoryOptions {
  /** Its private key makes the secret of the marks, so that whoever has the file alone can't even guess. */
  readonly identity: Pick<Identity, 'privateKey'>
  /** Shared with other processes of the identity; undefined: nothing is kept. */
  readonly file: string | undefined
  readonly clock: Clock
  readonly own: () => readonly SeenAddress[]
}

const dayMs = 86_400_000

/**
 * How pipes came up, by the network we were in and the peer, without an address or an id of anybody. A convenience: what is
 * remembered is tried first and excludes nothing, and whatever goes wrong with the file is as if there were none.
 */
export class PathMemory {
  readonly #options: PathMemoryOptions
  readonly #secret: Uint8Array
  /** By network and peer, those proven last at the end; at most `maxPaths`. */
  #paths = new Map<string, PathRecord>()
  /** Keys the file lacks; those of a minute at most. */
  readonly #unwritten = new Set<string>()
  #cancelWrite: (() => void) | undefined
  #writing: Promise<void> | undefined

  constructor(options: PathMemoryOptions) {
    this.#options = options
    this.#secret = new Uint8Array(hkdfSync('sha256', options.identity.privateKey.export({ format: 'der', type: 'pkcs8' }), '', 'throughline/1 path memory', 32))
  }

  /** Reads the file. Never rejects. */
  async load(): Promise<void> {
    this.#paths = bounded(new Map([...(await this.#read()), ...this.#paths]), this.#today)
  }

  /** A peer that is to be dialled, with how the last pipe to it from this network came up, unless that was the way that is tried first anyway. */
  recall(target: PeerTarget): PeerTarget {
    if (this.#paths.size === 0) return target
    const record = this.#keysOf(target.peerId).map(key => this.#recordAt(key)).find(found => found !== undefined)
    if (record === undefined || record.strategy === 'direct') return target
    return { ...target, remembered: pathOf(record) }
  }

  /** How the last pipe between this network and that of the peer came up, which shows in where it says it can be hit. */
  between(peerId: string, peer: readonly InterfaceRecord[]): ProvenPath | undefined {
    const [key = ''] = this.#keysOf(peerId)
    const record = this.#recordAt(key)
    const hosts = peer.flatMap(({ external, local }) => [external, local].flatMap(stated => stated?.host ?? []))
    return record !== undefined && hosts.some(host => hostMark(this.#secret, host, peerId) === record.peerNetwork) ? pathOf(record) : undefined
  }

  /** Notes how a pipe came up. Who can be dialled is tried that way anyway; it is noted only where something else was remembered. */
  note(peerId: string, path: ProvenPath & Pick<PipePath, 'remote'>): void {
    if (path.strategy === 'direct' && this.#paths.size === 0) return
    // it leads anywhere, and says nothing of the way there
    if (path.strategy === 'relay') return
    const host = parseEndpoint(path.remote)?.host ?? ''
    const record: PathRecord = { ...pathOf(path), peerNetwork: hostMark(this.#secret, host, peerId), day: this.#today }
    for (const key of this.#keysOf(peerId)) this.#set(key, record)
    this.#paths = bounded(this.#paths, this.#today)
    if (this.#unwritten.size > 0) this.#writeLater()
  }

  /** Writes what is left to write. Never rejects. */
  async close(): Promise<void> {
    this.#cancelWrite?.()
    await this.#writing
    await this.#write()
  }

  get #today(): number {
    return Math.floor(this.#options.clock.wallNow() / dayMs)
  }

  /** Of this network, the most telling first: a process that dials as soon as it runs does not know its external address. */
  #keysOf(peerId: string): readonly string[] {
    return networkNames(this.#options.own()).map(network => pathKey(this.#secret, network, peerId))
  }

  #recordAt(key: string): PathRecord | undefined {
    const record = this.#paths.get(key)
    return record === undefined || isStale(record, this.#today) ? undefined : record
  }

  /** What is proven again keeps its day: so that after some time it is found out anew what is best. */
  #set(key: string, record: PathRecord): void {
    const before = this.#recordAt(key)
    if (before === undefined && record.strategy === 'direct') return
    const isKnown = before !== undefined && isSame(before, record)
    this.#paths.delete(key)
    this.#paths.set(key, isKnown ? before : record)
    if (!isKnown && this.#options.file !== undefined) this.#unwritten.add(key)
  }

  async #read(): Promise<Map<string, PathRecord>> {
    const { file } = this.#options
    const text = file === undefined ? undefined : await readSmallFile(file, defaults.memory.maxFileBytes)
    return decodePaths(text ?? '', this.#today)
  }

  #writeLater(): void {
    this.#cancelWrite ??= this.#options.clock.after(defaults.memory.writeEveryMs, () => {
      this.#cancelWrite = undefined
      this.#writing = this.#write()
    })
  }

  /** Other processes write the same file: theirs is kept, but for what was proven here since. */
  async #write(): Promise<void> {
    const { file } = this.#options
    const fresh = new Set(this.#unwritten)
    this.#unwritten.clear()
    if (file === undefined || fresh.size === 0) return
    const found = await this.#read()
    const ours = [...this.#paths].filter(([key]) => fresh.has(key) || !found.has(key))
    for (const [key] of ours) found.delete(key)
    await replaceFile(file, encodePaths(bounded(new Map([...found, ...ours]), this.#today)))
  }
}

const pathOf = ({ strategy, method, family }: ProvenPath): ProvenPath => ({ strategy, ...(method !== undefined && { method }), family })

const isSame = (one: PathRecord, other: PathRecord): boolean =>
  one.strategy === other.strategy && one.method === other.method && one.family === other.family && one.peerNetwork === other.peerNetwork
