import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { combineOffsets, mutualOffset, type ExchangeStamps } from '../../../src/nat/clock-mutual.js'

const ms = (max: number) => fc.double({ min: 0, max, noNaN: true })

/** The stamps of an exchange with a peer whose clock is `aheadMs` ahead; the peer's are whole, as on the wire. */
const stampsOf = (aheadMs: number, forthMs: number, heldMs: number, backMs: number, startMs = 1_795_000_000_000.25): ExchangeStamps => ({
  sentMs: startMs,
  peerReceivedMs: Math.floor(startMs + forthMs + aheadMs),
  peerSentMs: Math.floor(startMs + forthMs + heldMs + aheadMs),
  receivedMs: startMs + forthMs + heldMs + backMs,
})
const offsetOf = (stamps: ExchangeStamps) => mutualOffset(stamps) ?? expect.unreachable('impossible stamps')

describe('the offset of two peers', () => {
  it('is that of their clocks, within half a round trip', () => {
    const { offsetMs, uncertaintyMs } = offsetOf(stampsOf(600_000, 30, 12, 30))
    expect(offsetMs).toBeCloseTo(600_000, -0.5)
    expect(uncertaintyMs).toBeGreaterThanOrEqual(30)
    expect(uncertaintyMs).toBeLessThan(32)
  })

  it('is covered by its uncertainty however unequal the ways are', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), ms(3_000), ms(5_000), ms(3_000), (aheadMs, forthMs, heldMs, backMs) => {
        const { offsetMs, uncertaintyMs } = offsetOf(stampsOf(aheadMs, forthMs, heldMs, backMs))
        expect(Math.abs(offsetMs - aheadMs)).toBeLessThanOrEqual(uncertaintyMs + 0.001)
        expect(uncertaintyMs).toBeLessThanOrEqual((forthMs + backMs) / 2 + 1 + (forthMs + heldMs + backMs) / 5_000)
      }),
    )
  })

  it.each<[string, Partial<ExchangeStamps>]>([
    ['an answer before its question', { peerSentMs: 90 }],
    ['more time held than passed', { peerSentMs: 500 }],
    ['an arrival before the departure', { receivedMs: 5 }],
    ['no number', { peerReceivedMs: NaN }],
  ])('is not told from stamps with %s', (_what, fields) => {
    expect(mutualOffset({ sentMs: 10, peerReceivedMs: 100, peerSentMs: 110, receivedMs: 40, ...fields })).toBeUndefined()
  })
})

describe('an exchange and true time together', () => {
  const byExchange = { offsetMs: 100, uncertaintyMs: 30 }

  it('are what the exchange says where true time is unknown', () => {
    expect(combineOffsets(byExchange, undefined)).toEqual(byExchange)
  })

  it('are as sure as the surer one', () => {
    const surer = { own: { offsetMs: 105, uncertaintyMs: 2 }, peer: { offsetMs: 0, uncertaintyMs: 3 } }
    const lessSure = { own: { offsetMs: 105, uncertaintyMs: 200 }, peer: { offsetMs: 0, uncertaintyMs: 300 } }
    expect(combineOffsets(byExchange, surer)).toEqual({ offsetMs: 105, uncertaintyMs: 5 })
    expect(combineOffsets(byExchange, lessSure)).toEqual(byExchange)
  })

  it('are surer than each where they overlap in part', () => {
    expect(combineOffsets(byExchange, { own: { offsetMs: 150, uncertaintyMs: 10 }, peer: { offsetMs: 10, uncertaintyMs: 10 } })).toEqual({ offsetMs: 125, uncertaintyMs: 5 })
  })

  it('are what the exchange says where time servers contradict it', () => {
    expect(combineOffsets(byExchange, { own: { offsetMs: 10_000, uncertaintyMs: 5 }, peer: { offsetMs: 0, uncertaintyMs: 5 } })).toEqual(byExchange)
  })

  it('cover the truth when both sides know true time', () => {
    const knowledge = fc.record({ offMs: fc.double({ min: -1e6, max: 1e6, noNaN: true }), uncertaintyMs: ms(300), share: fc.double({ min: -1, max: 1, noNaN: true }) })
    fc.assert(
      fc.property(knowledge, knowledge, ms(500), ms(500), (own, peer, forthMs, backMs) => {
        const aheadMs = own.offMs - peer.offMs
        const known = ({ offMs, uncertaintyMs, share }: typeof own) => ({ offsetMs: offMs + share * uncertaintyMs, uncertaintyMs })
        const { offsetMs, uncertaintyMs } = combineOffsets(offsetOf(stampsOf(aheadMs, forthMs, 5, backMs)), { own: known(own), peer: known(peer) })
        expect(Math.abs(offsetMs - aheadMs)).toBeLessThanOrEqual(uncertaintyMs + 0.001)
      }),
    )
  })
})
