import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { ChannelStep } from '../../../src/net/channel-progress.js'
import type { Volley } from '../../../src/nat/punch/volley.js'
import type { Channel } from '../../../src/net/channel.js'
import { systemClock, type Clock } from '../../../src/net/clock.js'
import { PunchChannel, type PunchRequest } from '../../../src/net/punch/punch-channel.js'
import { Securer } from '../../../src/net/secure.js'
import type { Role } from '../../../src/protocol/frames.js'
import { identityFromSeed, type Identity } from '../../../src/protocol/identity.js'
import { freePort } from '../../support/free-port.js'

/** Addresses of this machine. */
export const hosts = { initiator: '127.0.0.2', responder: '127.0.0.3', other: '127.0.0.4' } as const
export const identities = { initiator: identityFromSeed(new Uint8Array(32).fill(1)), responder: identityFromSeed(new Uint8Array(32).fill(2)), other: identityFromSeed(new Uint8Array(32).fill(3)) }
const otherSide = { initiator: 'responder', responder: 'initiator' } as const

/** A volley of one side at the other over loopback: a mapping, from and to the ports given. */
export const volleyOf = (role: Role, localPort: number, remotePort: number): Volley => ({
  method: 'mapping', scope: 'local', family: 4, host: hosts[role], localPorts: [localPort], remoteHost: hosts[otherSide[role]], remotePorts: [remotePort], delayMs: 0,
})

/** It is always the turn of this volley. */
export const atOnce: PunchRequest['takeTurn'] = begin => {
  begin()
  return () => {}
}

/** A punch that is watched. */
export interface Punch {
  readonly channel: PunchChannel
  readonly steps: readonly ChannelStep[]
  /** `secured` or `failed`. */
  readonly outcome: Promise<ChannelStep>
}

/** Punches of one test, their channels, and servers that stand in for others; ends them all. */
export class Punches implements AsyncDisposable {
  readonly #punches: Punch[] = []
  readonly #servers: Server[] = []
  readonly #sockets: Socket[] = []
  /** Waits of all punches that neither ended nor were cancelled. */
  readonly timers = new Set<() => void>()
  readonly #clock: Clock = {
    ...systemClock(),
    after: (delayMs, callback) => {
      const timer = setTimeout(() => cancel(callback), delayMs)
      const cancel = (then: () => void = () => {}) => {
        clearTimeout(timer)
        this.timers.delete(cancel)
        then()
      }
      this.timers.add(cancel)
      return () => cancel()
    },
  }

  /** Fires at once. */
  start(role: Role, volley: Volley, rest: Partial<PunchRequest> & { readonly identity?: Identity } = {}): Punch {
    const { identity = identities[role], ...request } = rest
    const channel = new PunchChannel(
      {
        volley, peerId: identities[otherSide[role]].id, role, sessionKey: `key of the ${role}`, sessionId: 'aa'.repeat(16), attemptId: 'bb'.repeat(16),
        timeoutMs: 10_000, maySend: () => true, takeTurn: atOnce, onRefusal: () => {}, ...request,
      },
      new Securer(identity), this.#clock, Math.random,
    )
    const steps: ChannelStep[] = []
    const outcome = new Promise<ChannelStep>(resolve => channel.follow(step => {
      steps.push(step)
      if (step.type !== 'connected') resolve(step)
    }))
    const punch = { channel, steps, outcome }
    this.#punches.push(punch)
    return punch
  }

  /** Listens on an address of the responder or another; what comes is read, and may be answered. */
  async serve(host: string, onSocket: (socket: Socket) => void = () => {}): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, socket => {
      this.#sockets.push(socket.on('error', () => {}).resume())
      onSocket(socket)
    }).listen(await freePort(), host)
    this.#servers.push(server)
    await once(server, 'listening')
    return (server.address() as { readonly port: number }).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { channel, steps } of this.#punches) {
      channel.abandon()
      for (const step of steps) if (step.type === 'secured') step.channel.destroy()
    }
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** The channels of punches that came through; throws what one failed of. */
export const channelsOf = (punches: readonly Punch[]): Promise<readonly Channel[]> =>
  Promise.all(punches.map(async ({ outcome }) => {
    const step = await outcome
    if (step.type !== 'secured') throw new Error(step.type === 'failed' ? step.failure.message : step.type)
    return step.channel
  }))
