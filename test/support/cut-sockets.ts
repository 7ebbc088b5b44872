import { channel } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** Sockets of this process by the port they came from, which names one end of a TCP connection. */
export class CutSockets implements Disposable {
  readonly #sockets = new Set<Socket>()
  readonly #sources = [channel('net.client.socket'), channel('net.server.socket')]
  readonly #note = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  constructor() {
    for (const source of this.#sources) source.subscribe(this.#note)
  }

  /** Breaks the end that has this endpoint as its own, by RST; the other end sees that. */
  cut(localEndpoint: string): void {
    const socket = [...this.#sockets].find(({ localAddress, localPort }) => `${localAddress?.replace('::ffff:', '')}:${localPort}` === localEndpoint)
    if (socket === undefined) throw new Error(`no socket at ${localEndpoint}`)
    socket.resetAndDestroy()
  }

  [Symbol.dispose](): void {
    for (const source of this.#sources) source.unsubscribe(this.#note)
  }
}
