import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom, filter, timeout, type Observable } from 'rxjs'
import { startBroker, type EmbeddedBroker } from '../../../src/net/embedded-broker.js'
import { createNode } from '../../../src/node/create-node.js'
import type { Node, NodeOptions, Pipe } from '../../../src/node/types.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

/** Nodes, brokers and folders of a test; `close` ends them and expects that nothing is left open. */
export class Nodes implements AsyncDisposable {
  readonly #closers: (() => unknown)[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'nodes-'))

  async broker(): Promise<EmbeddedBroker> {
    const broker = await startBroker()
    this.#closers.push(() => broker.close())
    return broker
  }

  /** A node on loopback with a fresh key, without brokers unless told. */
  async node(options: NodeOptions = {}): Promise<Node> {
    const node = await createNode({ identity: { seed: randomBytes(32) }, mqtt: [], stun: [], ntp: [], interfaces: ['lo'], ...options })
    this.#closers.push(() => node.close())
    return node
  }

  /** A node that echoes pipes of the default protocol. */
  async echo(options: NodeOptions = {}): Promise<Node> {
    const node = await this.node(options)
    node.pipes$.subscribe(pipe => pipe.on('error', () => {}).pipe(pipe))
    return node
  }

  defer(close: () => unknown): void {
    this.#closers.push(close)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
    rmSync(this.folder, { recursive: true, force: true })
    await expectNoOpenSockets()
  }
}

/** Sends a text, ends, and reads what comes back until the end. */
export async function exchange(pipe: Pipe, text: string): Promise<string> {
  pipe.end(text)
  const chunks: Buffer[] = []
  for await (const chunk of pipe) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The first value that fits; rejects after 8 s. */
export const first = <T>(values$: Observable<T>, fits: (value: T) => boolean = () => true): Promise<T> =>
  firstValueFrom(values$.pipe(filter(fits), timeout({ first: 8_000 })))
