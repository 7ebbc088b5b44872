import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { channelsOf, Punches, volleyOf } from './punches.js'

let punches: Punches
beforeEach(() => {
  punches = new Punches()
})
afterEach(async () => {
  await punches[Symbol.asyncDispose]()
  await expectNoOpenSockets()
})

describe('a volley that listens first', () => {
  it.each(['birthday', 'predicted'] as const)('tells of what comes in meanwhile that it listened, and not %s', async method => {
    const [ours, theirs] = [await freePort(), await freePort()]
    const responder = punches.start('responder', { ...volleyOf('responder', ours, theirs), method, listenMs: 60_000 })
    const [listened] = await channelsOf([responder, punches.start('initiator', { ...volleyOf('initiator', theirs, ours), method: 'listen' })])
    expect(listened?.via).toEqual({ strategy: 'punch', method: 'listen' })
  })
})
