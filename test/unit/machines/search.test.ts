import { describe, expect, it } from 'vitest'
import { searchMachine } from '../../../machines/search/search.machine.js'
import type { SearchInput } from '../../../machines/search/search.types.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { attemptInput, failure, peerId, policy, record, responderInput, target } from '../../support/machines/samples.js'

const { recovery } = policy

function start(fields: Partial<SearchInput> = {}) {
  const fakes = new FakeActors()
  const machine = searchMachine.provide({ actors: fakes.provide({ promises: ['planPath', 'attempt'] }) })
  const running = run(machine, { attempt: attemptInput({ target: target() }), reason: 'recovery', strategies: ['direct', 'punch'], target: target(), ...fields })
  const plan = async (known = fields.target ?? target()) => {
    fakes.last('planPath').resolve({ attemptId: '33', startedAtMs: 5, target: 'target' in fields ? fields.target : known })
    await settled()
  }
  return { ...running, fakes, plan }
}

describe('a search for another path', () => {
  it('is an attempt with an id, a start and a peer of its own', async () => {
    const { fakes, plan } = start()
    await plan()
    expect(fakes.last('attempt').input).toMatchObject({ attemptId: '33', startedAtMs: 5, reason: 'recovery', strategies: ['direct', 'punch'], mode: 'race', target: { peerId } })
  })

  it('dials and asks briefly while the pipe stands still', async () => {
    const { fakes, plan } = start()
    await plan()
    expect(fakes.last('attempt').input).toMatchObject({
      timeoutMs: recovery.attemptTimeoutMs,
      policy: { dial: { timeoutMs: recovery.dialTimeoutMs }, attempt: { ackTimeoutMs: recovery.ackTimeoutMs }, punch: { timeoutMs: recovery.punchTimeoutMs } },
    })
  })

  it('takes its time while the pipe goes on', async () => {
    const { fakes, plan } = start({ reason: 'upgrade' })
    await plan()
    expect(fakes.last('attempt').input).toMatchObject({ timeoutMs: 30_000, policy: { dial: policy.dial, attempt: policy.attempt } })
  })

  it('has the peer looked up anew where it is not known, but not for long', async () => {
    const { fakes, plan } = start({ target: undefined })
    await plan()
    expect(fakes.last('attempt').input).not.toHaveProperty('target')
    expect(fakes.last('attempt').input).toMatchObject({ timeoutMs: recovery.lookUpTimeoutMs })
  })

  it('of a responder answers as the offer says', () => {
    const { fakes } = start({ attempt: responderInput() })
    expect(fakes.of('planPath')).toEqual([])
    expect(fakes.last('attempt').input).toMatchObject({ role: 'responder', offerId: 'offer-1', attemptId: '22', reason: 'recovery' })
  })

  it.each([
    ['what the attempt found', { ok: true, peerId, channelId: 'channel-1', candidate: record('direct-1', 'elected'), target: target() }],
    ['why it found nothing', { ok: false, failure }],
  ])('tells %s', async (_what, output) => {
    const { fakes, plan, actor } = start()
    await plan()
    fakes.last('attempt').resolve(output)
    await settled()
    expect(actor.getSnapshot().output).toEqual(output)
  })

  it('fails when it cannot be planned in time', () => {
    const { clock, actor } = start()
    clock.increment(policy.attempt.acceptTimeoutMs)
    expect(actor.getSnapshot().output).toMatchObject({ ok: false, failure: { code: 'ERR_INTERNAL' } })
  })
})
