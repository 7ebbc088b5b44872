import { join } from 'node:path'
import type { Strategy } from '../../../machines/strategies.js'
import { startBroker, type EmbeddedBroker } from '../../net/embedded-broker.js'
import type { Report, Role, Transferred } from './messages.js'
import { NodeProcess } from './node-process.js'
import { makeWorkspace, writeRandomFile, type Workspace } from './workspace.js'

/** What a run of the demo is made of. */
export interface StageOptions {
  readonly mebibytes: number
  /** Where Alice writes what her machines did. */
  readonly reportFile?: string
  readonly signal: AbortSignal
  readonly onReport: (role: Role, report: Report) => void
}

/** A node starts in well under a second; loaded machines are slower. */
const onlineLimitMs = 20_000
/** Of a transfer, besides the attempt: 16 MiB at 1 MB/s, with some to spare. */
const transferLimitMs = 20_000
const closeLimitMs = 1_500

/** A broker in this process, two nodes in processes of their own, and a file. Whoever makes it tears it down; the end of this process does too. */
export class Stage {
  readonly #options: StageOptions
  readonly #workspace: Workspace = makeWorkspace()
  readonly #nodes = new Map<Role, NodeProcess>()
  readonly #onExit = () => this.#drop()
  #broker: EmbeddedBroker | undefined
  #bobAddress = ''
  #sha256 = ''

  constructor(options: StageOptions) {
    this.#options = options
    process.once('exit', this.#onExit)
  }

  get brokerUrl(): string {
    return this.#broker?.url ?? ''
  }

  /** Of the file as it was made. */
  get sha256(): string {
    return this.#sha256
  }

  pid(role: Role): number {
    return this.#nodes.get(role)?.pid ?? 0
  }

  /** Resolves when both nodes are online and the file is there. Rejects with what a node says, or the signal's reason. */
  async set(): Promise<void> {
    const { mebibytes, signal } = this.#options
    const writing = writeRandomFile(this.#file('sent'), mebibytes, signal)
    writing.catch(() => {})
    this.#broker = await startBroker({ signal })
    const { id } = await this.#start('alice').told('online', onlineLimitMs)
    const { address } = await this.#start('bob', id).told('online', onlineLimitMs)
    this.#bobAddress = address
    this.#sha256 = await writing
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

  /** Lets the nodes close before the rest goes. */
  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(node => node.stop(closeLimitMs)))
    await this.tearDown()
  }

  /** At once: resolves when no process, file or socket is left. Idempotent, never rejects. */
  async tearDown(): Promise<void> {
    this.#drop()
    await Promise.all([...this.#nodes.values()].map(node => node.gone))
    await this.#broker?.close()
    this.#workspace.remove()
    process.off('exit', this.#onExit)
  }

  #drop(): void {
    for (const node of this.#nodes.values()) node.kill()
    this.#workspace.remove()
  }

  #start(role: Role, peerId?: string): NodeProcess {
    const { signal, reportFile, onReport } = this.#options
    signal.throwIfAborted()
    const node = new NodeProcess({
      role, folder: this.#workspace.folder, broker: this.brokerUrl, onReport: report => onReport(role, report),
      ...(peerId !== undefined && { peerId }), ...(reportFile !== undefined && role === 'alice' && { reportFile }),
    })
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
