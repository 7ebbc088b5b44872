import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { punchMachine } from '../../../machines/punch/punch.machine.js'
import type { StrategyInput } from '../../../machines/shared/strategy.types.js'
import type { NatSummary } from '../../../src/protocol/interface-record.js'
import { promptAim } from '../../support/machines/aim.js'
import { FakeActors, run } from '../../support/machines/live.js'
import { counting, endpoints, keeping, peerId, policy, site } from '../../support/machines/samples.js'

type Role = StrategyInput['role']

interface Pair {
  readonly nats: Readonly<Record<Role, NatSummary>>
  /** What gathering takes: what is warm, and each sample. */
  readonly warmMs?: Partial<Record<Role, number>>
  readonly samplingMs?: Partial<Record<Role, number>>
  /** Messages that are lost. */
  readonly isLost?: (event: AnyEventObject) => boolean
}

/** Round trips of the two sides to their brokers: a message takes half of both. */
const brokerRttMs = { initiator: 70, responder: 30 }
const oneWayMs = (brokerRttMs.initiator + brokerRttMs.responder) / 2
const ports = { initiator: 1_000, responder: 2_000 }
const hosts = { initiator: '192.0.2.1', responder: '192.0.2.2' }
const { sampleMs, roundMs, gatherMs } = policy.punch
const other = (role: Role): Role => (role === 'initiator' ? 'responder' : 'initiator')

/**
 * Two punches by one clock, and the messages between them; ports of round n are n above the first. Returns when each side shot at which
 * port of the other's, `atMs` counted from the answer's arrival.
 */
function punchTogether({ nats, warmMs = {}, samplingMs = {}, isLost = () => false }: Pair, untilMs: number) {
  const shots: { by: Role; atMs: number; port: number }[] = []
  const due: { atMs: number; act: () => void }[] = []
  const sides = new Map<Role, { readonly fakes: FakeActors; readonly side: ReturnType<typeof run>; told: number; asked: number; fired: number }>()
  let nowMs = 0

  const begin = (role: Role, fields: Partial<StrategyInput>) => {
    const fakes = new FakeActors()
    const machine = punchMachine.provide({ actors: { ...fakes.provide({ callbacks: ['ports', 'candidate'] }), takeAim: promptAim() } })
    const input: StrategyInput = { strategy: 'punch', role, peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: undefined, beside: ['punch'], awaitsAnswer: role === 'initiator', policy, ...fields }
    sides.set(role, { fakes, side: run(machine, input), told: 0, asked: 0, fired: 0 })
  }
  const later = (inMs: number, act: () => void) => void due.push({ atMs: nowMs + inMs, act })
  const send = (to: Role, event: AnyEventObject) => void (isLost(event) || later(oneWayMs, () => sides.get(to)?.side.actor.send(event)))

  /** The offer, the answer, and what follows them. */
  const carry = (from: Role, { type, round, records, inMs }: AnyEventObject) => {
    if (type === 'punch.committed') return send(other(from), { type: 'peer.committed', round: round as number, inMs: (inMs as number) - oneWayMs })
    if (type !== 'punch.gathered') return
    const theirs = { ...endpoints(1), punch: records as NonNullable<StrategyInput['endpoints']>['punch'] }
    if (!sides.has('responder')) return later(oneWayMs, () => begin('responder', { endpoints: theirs }))
    if (from === 'responder' && sides.get(from)?.told === 0) {
      sides.get(from)?.side.actor.send({ type: 'answer.sent', alignMs: oneWayMs })
      return send('initiator', { type: 'peer.answered', endpoints: theirs, roundTripMs: 2 * oneWayMs })
    }
    send(other(from), { type: 'peer.updated', round: round as number, punch: theirs.punch, relay: [] })
  }
  /** Passes on what happened since; true when something did. */
  const follow = (role: Role): boolean => {
    const one = sides.get(role)
    if (one === undefined) return false
    const asked = one.fakes.last('ports').received[one.asked]
    const told = one.side.told[one.told]
    const fired = one.fakes.of('candidate')[one.fired]
    if (asked?.type === 'ports.gather') {
      const round = asked['round'] as number
      const sites = [site(ports[role] + round, nats[role], hosts[role])]
      later((round === 0 ? warmMs : samplingMs)[role] ?? 0, () => one.fakes.last('ports').tell({ type: 'sites.gathered', round, sites }))
    }
    if (told !== undefined) carry(role, told)
    if (fired !== undefined) shots.push({ by: role, atMs: nowMs, port: (fired.input as { volley: { remotePorts: number[] } }).volley.remotePorts[0]! })
    one.asked += asked === undefined ? 0 : 1
    one.told += told === undefined ? 0 : 1
    one.fired += fired === undefined ? 0 : 1
    return asked !== undefined || told !== undefined || fired !== undefined
  }
  const act = (): boolean => {
    const index = due.findIndex(({ atMs }) => atMs <= nowMs)
    due.splice(index, index < 0 ? 0 : 1).forEach(one => one.act())
    return index >= 0
  }

  begin('initiator', {})
  for (const startMs = -2 * oneWayMs; nowMs <= untilMs - startMs; nowMs++) {
    while (follow('initiator') || follow('responder') || act());
    for (const { side } of sides.values()) side.clock.increment(1)
  }
  return shots.map(shot => ({ ...shot, atMs: shot.atMs - 2 * oneWayMs })).sort((a, b) => a.atMs - b.atMs || a.by.localeCompare(b.by))
}

/** When each side shoots at the ports of a round. */
const both = (round: number, atMs: number) => [{ by: 'initiator', atMs, port: ports.responder + round }, { by: 'responder', atMs, port: ports.initiator + round }]

const bothKeep = { initiator: keeping, responder: keeping }
const aiming = [
  ['the initiator', { initiator: counting, responder: keeping }], ['the responder', { initiator: keeping, responder: counting }], ['both', { initiator: counting, responder: counting }],
] as const

/** When the first named moment is. */
const momentMs = 2 * oneWayMs + sampleMs

describe('two sides that punch', () => {
  it('fire as the answer arrives, both at once, where both keep their mappings', () => {
    expect(punchTogether({ nats: bothKeep }, 500)).toEqual(both(0, 0))
  })

  it.each(aiming)('fire at the moment named, at what was sampled right before, where %s may only foretell', (_who, nats) => {
    expect(punchTogether({ nats }, 500)).toEqual(both(1, momentMs))
  })

  it.each(aiming)('fire anew at fresh samples, both at once, in the next round, where %s may only foretell', (_who, nats) => {
    expect(punchTogether({ nats }, 2_000).slice(2)).toEqual(both(2, momentMs + roundMs + momentMs))
  })

  it.each(['initiator', 'responder'] as const)('shoot at each other’s samples when that of the %s comes late', slow => {
    const shots = punchTogether({ nats: aiming[2][1], samplingMs: { [slow]: 400 } }, 1_000)
    for (const { by, port } of both(1, 0)) expect(shots).toContainEqual(expect.objectContaining({ by, port }))
  })

  it.each(['initiator', 'responder'] as const)('find each other when the ports of the %s come after offer and answer', slow => {
    const shots = punchTogether({ nats: bothKeep, warmMs: { [slow]: gatherMs + 300 } }, 3_000)
    const times = both(0, 0).map(({ by, port }) => shots.find(shot => shot.by === by && shot.port === port)!.atMs)
    expect(Math.abs(times[0]! - times[1]!)).toBeLessThanOrEqual(2 * oneWayMs)
  })

  it('meet in a later round when the first moment never arrived', () => {
    const shots = punchTogether({ nats: aiming[2][1], isLost: ({ type, round }) => type === 'peer.committed' && round === 1 }, 4_000)
    const later = shots.filter(({ port }) => port === ports.initiator + 2 || port === ports.responder + 2)
    expect(new Set(later.map(({ by }) => by)).size).toBe(2)
  })

  it.each(['peer.updated', 'peer.committed'])('shoot all the same when every %s is lost', lost => {
    const shots = punchTogether({ nats: aiming[2][1], isLost: ({ type }) => type === lost }, 5_000)
    expect(new Set(shots.map(({ by }) => by)).size).toBe(2)
  })
})
