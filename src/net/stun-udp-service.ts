import type { Socket } from 'node:dgram'
import { defaults } from '../config/defaults.js'
import { answerBinding } from '../protocol/stun/binding-answer.js'
import { knownHost, unmapped } from './stun-hosts.js'
import type { RateWindow } from './stun-rate.js'

/** Answers what comes to `sockets[port][host]` while they are open. Too much from one source, or in all, is dropped unread. */
export function serveStunUdp(hosts: readonly string[], ports: readonly [number, number], sockets: readonly (readonly Socket[])[], rate: RateWindow): void {
  for (const [p, ofPort] of sockets.entries()) {
    for (const [h, socket] of ofPort.entries()) {
      const otherHost = hosts[1 - h]
      const place = {
        transport: 'udp',
        local: { host: knownHost(hosts[h]), port: ports[p] ?? 0 },
        other: { host: otherHost, port: ports[1 - p] ?? 0 },
      } as const
      socket.on('message', (bytes, { address, port }) => {
        if (!rate.take(address, performance.now())) return
        const answer = answerBinding(bytes, { host: unmapped(address), port }, place)
        if (answer === undefined) return
        const { change, port: target } = answer
        const from = sockets[change.port ? 1 - p : p]?.[change.address ? 1 - h : h]
        if (from === undefined || from.getSendQueueSize() > defaults.stun.responder.maxUnsentBytes) return
        from.send(answer.bytes, target, address, () => {})
      })
    }
  }
}
