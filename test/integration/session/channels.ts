import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { filter, firstValueFrom, map, take, timeout } from 'rxjs'
import { onTestFinished } from 'vitest'
import { Channel } from '../../../src/net/channel.js'
import { Securer } from '../../../src/net/secure.js'
import { identityFromSeed, type Identity } from '../../../src/protocol/identity.js'
import type { Frame, Hello } from '../../../src/protocol/frames.js'
import type { Node } from '../../../src/node/types.js'

export const newIdentity = (): Identity => identityFromSeed(randomBytes(32))
export const newId = (): string => randomBytes(16).toString('hex')

const never = new AbortController().signal

/** Both ends of one TCP connection over loopback. */
export async function socketPair(): Promise<{ readonly dialled: Socket; readonly accepted: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dialled = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await once(server, 'connection')) as [Socket]
  if (dialled.connecting) await once(dialled, 'connect')
  server.close()
  onTestFinished(() => {
    dialled.destroy()
    accepted.destroy()
  })
  return { dialled, accepted }
}

/** Makes secured channel pairs between the same two peers. */
export function channelPairs() {
  const securers = { client: new Securer(newIdentity()), server: new Securer(newIdentity()) }
  return async (): Promise<{ readonly client: Channel; readonly server: Channel }> => {
    const { dialled, accepted } = await socketPair()
    const request = { timeoutMs: 5_000, signal: never }
    const [client, server] = await Promise.all([securers.client.client(dialled, request), securers.server.server(accepted, request)])
    return { client: new Channel(client), server: new Channel(server) }
  }
}

/** A hand-driven peer on one channel to a node. */
export class WirePeer {
  readonly channel: Channel
  readonly session: string
  /** Every frame that came. */
  readonly frames: Frame[] = []
  /** How the channel ended: `undefined` while it is open. */
  end: 'ended' | { readonly code: string } | undefined
  readonly #waiters = new Set<() => void>()

  constructor(channel: Channel, session: string) {
    this.channel = channel
    this.session = session
    channel.frames$.subscribe({
      next: frame => {
        this.frames.push(frame.type === 'data' ? { ...frame, bytes: Buffer.from(frame.bytes) } : frame)
        this.#wake()
      },
      complete: () => {
        this.end = 'ended'
        this.#wake()
      },
      error: (failure: { code: string }) => {
        this.end = failure
        this.#wake()
      },
    })
    onTestFinished(() => {
      channel.send({ type: 'abort', code: 'ERR_INTERRUPTED' })
      channel.end()
    })
  }

  /** The first frame of a type, past or future. */
  async frame<T extends Frame['type']>(type: T): Promise<Extract<Frame, { type: T }>> {
    return this.until(() => this.frames.find((frame): frame is Extract<Frame, { type: T }> => frame.type === type))
  }

  /** Resolves when the node has ended or dropped the channel. */
  async ended(): Promise<'ended' | { readonly code: string }> {
    return this.until(() => this.end)
  }

  until<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not seen in 10 s: ${look.toString()}; frames: ${this.frames.map(({ type }) => type).join(' ')}`)), 10_000)
      const check = () => {
        const found = look()
        if (found === undefined) return
        clearTimeout(timer)
        this.#waiters.delete(check)
        resolve(found)
      }
      this.#waiters.add(check)
      check()
    })
  }

  hello(parts: Partial<Hello> = {}): void {
    this.channel.send({ type: 'hello', version: 1, role: 'initiator', session: this.session, attempt: newId(), ...parts })
  }

  open(epoch = 1, parts: Partial<Extract<Frame, { type: 'open' }>> = {}): void {
    this.channel.send({ type: 'open', epoch, established: false, receivedOffset: 0, maxOffset: 65_536, protocol: '', reason: 'dial', ...parts })
  }

  /** Bytes read so far. */
  get received(): Buffer {
    return Buffer.concat(this.frames.flatMap(frame => (frame.type === 'data' ? frame.bytes : [])))
  }

  #wake(): void {
    for (const check of [...this.#waiters]) check()
  }
}

/** Port on which a node listens. */
export const portOf = (node: Node): Promise<number> =>
  firstValueFrom(node.network$.pipe(map(({ listenPort }) => listenPort), filter(port => port > 0), take(1), timeout(5_000)))

/** A TCP connection to a node. */
export async function dialPort(node: Node): Promise<Socket> {
  const socket = connect({ port: await portOf(node), host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  onTestFinished(() => void socket.destroy())
  return socket
}

/** Connects to a node as a peer of its own, secured; HELLO is still to be said. */
export async function wirePeer(node: Node, { identity = newIdentity(), session = newId() }: { identity?: Identity; session?: string } = {}): Promise<WirePeer> {
  const secured = await new Securer(identity).client(await dialPort(node), { expectedId: node.id, timeoutMs: 5_000, signal: never })
  return new WirePeer(new Channel(secured), session)
}
