import { describe, expect, it } from 'vitest'
import type { OwnAddress } from '../../../../src/nat/dial-plan.js'
import type { ProvenPath } from '../../../../src/nat/path-memory.js'
import { planVolleys } from '../../../../src/nat/punch/plan-volleys.js'
import type { PunchMethod, PunchSite, Volley } from '../../../../src/nat/punch/volley.js'
import type { InterfaceRecord, NatSummary } from '../../../../src/protocol/interface-record.js'

const nat = (mapping: NatSummary['mapping'], filtering: NatSummary['filtering'], allocation: NatSummary['allocation']): NatSummary => ({ mapping, filtering, allocation, delta: 1 })
const nats = {
  kept: nat('endpoint-independent', 'unknown', 'random'),
  random: nat('address-and-port-dependent', 'address-and-port-dependent', 'random'),
  counting: nat('address-and-port-dependent', 'address-and-port-dependent', 'sequential'),
} as const

const record = (kind: keyof typeof nats, host = '203.0.113.9'): InterfaceRecord => ({ family: host.includes(':') ? 6 : 4, external: { host, port: 7_000 }, nat: nats[kind] })
const site = (kind: keyof typeof nats): PunchSite => ({ host: '10.0.0.2', localPorts: [kind === 'kept' ? 4_000 : 0], record: record(kind, '198.51.100.1') })

const own = ['10.0.0.2/24', '2001:db8:1::2/64'].map((cidr): OwnAddress => ({ interfaceName: 'eth0', family: cidr.includes(':') ? 6 : 4, address: cidr.split('/')[0] ?? '', cidr }))

const plan = (one: keyof typeof nats, other: keyof typeof nats, proven?: ProvenPath): readonly Volley[] =>
  planVolleys({ role: 'initiator', mine: [site(one)], theirs: [record(other)], own, isSameMachine: false, mayDialPrivate: false, birthday: 'full', proven }).volleys
const proven = (method: PunchMethod): ProvenPath => ({ strategy: 'punch', method, family: 4 })

describe('a filter that nobody knows', () => {
  const listens = (volleys: readonly Volley[]): boolean => volleys.some(({ listenMs, delayMs }) => listenMs !== undefined || delayMs > 0)

  it.each([['kept', 'random', 'birthday'], ['random', 'kept', 'birthday'], ['kept', 'counting', 'predicted']] as const)('of %s against %s is tried by listening first, unless %s was it the last time', (one, other, method) => {
    expect(listens(plan(one, other))).toBe(true)
    expect(listens(plan(one, other, proven(method)))).toBe(false)
  })

  it.each([['kept', 'random'], ['random', 'kept'], ['kept', 'counting']] as const)('of %s against %s is tried as ever when something else was it', (one, other) => {
    for (const method of ['listen', 'mapping', 'hairpin'] as const) expect(plan(one, other, proven(method))).toEqual(plan(one, other))
    expect(plan(one, other, { strategy: 'reverse', family: 4 })).toEqual(plan(one, other))
  })

  it('leaves a proven birthday all its SYNs', () => {
    const syns = (volleys: readonly Volley[]) => volleys.map(({ localPorts, remotePorts, bursts = [] }) => bursts.reduce((sum, size) => sum + size, localPorts.length * remotePorts.length)).reduce((sum, one) => sum + one, 0)
    expect(syns(plan('kept', 'random', proven('birthday')))).toBe(syns(plan('kept', 'random')))
    expect(syns(plan('random', 'kept', proven('birthday')))).toBe(syns(plan('random', 'kept')))
  })
})

describe('the family that is proven', () => {
  const families = (family: 4 | 6 | undefined): readonly number[] => {
    const mine = [site('kept'), { host: '2001:db8:1::2', localPorts: [4_006], record: record('kept', '2001:db8:1::2') }]
    const theirs = [record('kept'), record('kept', '2001:db8:9::9')]
    const { volleys } = planVolleys({ role: 'initiator', mine, theirs, own, isSameMachine: false, mayDialPrivate: false, birthday: 'full', proven: family && { strategy: 'punch', method: 'mapping', family } })
    return volleys.map(volley => volley.family)
  }

  it('goes first, and the other is not left out', () => {
    expect([families(undefined), families(6), families(4)]).toEqual([[6, 4], [6, 4], [4, 6]])
  })
})
