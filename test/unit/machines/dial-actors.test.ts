import { describe, expect, it } from 'vitest'
import { createActor, toPromise } from 'xstate'
import { createDialActors } from '../../../machines/dial/dial.actors.js'
import type { Plan, PlanInput } from '../../../machines/dial/dial.types.js'
import { systemClock } from '../../../src/net/clock.js'

function plan(input: Partial<PlanInput>, { isKnown = true, strangerDials = 2, maxCandidates = 4 } = {}): Promise<Plan> {
  const { planCandidates } = createDialActors({
    clock: systemClock(), own: () => [{ interfaceName: 'eth0', family: 4, address: '192.0.2.9', cidr: '192.0.2.9/24' }],
    awaitInbound: () => Promise.resolve(), isKnown: () => isKnown, strangerDials, maxCandidates, timeoutMs: 8_000,
  })
  const actor = createActor(planCandidates, { input: { strategy: 'direct', role: 'initiator', peerId: 'peer', endpoints: undefined, planned: [], ...input } })
  actor.start()
  return toPromise(actor)
}

const at = (...hosts: string[]): PlanInput['endpoints'] => ({
  isSameMachine: false, punch: [], relay: [], interfaces: hosts.map(host => ({ family: 4, external: { host, port: 1 } })) as unknown as NonNullable<PlanInput['endpoints']>['interfaces'],
})

const later = (first: Plan, input: Partial<PlanInput>) => ({ ...input, planned: first.keys })

describe('planning candidates', () => {
  it('plans each endpoint once, however often it is named', async () => {
    const first = await plan({ endpoints: at('192.0.2.1') })
    const second = await plan(later(first, { endpoints: at('192.0.2.1', '192.0.2.2') }))
    expect([first, second].map(({ candidates }) => candidates.map(({ remote }) => remote))).toEqual([['192.0.2.1:1'], ['192.0.2.2:1']])
  })

  it('never gives two candidates of a strategy the same id, skipped ones included', async () => {
    const first = await plan({ endpoints: at('127.0.0.1', '192.0.2.1') })
    const second = await plan(later(first, { endpoints: at('127.0.0.2', '192.0.2.2', '127.0.0.1') }))
    const ids = [first, second].flatMap(({ candidates, skipped }) => [...candidates, ...skipped].map(({ id }) => id))
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toHaveLength(4)
  })

  it('dials what was forbidden before when the answer proves the same machine', async () => {
    const first = await plan({ endpoints: at('127.0.0.1') })
    expect(first).toMatchObject({ candidates: [], skipped: [{ status: 'skipped', error: { code: 'ERR_DIAL_FORBIDDEN' } }] })
    const second = await plan(later(first, { endpoints: { ...at('127.0.0.1')!, isSameMachine: true } }))
    expect(second.candidates).toMatchObject([{ remote: '127.0.0.1:1' }])
  })

  it('spends the limit once for all plans of an attempt', async () => {
    const first = await plan({ role: 'responder', endpoints: at('192.0.2.1') }, { isKnown: false })
    const second = await plan(later(first, { role: 'responder', endpoints: at('192.0.2.2', '192.0.2.3') }), { isKnown: false })
    expect(second.candidates).toHaveLength(1)
    expect(second.skipped).toMatchObject([{ error: { code: 'ERR_BUDGET' } }])
  })
})
