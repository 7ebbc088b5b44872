import { describe, expect, it } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { LivenessWatch } from '../../../src/streams/session/liveness-watch.js'
import { ManualClock } from '../../support/manual-clock.js'

const { activePingMinMs, suspectMinMs, repeatMs } = defaults.liveness

/** A watch over a busy channel of 20 ms of round trip, and what it did. */
function watch() {
  const clock = new ManualClock()
  const done: string[] = []
  const pings: number[] = []
  const one = new LivenessWatch(clock, {
    isBusy: () => true,
    ping: token => void pings.push(token),
    suspect: () => void done.push('suspect'),
    trust: () => void done.push('trust'),
    giveUp: () => void done.push('giveUp'),
  })
  one.start(20)
  const fallSilent = () => {
    clock.advance(activePingMinMs)
    clock.advance(suspectMinMs)
  }
  return { clock, done, pings, one, fallSilent }
}

describe('a path under suspicion', () => {
  it('is not trusted because the peer speaks: our own bytes may still be stuck', () => {
    const { done, pings, one, fallSilent } = watch()
    fallSilent()
    one.heard()
    one.heardPong(pings[0]!)
    expect(done).toEqual(['suspect'])
  })

  it('is trusted when a PING sent since is answered', () => {
    const { done, pings, one, fallSilent } = watch()
    fallSilent()
    expect(pings).toHaveLength(2)
    one.heard()
    one.heardPong(pings.at(-1)!)
    expect(done).toEqual(['suspect', 'trust'])
    expect(one.isSuspected).toBe(false)
  })

  it('is asked again each second', () => {
    const { clock, pings, fallSilent } = watch()
    fallSilent()
    clock.advance(repeatMs)
    clock.advance(repeatMs)
    expect(pings).toHaveLength(4)
  })

  it('is asked at once when our network changed under it', () => {
    const { done, pings, one } = watch()
    one.suspect()
    expect([done, pings.length]).toEqual([['suspect'], 1])
  })

  it('is suspected as soon the next time, however late an answer came', () => {
    const { clock, done, pings, one, fallSilent } = watch()
    clock.advance(activePingMinMs)
    clock.advance(suspectMinMs - 1)
    one.heard()
    one.heardPong(pings[0]!)
    expect(one.rttMs).toBe(suspectMinMs - 1)
    fallSilent()
    expect(done).toEqual(['suspect'])
  })
})
