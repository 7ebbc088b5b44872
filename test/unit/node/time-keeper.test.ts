import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { TimeKeeper } from '../../../src/node/time-keeper.js'
import { systemClock } from '../../../src/net/clock.js'
import { startSntpResponder } from '../../../src/net/sntp-responder.js'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const clock = systemClock()
function keeper(servers: readonly string[]): TimeKeeper {
  const one = new TimeKeeper({ clock, servers, inspect: undefined })
  open.push(() => one.close())
  return one
}
const poll = <T>(value: () => T) => expect.poll(value, { timeout: 8_000, interval: 10 })

async function timeServer(): Promise<string> {
  const responder = await startSntpResponder({ host: '127.0.0.1', port: 0, clock })
  open.push(() => responder.close())
  return `127.0.0.1:${responder.port}`
}

async function silentServer(): Promise<{ readonly server: string; readonly socket: Socket }> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  open.push(() => socket.close())
  await once(socket, 'listening')
  return { server: `127.0.0.1:${socket.address().port}`, socket }
}

describe('the time of a node', () => {
  it('is unsettled until the first round has ended, then told', async () => {
    const one = keeper([await timeServer(), await timeServer()])
    const summaries: unknown[] = []
    one.changes$.subscribe(() => summaries.push(one.summary))
    expect([one.isSettled, one.summary]).toEqual([false, undefined])
    one.start()
    expect(one.isSettled).toBe(false)
    await poll(() => one.isSettled).toBe(true)
    expect(one.summary).toEqual({ offsetMs: expect.closeTo(0, 0), uncertaintyMs: expect.any(Number), source: expect.stringMatching(/^127.*, 127/) })
    expect(summaries).toContainEqual(expect.objectContaining({ source: one.summary?.source }))
  })

  it('is settled without servers, which makes nobody wait', () => {
    const one = keeper([])
    one.start()
    one.networkChanged()
    expect([one.isSettled, one.summary, one.failure]).toEqual([true, undefined, undefined])
  })

  it('is settled, without a summary and with the reason, when nobody answers', async () => {
    const one = keeper([(await silentServer()).server])
    one.start()
    await poll(() => one.isSettled).toBe(true)
    expect([one.summary, one.failure]).toEqual([undefined, { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'none of 1 time servers gave a time' }])
  })

  it('is asked for no more after close, also in the middle of a round', async () => {
    const { server, socket } = await silentServer()
    const one = keeper([server])
    one.start()
    await once(socket, 'message')
    let isOver = false
    one.changes$.subscribe({ complete: () => (isOver = true) })
    open.pop()?.()
    expect([isOver, one.actor.getSnapshot().status]).toEqual([true, 'done'])
  })

  it('may be closed before it is started', () => {
    const one = keeper(['127.0.0.1:9'])
    open.pop()?.()
    expect([one.isSettled, one.summary]).toEqual([false, undefined])
  })
})
