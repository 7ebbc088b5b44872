import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { pipeSessionMachine } from '../../../machines/pipe-session/pipe-session.machine.js'
import type { Failure } from '../../../src/errors/index.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'

const broke: Failure = { code: 'ERR_CONNECTION_LOST', message: 'reset' }
const lost = (isClosedByPeer = false) => ({ type: 'session.suspended', failure: broke, isClosedByPeer })

function start(fields: object = {}) {
  const fakes = new FakeActors()
  const closed: (Failure | undefined)[] = []
  const machine = pipeSessionMachine.provide({
    actors: fakes.provide({ promises: ['acceptOpen'], callbacks: ['watchSession'] }),
    actions: { closeSession: (_: unknown, { failure }: { failure: Failure | undefined }) => void closed.push(failure) },
  })
  const running = run(machine, { sessionKey: 'k', moveTimeoutMs: 1_000, suspendMs: 60_000, closedMs: 10_000, ...fields })
  const send = (event: AnyEventObject) => running.actor.send(event)
  const value = () => running.actor.getSnapshot().value as unknown
  return { ...running, fakes, closed, send, value }
}

describe('a pipe session without a path', () => {
  it('is given up when its time is up, counted from the suspicion', () => {
    const { clock, send, value, closed } = start()
    send({ type: 'session.suspected' })
    clock.increment(15_000)
    send(lost())
    expect(value()).toEqual({ stalled: 'suspended' })
    clock.increment(44_999)
    expect(closed).toEqual([])
    clock.increment(1)
    expect(closed).toEqual([broke])
  })

  it('is given up while the peer is merely silent, too', () => {
    const { clock, send, closed } = start({ suspendMs: 3_000 })
    send({ type: 'session.suspected' })
    clock.increment(3_000)
    expect(closed).toMatchObject([{ code: 'ERR_CONNECTION_LOST' }])
  })

  it('is waited for less long when the other end has closed the last channel', () => {
    const { clock, send, closed } = start()
    send(lost(true))
    clock.increment(10_000)
    expect(closed).toEqual([broke])
  })

  it('begins anew to wait at the next loss', () => {
    const { clock, send, value, closed } = start()
    send(lost())
    clock.increment(59_000)
    send({ type: 'session.moved' })
    expect(value()).toBe('open')
    send({ type: 'session.suspected' })
    clock.increment(59_000)
    expect(closed).toEqual([])
  })

  it('stays silent without end, and ends with its channel, where no path is waited for', () => {
    const { clock, send, value, closed } = start({ suspendMs: 0 })
    send({ type: 'session.suspected' })
    clock.increment(10_000_000)
    expect(value()).toEqual({ stalled: 'suspected' })
    send(lost())
    expect(closed).toEqual([broke])
  })

  it('takes a channel that the initiator opens, and goes on', async () => {
    const { send, value, fakes } = start()
    send(lost())
    send({ type: 'open.received', channelId: 'channel-2' })
    expect(fakes.last('acceptOpen').input).toMatchObject({ channelId: 'channel-2' })
    send({ type: 'session.moved' })
    fakes.last('acceptOpen').resolve({ ok: true })
    await settled()
    expect(value()).toBe('open')
  })

  it('is without a path still when that channel could not be taken', async () => {
    const { send, value, fakes } = start()
    send(lost())
    send({ type: 'open.received', channelId: 'channel-2' })
    fakes.last('acceptOpen').resolve({ ok: false, failure: broke })
    await settled()
    expect(value()).toEqual({ stalled: 'suspended' })
  })

  it('drains on when the path is back and the peer had ended', () => {
    const { send, value } = start()
    send({ type: 'peer.ended' })
    send({ type: 'session.suspected' })
    send({ type: 'session.trusted' })
    expect(value()).toBe('draining')
  })
})
