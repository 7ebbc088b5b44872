import { describe, expect, it } from 'vitest'
import { explainPair } from '../../../../src/nat/punch/explain-pair.js'
import type { InterfaceRecord, NatSummary } from '../../../../src/protocol/interface-record.js'

const nat = (mapping: NatSummary['mapping'], filtering: NatSummary['filtering'], allocation: NatSummary['allocation']): NatSummary => ({ mapping, filtering, allocation, delta: 0 })
const random = nat('address-and-port-dependent', 'unknown', 'random')
const counting = nat('address-and-port-dependent', 'address-and-port-dependent', 'sequential')
const strict = nat('endpoint-independent', 'address-and-port-dependent', 'equal')

const mine = (one: NatSummary | undefined, host = '203.0.113.1'): InterfaceRecord => ({ family: 4, external: { host, port: 30_000 }, ...(one && { nat: one }) })
const theirs = (one: NatSummary | undefined): InterfaceRecord => mine(one, '198.51.100.1')
const explain = (one: NatSummary | undefined, other: NatSummary | undefined) => explainPair([mine(one)], [theirs(other)])

describe('why a punch did not come through', () => {
  it('is that both NATs choose random ports', () => {
    expect(explain(random, random)).toEqual({ text: 'Both NATs choose random ports per destination.', advice: 'A relay would help.' })
  })

  it('is that one draws ports and the other counts behind a strict filter', () => {
    expect(explain(random, counting)?.text).toMatch(/^The NAT of this side chooses random ports per destination; that of the peer uses another port for each endpoint/)
    expect(explain(counting, random)?.text).toMatch(/^The NAT of the peer chooses random/)
  })

  it('is bad luck where one draws ports and the other lets in what it knows', () => {
    expect(explain(strict, random)?.text).toMatch(/^The NAT of the peer chooses random ports per destination, and that of this side lets in only .* matter of chance/)
    expect(explain(random, strict)?.advice).toBe('Try again; a relay would help for good.')
  })

  it('is that a port foretold was another’s', () => {
    expect(explain(counting, strict)?.text).toMatch(/^The NAT of this side uses another port for each destination\. It had to be foretold/)
    expect(explain(strict, counting)?.text).toMatch(/^The NAT of the peer/)
    expect(explain(counting, counting)?.text).toMatch(/^Both NATs use another port for each destination/)
  })

  it('is a NAT that nobody knows', () => {
    expect(explain(undefined, strict)).toMatchObject({ text: expect.stringContaining('the NAT of this side'), advice: expect.stringMatching(/--stun on this side/) })
    expect(explain(strict, nat('unknown', 'unknown', 'unknown'))).toMatchObject({ text: expect.stringContaining('the NAT of the peer'), advice: expect.stringMatching(/--stun on the side of the peer/) })
    expect(explainPair([mine(strict)], [{ family: 4, nat: random }])?.text).toContain('the NAT of the peer')
    expect(explain(undefined, undefined)?.text).toContain('both sides')
  })

  it('is a firewall, perhaps, where theory says it works', () => {
    expect(explain(strict, strict)?.text).toMatch(/a firewall may block/)
  })

  it('is a NAT of both without hairpin', () => {
    expect(explainPair([mine(strict)], [mine(strict)])?.text).toMatch(/^Both sides are behind one NAT/)
    expect(explainPair([mine(random)], [mine(random)])?.text).toMatch(/^Both sides are behind one NAT/)
  })

  it('is told of the most promising pair', () => {
    const six: InterfaceRecord = { family: 6, external: { host: '2001:db8::1', port: 1 }, nat: nat('none', 'unknown', 'none') }
    expect(explainPair([mine(random), six], [theirs(random), { ...six, external: { host: '2001:db8::2', port: 1 } }])?.text).toMatch(/a firewall may block/)
    expect(explainPair([mine(random), six], [theirs(random)])?.text).toMatch(/^Both NATs choose random/)
  })

  it('is no common family', () => {
    expect(explainPair([mine(strict)], [{ family: 6 }])?.text).toBe('This side has IPv4 only, the peer has IPv6 only.')
  })

  it('is not told where a side stated nothing', () => {
    expect([explainPair([], [theirs(strict)]), explainPair([mine(strict)], [])]).toEqual([undefined, undefined])
  })
})
