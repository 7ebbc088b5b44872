import { describe, expect, it } from 'vitest'
import { candidateMachine } from '../../../machines/candidate/candidate.machine.js'
import type { CandidateInput } from '../../../machines/candidate/candidate.types.js'
import { FakeActors, run } from '../../support/machines/live.js'
import { candidate, peerId, policy, volley } from '../../support/machines/samples.js'

function start(fields: Partial<CandidateInput> = {}) {
  const fakes = new FakeActors()
  const machine = candidateMachine.provide({ actors: fakes.provide({ callbacks: ['reachPeer'] }) })
  const running = run(machine, { candidate: candidate('punch-1'), peerId, role: 'initiator', sessionKey: 'k', sessionId: '1', attemptId: '2', policy, ...fields } satisfies CandidateInput)
  return { ...running, reach: fakes.last('reachPeer'), remotes: () => running.told.flatMap(({ candidate: record }) => (record === undefined ? [] : [(record as { remote: string }).remote])) }
}

const connected = { type: 'dial.connected', local: '10.0.0.9:9', startedAtMs: 1, atMs: 2, rttMs: 1 }

describe('a candidate', () => {
  it('gives its volley to what reaches the peer', () => {
    expect(start({ volley: volley(7) }).reach.input).toMatchObject({ volley: volley(7) })
  })

  it('has no volley where it is dialled', () => {
    expect(start().reach.input).not.toHaveProperty('volley')
  })

  it('tells the endpoint at which a volley came through', () => {
    const { reach, remotes } = start({ volley: volley(7) })
    reach.tell({ ...connected, remote: '192.0.2.1:4711' })
    reach.tell({ type: 'secure.done', channelId: 'channel-1', atMs: 3 })
    expect(remotes()).toEqual(['192.0.2.1:4711', '192.0.2.1:4711'])
  })

  it('tells the endpoint it dialled where nothing else is said', () => {
    const { reach, remotes } = start()
    reach.tell(connected)
    expect(remotes()).toEqual(['192.0.2.1:1'])
  })
})
