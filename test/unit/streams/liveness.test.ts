import { describe, expect, it } from 'vitest'
import { nextStep, pingAfter, type LivenessFacts } from '../../../src/streams/session/liveness.js'

const idle: LivenessFacts = {
  nowMs: 100_000, heardAtMs: 100_000, askedAtMs: undefined, isSuspected: false, lastPingAtMs: 0, dataInFlight: false, dataReceivedAtMs: Number.NEGATIVE_INFINITY, rttMs: 10,
}
const facts = (changes: Partial<LivenessFacts>): LivenessFacts => ({ ...idle, ...changes })

describe('how long a peer may be silent', () => {
  it.each([
    ['20 s when idle', {}, 20_000],
    ['300 ms with data in flight', { dataInFlight: true }, 300],
    ['two round trips when that is longer', { dataInFlight: true, rttMs: 400 }, 800],
    ['300 ms when data came in the last 5 s', { dataReceivedAtMs: 95_001 }, 300],
    ['20 s when data came earlier', { dataReceivedAtMs: 95_000 }, 20_000],
  ])('%s', (_, changes, expected) => {
    expect(pingAfter(facts(changes))).toBe(expected)
  })
})

describe('the next step', () => {
  it.each([
    ['waits while the peer was just heard', {}, { do: 'wait', againInMs: 20_000 }],
    ['waits for the rest of the time', { heardAtMs: 99_800, dataInFlight: true }, { do: 'wait', againInMs: 100 }],
    ['asks when the time is over', { heardAtMs: 99_700, dataInFlight: true }, { do: 'ping', againInMs: 700 }],
    ['waits before it asks again', { isSuspected: true, heardAtMs: 90_000, askedAtMs: 99_000, lastPingAtMs: 99_600 }, { do: 'wait', againInMs: 600 }],
    ['suspects the path soon after it asked in vain', { heardAtMs: 90_000, askedAtMs: 99_300, lastPingAtMs: 99_300 }, { do: 'suspect', againInMs: 300 }],
    ['suspects a long path after four round trips', { heardAtMs: 90_000, askedAtMs: 98_800, lastPingAtMs: 99_800, rttMs: 300 }, { do: 'suspect', againInMs: 800 }],
    ['asks again each second', { isSuspected: true, heardAtMs: 90_000, askedAtMs: 98_000, lastPingAtMs: 99_000 }, { do: 'ping', againInMs: 1_000 }],
    ['looks in time to give up', { isSuspected: true, heardAtMs: 60_000, askedAtMs: 85_500, lastPingAtMs: 99_000 }, { do: 'ping', againInMs: 500 }],
    ['gives up 15 s after it asked first', { isSuspected: true, heardAtMs: 60_000, askedAtMs: 85_000, lastPingAtMs: 99_500 }, { do: 'giveUp' }],
  ] as const)('%s', (_, changes, expected) => {
    expect(nextStep(facts(changes))).toEqual(expected)
  })
})
