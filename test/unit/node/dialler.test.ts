import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Budget } from '../../../src/net/budget.js'
import type { ChannelInProgress } from '../../../src/net/channel-progress.js'
import type { OutgoingRequest } from '../../../src/net/outgoing-channel.js'
import type { Securer } from '../../../src/net/secure.js'
import { Access } from '../../../src/node/access.js'
import { Dialler } from '../../../src/node/dialler.js'
import { FakeClock } from '../../support/fake-clock.js'
import { freePort } from '../../support/free-port.js'

let dialler: Dialler
let remote: OutgoingRequest['remote']
const started: ChannelInProgress[] = []
beforeEach(async () => {
  const clock = new FakeClock()
  dialler = new Dialler({ securer: {} as Securer, clock, budget: new Budget(clock), access: new Access({ allow: ['friend'] }), own: () => [], allocation: () => undefined, openAhead: () => {} })
  remote = { host: '127.0.0.1', port: await freePort() }
})
afterEach(() => started.splice(0).forEach(channel => channel.abandon()))

const reach = (fields: Partial<OutgoingRequest> = {}) => {
  const channel = dialler.reach({ remote, bind: undefined, peerId: 'stranger', role: 'responder', sessionKey: 'key', sessionId: '1', attemptId: '2', timeoutMs: 8_000, ...fields })
  started.push(channel)
}

describe('connects on behalf of a stranger', () => {
  it('are four, by dials and punches of the attempt together', () => {
    const maySend = dialler.synAllowance('stranger', 'responder', '2')
    reach()
    expect([maySend(remote.host), maySend(remote.host), maySend(remote.host), maySend(remote.host)]).toEqual([true, true, true, false])
    expect(() => reach()).toThrow(expect.objectContaining({ code: 'ERR_BUDGET' }))
  })

  it('are counted for each of its attempts', () => {
    for (let count = 0; count < 4; count++) reach()
    expect(dialler.synAllowance('stranger', 'responder', '3')(remote.host)).toBe(true)
  })
})

it.each([['an initiator', 'stranger', 'initiator'], ['a known peer', 'friend', 'responder']] as const)('connects for %s are not counted', (_who, peerId, role) => {
  const maySend = dialler.synAllowance(peerId, role, '2')
  for (let count = 0; count < 4; count++) reach({ peerId, role })
  expect(Array.from({ length: 100 }, () => maySend(remote.host))).not.toContain(false)
})
