import { join } from 'node:path'
import type { Strategy } from '../../../machines/strategies.js'
import type { NodeSetup, Report, Role, Transferred } from './messages.js'
import { NodeProcess } from './node-process.js'
import type { OpenPlace, Place } from './place.js'
import { makeWorkspace, pieceBytes, writeRandomFile, type Workspace } from './workspace.js'

/** What a run of the demo is made of. */
export interface StageOptions {
  readonly mebibytes: number
  readonly signal: AbortSignal
  readonly onReport: (role: Role, report: Report) => void
}

/** A node starts in well under a second; loaded machines are slower. */
const onlineLimitMs = 20_000
/** Of a transfer, besides the attempt: 16 MiB at 1 MB/s, with some to spare. */
const transferLimitMs = 20_000
const closeLimitMs = 1_500

/** A file, and a place with two nodes in processes of their own. Whoever makes it tears it down; the end of this process does too. */
export class Stage {
  readonly #options: StageOptions
  readonly #workspace: Workspace = makeWorkspace()
  readonly #nodes = new Map<Role, NodeProcess>()
  readonly #onExit = () => this.#drop()
  #place: Promise<Place> | undefined
  #bobAddress = ''
  #sha256 = ''

  constructor(options: StageOptions) {
    this.#options = options
    process.once('exit', this.#onExit)
  }

  /** Of the file. */
  get bytes(): number {
    return this.#options.mebibytes * pieceBytes
  }

  /** Of the file as it was made. */
  get sha256(): string {
    return this.#sha256
  }

  pid(role: Role): number {
    return this.#nodes.get(role)?.pid ?? 0
  }

  /**
   * Opens a place, once the one before is cleared. Resolves when both nodes are online there and the file is made. Rejects with
   * what `open` or a node says, or the signal's reason. Into the report file goes what Alice's machines do.
   */
  async set(open: OpenPlace, reportFile?: string): Promise<Place> {
    const { mebibytes, signal } = this.#options
    const writing = this.#sha256 === '' ? writeRandomFile(this.#file('sent'), mebibytes, signal) : Promise.resolve(this.#sha256)
    writing.catch(() => {})
    this.#place = open({ folder: this.#workspace.folder, signal })
    const place = await this.#place
    const { id } = await this.#start('alice', place, { ...(reportFile !== undefined && { reportFile }) }).told('online', onlineLimitMs)
    const { address } = await this.#start('bob', place, { peerId: id }).told('online', onlineLimitMs)
    this.#bobAddress = address
    this.#sha256 = await writing
    return place
  }

  /** Sends the file through a pipe made by one strategy. Rejects with what either node, or the time limit, says. */
  async send(strategy: Strategy, timeoutMs: number): Promise<{ readonly sent: Transferred; readonly received: Transferred; readonly told: Extract<Report, { tell: 'done' }> }> {
    const alice = this.#node('alice')
    const bob = this.#node('bob')
    const limitMs = timeoutMs + transferLimitMs
    bob.ask({ ask: 'receive', file: this.#file(`received-${strategy}`) })
    const receiving = bob.told('done', limitMs)
    alice.ask({ ask: 'send', address: this.#bobAddress, strategy, file: this.#file('sent'), timeoutMs })
    const sending = alice.told('done', limitMs)
    // The sender knows best why nothing arrived; the receiver's failure counts when it comes first.
    const [told, received] = await Promise.all([sending, receiving])
    return { sent: told.file, received: received.file, told }
  }

  /** Lets the nodes close before the place goes; the file stays. */
  async clear(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(node => node.stop(closeLimitMs)))
    await this.#closePlace()
  }

  /** At once: resolves when no process, file or socket is left. Idempotent, never rejects. */
  async tearDown(): Promise<void> {
    this.#drop()
    await Promise.all([...this.#nodes.values()].map(node => node.gone))
    await this.#closePlace()
    this.#workspace.remove()
    process.off('exit', this.#onExit)
  }

  /** One that is only being opened is waited for: with the signal it gives up. */
  async #closePlace(): Promise<void> {
    const place = await this.#place?.catch(() => undefined)
    await place?.close()
  }

  #drop(): void {
    for (const node of this.#nodes.values()) node.kill()
    this.#workspace.remove()
  }

  #start(role: Role, { broker, stun, prefix }: Place, more: Pick<NodeSetup, 'peerId' | 'reportFile'>): NodeProcess {
    const { signal, onReport } = this.#options
    signal.throwIfAborted()
    const setup = { role, folder: this.#workspace.folder, broker, stun, ...more }
    const node = new NodeProcess({ setup, prefix: prefix(role), onReport: report => onReport(role, report) })
    this.#nodes.set(role, node)
    return node
  }

  #node(role: Role): NodeProcess {
    const node = this.#nodes.get(role)
    if (node === undefined) throw new Error(`${role} was not started`)
    return node
  }

  #file(name: string): string {
    return join(this.#workspace.folder, `${name}.bin`)
  }
}
