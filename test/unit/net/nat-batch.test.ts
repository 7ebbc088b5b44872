import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ThroughlineError } from '../../../src/errors/index.js'
import type { MappingObservation, MappingProbe, Probe, ProbeBatch } from '../../../src/nat/enumeration/probes.js'
import { failureCode, probeLimits, runProbes, type Prober } from '../../../src/net/nat-batch.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const local = '10.0.0.2'
const servers = ['192.0.2.1', '192.0.2.2', '192.0.2.3']
const probes = servers.map((host): MappingProbe => ({ kind: 'mapping', slot: { run: 0, index: 0 }, server: { host, port: 3478 }, to: { host, port: 3478 } }))
const batch: ProbeBatch = { transport: 'udp', purpose: 'discover', index: 0, probes, maxMs: 1_250 }

const answered = (probe: Probe, order: number, rttMs: number): MappingObservation =>
  ({ ...(probe as MappingProbe), order, local: { host: local, port: 9 }, mapped: { host: '203.0.113.5', port: 9 }, sentAtMs: 0, rttMs })
const failed = (probe: Probe, order: number): MappingObservation => ({ ...(probe as MappingProbe), order, failure: 'ERR_STUN_TIMEOUT' })

/** Runs the batch; probe n answers after `answersAfterMs[n]`, or when it is aborted. */
function start(answersAfterMs: readonly (number | undefined)[], one = batch) {
  const control = new AbortController()
  const begun: { readonly order: number; readonly atMs: number }[] = []
  const ended: { readonly order: number; readonly atMs: number }[] = []
  const startedAtMs = performance.now()
  const nowMs = () => performance.now() - startedAtMs
  const prober: Prober = (probe, order, signal) => {
    begun.push({ order, atMs: nowMs() })
    return new Promise(resolve => {
      const end = (observation: MappingObservation) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        ended.push({ order, atMs: nowMs() })
        resolve(observation)
      }
      const onAbort = () => end(failed(probe, order))
      const afterMs = answersAfterMs[order]
      const timer = afterMs === undefined ? undefined : setTimeout(() => end(answered(probe, order, afterMs)), afterMs)
      signal.addEventListener('abort', onAbort)
    })
  }
  let endedAtMs: number | undefined
  const outcome = runProbes({ batch: one, local, prober, signal: control.signal }).finally(() => (endedAtMs = nowMs()))
  outcome.catch(() => {})
  return { outcome, control, begun, ended, endedAt: () => endedAtMs }
}

const answers = async (outcome: ReturnType<typeof runProbes>) =>
  (await outcome).map(one => (one.kind === 'mapping' ? [one.order, one.failure ?? 'answered'] : []))

describe('a batch of probes', () => {
  it('leaves at once, in the order of the list', () => {
    const { begun, control } = start([])
    expect(begun).toEqual([0, 1, 2].map(order => ({ order, atMs: 0 })))
    control.abort()
  })

  it('gives one observation for each probe, as they settle', async () => {
    const { outcome } = start([60, 20, 40])
    await vi.advanceTimersByTimeAsync(60)
    expect(await answers(outcome)).toEqual([[1, 'answered'], [2, 'answered'], [0, 'answered']])
  })

  it('is over when all have settled', async () => {
    const { outcome, endedAt } = start([40, 40, 41])
    await vi.advanceTimersByTimeAsync(41)
    await outcome
    expect(endedAt()).toBe(41)
  })

  it('is patient with the rest for a while when enough have answered', async () => {
    const { outcome, ended, endedAt } = start([40, undefined, 30])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await answers(outcome)).toEqual([[2, 'answered'], [0, 'answered'], [1, 'ERR_STUN_TIMEOUT']])
    // twice the slowest, and 100 ms
    expect([ended.at(-1), endedAt()]).toEqual([{ order: 1, atMs: 180 }, 180])
  })

  it('hears who comes within that time', async () => {
    const { outcome, endedAt } = start([40, 170, 30])
    await vi.advanceTimersByTimeAsync(5_000)
    expect((await answers(outcome)).map(([, what]) => what)).toEqual(['answered', 'answered', 'answered'])
    expect(endedAt()).toBe(170)
  })

  it('waits as long as its plan allows for whom nobody can stand in', async () => {
    const { outcome, endedAt } = start([40, undefined, undefined])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await answers(outcome)).toEqual([[0, 'answered'], [1, 'ERR_STUN_TIMEOUT'], [2, 'ERR_STUN_TIMEOUT']])
    expect(endedAt()).toBe(batch.maxMs)
  })

  it('waits as long as its plan allows for an arrival that may not come', async () => {
    const { outcome, endedAt } = start([40, undefined, 40], { ...batch, purpose: 'behave', maxMs: 500 })
    await vi.advanceTimersByTimeAsync(5_000)
    await outcome
    expect(endedAt()).toBe(500)
  })

  it('of no probes is over at once', async () => {
    expect(await start([], { ...batch, probes: [] }).outcome).toEqual([])
  })

  it('rejects with the reason when its signal fires, once every probe has ended', async () => {
    const { outcome, control, ended } = start([20, undefined, undefined])
    await vi.advanceTimersByTimeAsync(30)
    const reason = new Error('closed')
    control.abort(reason)
    await expect(outcome).rejects.toBe(reason)
    expect(ended).toEqual([{ order: 0, atMs: 20 }, { order: 1, atMs: 30 }, { order: 2, atMs: 30 }])
  })

  it('does not leave when its signal has fired', async () => {
    const prober = vi.fn<Prober>()
    const reason = new Error('closed')
    await expect(runProbes({ batch, local, prober, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(prober).not.toHaveBeenCalled()
  })

  it('leaves nothing at the signal', async () => {
    const { outcome, control } = start([1, 1, 1])
    expect(getEventListeners(control.signal, 'abort')).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    await outcome
    expect(getEventListeners(control.signal, 'abort')).toEqual([])
  })
})

describe('why a probe failed', () => {
  it.each([
    ['what patience cut short has timed out', 'ERR_CANCELLED', 'ERR_STUN_TIMEOUT'], ['a refusal stays one', 'ERR_STUN_REFUSED', 'ERR_STUN_REFUSED'], ['a taken port stays one', 'ERR_PORT_IN_USE', 'ERR_PORT_IN_USE'],
  ] as const)('%s', (_, code, expected) => {
    expect(failureCode(new ThroughlineError(code, 'why'))).toBe(expected)
  })
})

describe('what a probe may take', () => {
  it.each([[300, 300], [60_000, 5_000]])('is the time of its batch, and never more than batches get: %i ms', (maxMs, timeoutMs) => {
    const { signal } = new AbortController()
    expect(probeLimits({ ...batch, maxMs }, signal)).toEqual({ timeoutMs, signal })
  })
})
