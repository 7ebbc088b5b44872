import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clockOffsetAt, estimateClock, type TimeSample } from '../../../src/nat/clock-estimate.js'
import { readSntpReply } from '../../../src/nat/clock-reply.js'
import { simulateExchange } from '../../support/sntp-replies.js'

const sample = (server: string, offsetMs: number, delayMs = 40, fields: Partial<TimeSample> = {}): TimeSample => ({ server, offsetMs, delayMs, rootDistanceMs: 1, atMs: 0, ...fields })
const estimate = (samples: readonly TimeSample[], asked = samples.length, nowMs = 0) => {
  const outcome = estimateClock(samples, asked, nowMs)
  return outcome.ok ? outcome.estimate : expect.unreachable(outcome.failure.message)
}
const failureOf = (samples: readonly TimeSample[], asked = samples.length) => {
  const outcome = estimateClock(samples, asked, 0)
  return outcome.ok ? expect.unreachable(outcome.estimate.source) : outcome.failure
}

describe('servers that agree', () => {
  it('give the middle of what they have in common', () => {
    expect(estimate([sample('a', 100), sample('b', 110)])).toEqual({ offsetMs: 105, uncertaintyMs: 16, atMs: 0, source: 'a, b' })
  })

  it('are not put off by one that lies by ten seconds', () => {
    const { offsetMs, uncertaintyMs, source } = estimate([sample('a', 1), sample('b', 10_000), sample('c', -1)])
    expect({ offsetMs, uncertaintyMs, source }).toEqual({ offsetMs: 0, uncertaintyMs: 20, source: 'a, c' })
  })

  it('at 40 ms symmetric RTT are right within 5 ms beside a liar, whichever of the three it is', () => {
    for (const liar of [0, 1, 2]) {
      const samples = [0, 1, 2].map((index): TimeSample => {
        const { bytes, sentAtMs, receivedAtMs } = simulateExchange({ nonce: 9n, trueOffsetMs: -600_000, lieMs: index === liar ? 10_000 : 0, forthMs: 20 + index, backMs: 20 + 0.5 * index })
        const outcome = readSntpReply(bytes, [{ nonce: 9n, sentAtMs }], receivedAtMs)
        return outcome?.ok === true ? { ...outcome.reading, server: `s${index}`, atMs: 0 } : expect.unreachable()
      })
      const { offsetMs, uncertaintyMs } = estimate(samples)
      const errorMs = Math.abs(offsetMs - -600_000)
      expect(errorMs).toBeLessThanOrEqual(5)
      expect(errorMs).toBeLessThanOrEqual(uncertaintyMs)
    }
  })

  it('stay as unsure as a majority leaves it: a single sure one may be the liar', () => {
    expect(estimate([sample('near', 15, 1), sample('b', 0), sample('c', 0)])).toMatchObject({ offsetMs: 0, uncertaintyMs: 21 })
  })
})

describe('the uncertainty', () => {
  // true offset 0: a server that is right has it within its interval, one that lies says anything
  const right = fc.record({ delayMs: fc.double({ min: 0, max: 500, noNaN: true }), rootDistanceMs: fc.double({ min: 0, max: 100, noNaN: true }), share: fc.double({ min: -1, max: 1, noNaN: true }), ageMs: fc.nat(10_000) })
  const lying = fc.record({ delayMs: fc.double({ min: 0, max: 500, noNaN: true }), rootDistanceMs: fc.double({ min: 0, max: 100, noNaN: true }), offsetMs: fc.double({ min: -20_000, max: 20_000, noNaN: true }), ageMs: fc.nat(10_000) })

  it('covers the true error whatever a minority says', () => {
    const worlds = fc.integer({ min: 2, max: 9 }).chain(count => fc.integer({ min: 0, max: Math.ceil(count / 2) - 1 }).chain(liars =>
      fc.tuple(fc.array(right, { minLength: count - liars, maxLength: count - liars }), fc.array(lying, { minLength: liars, maxLength: liars }))))
    fc.assert(
      fc.property(worlds, ([honest, liars]) => {
        const samples = [
          ...honest.map(({ delayMs, rootDistanceMs, share, ageMs }, index) => sample(`h${index}`, share * (delayMs / 2 + rootDistanceMs + ageMs / 10_000), delayMs, { rootDistanceMs, atMs: 10_000 - ageMs })),
          ...liars.map(({ delayMs, rootDistanceMs, offsetMs, ageMs }, index) => sample(`l${index}`, offsetMs, delayMs, { rootDistanceMs, atMs: 10_000 - ageMs })),
        ]
        const { offsetMs, uncertaintyMs } = estimate(samples, samples.length, 10_000)
        expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs + 1e-6)
      }),
      { numRuns: 2_000 },
    )
  })

  it('holds the drift since each sample was taken', () => {
    expect(estimate([sample('a', 0)], 1, 10_000).uncertaintyMs).toBeCloseTo(20 + 1 + 1, 6)
  })

  it('grows with the age of the estimate, by a tenth of a millisecond a second', () => {
    const known = estimate([sample('a', 5)], 1)
    expect(clockOffsetAt(known, 900_000)).toEqual({ offsetMs: 5, uncertaintyMs: 21 + 90 })
  })

  it('spans both places where a majority may be right', () => {
    expect(estimate([sample('wide', 0, 200), sample('left', -80, 2), sample('right', 80, 2)])).toMatchObject({ offsetMs: 0, uncertaintyMs: 82 })
  })
})

describe('without a majority nothing is believed', () => {
  it.each([
    ['two servers contradict each other', [sample('a', 0), sample('b', 10_000)], 2, 'no majority of the time servers agrees: a says +0.0 ms, b says +10000.0 ms'],
    ['all contradict each other', [sample('a', 0), sample('b', 10_000), sample('c', -10_000)], 3, /^no majority/],
    ['two of four agree, and two others on something else', [sample('a', 0), sample('b', 0), sample('c', 500), sample('d', 500)], 4, /^no majority/],
    ['one of three answers', [sample('a', -3)], 3, 'only one of 3 time servers gave a time, and nobody confirms it: a says -3.0 ms'],
    ['one of two lies while the third is silent', [sample('a', 0), sample('b', 10_000)], 3, /^no majority/],
    ['none answers', [], 3, 'none of 3 time servers gave a time'],
    ['none is known', [], 0, 'there is no time server to ask'],
  ])('when %s', (_when, samples, asked, message) => {
    const failure = failureOf(samples, asked)
    expect(failure.code).toBe('ERR_CLOCK_UNSYNCHRONISED')
    expect(failure.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
  })

  it('but two of three are enough, and so is a single server that is asked alone', () => {
    expect(estimate([sample('a', 0), sample('b', 2)], 3).source).toBe('a, b')
    expect(estimate([sample('a', 7)], 1)).toMatchObject({ offsetMs: 7, uncertaintyMs: 21, source: 'a' })
  })
})
