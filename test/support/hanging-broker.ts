import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * `silent` accepts and says nothing; `connack-only` accepts CONNECT and never speaks again; `never-puback` answers
 * pings too; `refuse-login` answers "bad user or password"; `close` closes when CONNECT comes; `mqtt3-only` does so
 * for every version but 3.1.1, which it accepts; `garbage` answers with no MQTT; `flood-length` announces, after
 * CONNACK, a SUBACK of 256 MiB.
 */
export type HangingMode = 'silent' | 'connack-only' | 'never-puback' | 'refuse-login' | 'close' | 'mqtt3-only' | 'garbage' | 'flood-length'

/** A broker that misbehaves as told. */
export interface HangingBroker {
  readonly url: string
  readonly port: number
  /** Protocol levels of the CONNECTs that came: 4 is 3.1.1. */
  readonly levels: readonly number[]
  readonly connections: number
  close(): Promise<void>
}

const connect = 0x10
const pingreq = 0xc0
const accepted = Buffer.from([0x20, 2, 0, 0])
const accepted5 = Buffer.from([0x20, 3, 0, 0, 0])
const badLogin = Buffer.from([0x20, 2, 0, 4])
const badLogin5 = Buffer.from([0x20, 3, 0, 134, 0])
const pingresp = Buffer.from([0xd0, 0])

/** Starts one on 127.0.0.1. */
export async function startHangingBroker(mode: HangingMode): Promise<HangingBroker> {
  const sockets = new Set<Socket>()
  const levels: number[] = []
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.on('data', chunk => {
      for (const packet of packetsOf(chunk)) {
        if (packet[0] === connect) levels.push(levelOf(packet))
        answer(mode, socket, packet)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    levels,
    get connections() {
      return sockets.size
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function answer(mode: HangingMode, socket: Socket, packet: Buffer): void {
  if (packet[0] === pingreq && mode === 'never-puback') socket.write(pingresp)
  if (packet[0] !== connect || mode === 'silent') return
  const is5 = levelOf(packet) === 5
  if (mode === 'close' || (mode === 'mqtt3-only' && is5)) return void socket.end()
  if (mode === 'garbage') return void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
  if (mode === 'refuse-login') return void socket.end(is5 ? badLogin5 : badLogin)
  socket.write(is5 ? accepted5 : accepted)
  if (mode === 'flood-length') socket.write(Buffer.from([0x90, 0xff, 0xff, 0xff, 0x7f]))
}

/** Splits a chunk that holds whole packets with lengths below 128, as the tests send them. */
function packetsOf(chunk: Buffer): Buffer[] {
  if (chunk.length === 0) return []
  const end = 2 + (chunk[1] ?? 0)
  return [chunk.subarray(0, end), ...packetsOf(chunk.subarray(end))]
}

/** CONNECT: fixed header of 2 bytes, protocol name of 2 + 4 bytes, level. */
const levelOf = (packet: Buffer): number => packet[8] ?? 0
