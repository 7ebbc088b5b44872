import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, startListener } from '../support/cli.js'
import { expectEchoed } from '../support/expect-outcome.js'
import { describeIf } from '../support/requirements.js'
import { startVillage, villageMissing, type Village } from './village.js'

const tenMinutesMs = 600_000
const offsetBy = (ms: number): { readonly env: Record<string, string> } => ({ env: { THROUGHLINE_TEST_CLOCK_OFFSET_MS: String(ms) } })

describeIf('peers whose clocks are ten minutes apart', villageMissing(), () => {
  let village: Village<'alice' | 'home'>
  beforeAll(async () => {
    village = await startVillage({ alice: {}, home: { nat: 'masquerade' } })
  })
  afterAll(() => village?.close())

  // A NATed listener: nothing but its answer to the offer can make a pipe. By id a look-up comes before.
  it.each([
    ['the listener is fast', tenMinutesMs, 0],
    ['the listener is slow', -tenMinutesMs, 0],
    ['the initiator is fast', 0, tenMinutesMs],
    ['the initiator is slow', 0, -tenMinutesMs],
  ])('connect by address and by id when that of %s', async (_whose, listenerMs, initiatorMs) => {
    const { sites: { alice, home }, mqtt } = village
    await using listener = await startListener(home, { mqtt, ...offsetBy(listenerMs) })
    const outcomes = await Promise.all(([listener.address, listener.id]).map(peer => connect(alice, peer, { mqtt, ...offsetBy(initiatorMs) })))
    for (const outcome of outcomes) {
      expectEchoed(outcome)
      expect(outcome.event('connected')).toMatchObject({ strategy: 'reverse', peer: listener.id })
    }
  })
})
