import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { Channel } from '../../../src/net/channel.js'
import { readOpen } from '../../../src/net/hello.js'
import type { Open } from '../../../src/protocol/frames.js'
import { SessionPipe } from '../../../src/streams/pipe/session-pipe.js'
import { Session } from '../../../src/streams/session/session.js'
import type { OpenEvent, SessionEvent } from '../../../src/streams/session/types.js'
import { WindowPool } from '../../../src/streams/session/window-pool.js'
import { systemClock, type Clock } from '../../../src/net/clock.js'
import { channelPairs, newId } from './channels.js'

const path = { strategy: 'direct', scope: 'local', family: 4, local: '', remote: '', rttMs: 0 } as const

/** One side of a session without machines: the engine, its pipe, and what it told. */
export class Side {
  readonly session: Session
  readonly pool: WindowPool
  readonly events: SessionEvent[] = []
  readonly pipe: SessionPipe & Duplex

  constructor(role: 'initiator' | 'responder', id: string, clock: Clock, pool: WindowPool) {
    this.pool = pool
    this.session = new Session({ id, role, peerId: 'peer', protocol: '', clock, pool })
    this.session.events$.subscribe(event => {
      this.events.push(event)
      // what the pipeSession machine does, where a pipe may not wait for another path
      if (final.includes(event.type)) this.session.close('failure' in event ? event.failure : undefined)
    })
    this.pipe = new SessionPipe(this.session, path, 0, () => Promise.reject(new Error('no machine')))
    onTestFinished(() => this.session.close({ code: 'ERR_INTERRUPTED', message: 'the test is over' }))
  }
}

const final: readonly SessionEvent['type'][] = ['session.finished', 'session.lost', 'session.suspended', 'session.aborted']

/** Both sides of a session over real channels, and what carries it to the next one. */
export interface SessionPair {
  readonly initiator: Side
  readonly responder: Side
  readonly nextChannels: () => Promise<{ readonly client: Channel; readonly server: Channel }>
  /** Opens the next epoch on a new pair of channels; resolves when the initiator knows. */
  move(): Promise<{ readonly client: Channel; readonly server: Channel; readonly told: OpenEvent }>
}

/** The OPEN that arrives on a channel, within 5 s. */
export const awaitOpen = (channel: Channel): Promise<Open> =>
  new Promise((resolve, reject) => readOpen(channel, { timeoutMs: 5_000, signal: new AbortController().signal }, open => (open instanceof Error ? reject(open) : resolve(open))))

/** Opens a session over loopback; `clock` and `pool` are shared by both sides unless given. */
export async function openSession({ clock = systemClock(), poolBytes = 1_024 ** 2, firstBytes }: { clock?: Clock; poolBytes?: number; firstBytes?: Uint8Array } = {}): Promise<SessionPair> {
  const id = newId()
  const initiator = new Side('initiator', id, clock, new WindowPool(poolBytes))
  const responder = new Side('responder', id, clock, new WindowPool(poolBytes))
  const nextChannels = channelPairs()
  const move = async () => {
    const channels = await nextChannels()
    const told = new Promise<OpenEvent>(resolve => initiator.session.open(channels.client, { reason: 'dial', ...(firstBytes !== undefined && { firstBytes }) }).subscribe(resolve))
    const open = await awaitOpen(channels.server)
    responder.session.accept(channels.server, open)
    return { ...channels, told: await told }
  }
  await move()
  return { initiator, responder, nextChannels, move }
}
