import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Passes datagrams on to a server at 127.0.0.1 and back, each a little later. Whoever starts it closes it. */
export async function startUdpDelay(port: number, eachWayMs: number) {
  const front = createSocket('udp4').bind(0, '127.0.0.1')
  await once(front, 'listening')
  /** One socket for each client, by its port; bounded by the test. */
  const backs = new Map<number, Socket>()
  const timers = new Set<NodeJS.Timeout>()
  const later = (action: () => void) => {
    const timer = setTimeout(() => void (timers.delete(timer), action()), eachWayMs)
    timers.add(timer)
  }
  const backOf = (client: number): Socket => {
    const back = createSocket('udp4').on('message', bytes => later(() => front.send(bytes, client, '127.0.0.1')))
    backs.set(client, back)
    return back
  }
  front.on('message', (bytes, sender) => later(() => (backs.get(sender.port) ?? backOf(sender.port)).send(bytes, port, '127.0.0.1')))
  return {
    server: `127.0.0.1:${front.address().port}`,
    close() {
      timers.forEach(timer => clearTimeout(timer))
      for (const socket of [front, ...backs.values()]) socket.close()
    },
  }
}
