import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a broker that can be shut at a chosen message. */
export interface BrokerGate {
  readonly url: string
  /** PUBLISH packets that clients have sent so far. */
  readonly published: number
  close(): Promise<void>
}

/**
 * Passes everything between clients and a broker on 127.0.0.1. `onPublish` is called with the number, from 1, of each
 * PUBLISH of a client before the broker gets it; false keeps that packet and closes every connection.
 */
export async function startBrokerGate(port: number, onPublish: (number: number) => boolean): Promise<BrokerGate> {
  let published = 0
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const broker = connect(port, '127.0.0.1')
    const both = [client, broker]
    for (const socket of both) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => {
        sockets.delete(socket)
        for (const other of both) other.destroy()
      })
    }
    broker.pipe(client)
    const packets = new Packets()
    client.on('data', chunk => {
      for (const packet of packets.take(chunk)) {
        if (isPublish(packet) && !onPublish(++published)) return sockets.forEach(socket => socket.destroy())
        broker.write(packet)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get published() {
      return published
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const isPublish = (packet: Buffer): boolean => (packet[0] ?? 0) >> 4 === 3

/** Cuts a stream into MQTT packets: a byte of type, the remaining length in base 128, the rest (MQTT 3.1.1 section 2.2). */
class Packets {
  #held = Buffer.alloc(0)

  take(chunk: Buffer): Buffer[] {
    this.#held = Buffer.concat([this.#held, chunk])
    const packets: Buffer[] = []
    for (let end = this.#end(); end !== undefined; end = this.#end()) {
      packets.push(this.#held.subarray(0, end))
      this.#held = this.#held.subarray(end)
    }
    return packets
  }

  /** Where the first packet ends; undefined while it is not all there. */
  #end(): number | undefined {
    let length = 0
    for (let index = 1; index < this.#held.length; index++) {
      const byte = this.#held[index] ?? 0
      length += (byte & 0x7f) * 128 ** (index - 1)
      if (byte < 0x80) return this.#held.length >= index + 1 + length ? index + 1 + length : undefined
    }
    return undefined
  }
}
