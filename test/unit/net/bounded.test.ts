import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ThroughlineError } from '../../../src/errors/index.js'
import { bounded, type Settle } from '../../../src/net/bounded.js'

const late = () => new ThroughlineError('ERR_TIMEOUT', 'late')

describe('bounded', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const run = (start: (settle: Settle<string>) => void) => {
    const controller = new AbortController()
    const cleanUp = vi.fn()
    const promise = bounded<string>({ signal: controller.signal, timeoutMs: 100, what: 'a test', onTimeout: late }, settle => {
      start(settle)
      return cleanUp
    })
    const leftOver = () => ({ timers: vi.getTimerCount(), listeners: getEventListeners(controller.signal, 'abort').length, cleanUps: cleanUp.mock.calls.length })
    return { controller, promise, leftOver }
  }
  const nothing = { timers: 0, listeners: 0, cleanUps: 1 }

  it('leaves nothing behind when it settles at once', async () => {
    const { promise, leftOver } = run(settle => settle.resolve('done'))
    await expect(promise).resolves.toBe('done')
    expect(leftOver()).toEqual(nothing)
  })

  it('leaves nothing behind when its time is over', async () => {
    const { promise, leftOver } = run(() => {})
    vi.advanceTimersByTime(100)
    await expect(promise).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(leftOver()).toEqual(nothing)
  })

  it('leaves nothing behind when it is aborted', async () => {
    const { controller, promise, leftOver } = run(() => {})
    controller.abort('enough')
    await expect(promise).rejects.toMatchObject({ code: 'ERR_CANCELLED', cause: 'enough' })
    expect(leftOver()).toEqual(nothing)
  })

  it('never starts under a signal that is aborted already', async () => {
    const start = vi.fn()
    await expect(bounded({ signal: AbortSignal.abort(), timeoutMs: 100, what: 'a test', onTimeout: late }, start)).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    expect(start).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})
