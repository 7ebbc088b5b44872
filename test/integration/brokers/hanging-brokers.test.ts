import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, startListener, thisMachine } from '../../support/cli.js'
import { expectCode, expectEchoed } from '../../support/expect-outcome.js'
import { startHangingBroker, type HangingBroker } from '../../support/hanging-broker.js'
import { mosquittoMissing, startMosquitto, type Mosquitto } from '../../support/mosquitto.js'
import { describeIf } from '../../support/requirements.js'

const bySignalling = ['--strategies', 'reverse']

describeIf('a broker that', mosquittoMissing, () => {
  let good: Mosquitto
  beforeAll(async () => {
    good = await startMosquitto({ host: '127.0.0.2' })
  })
  afterAll(() => good?.close())

  describe.each([
    ['accepts and says nothing', 'silent', 'ERR_BROKER_TIMEOUT'],
    ['answers CONNECT and nothing else', 'connack-only', 'ERR_BROKER_TIMEOUT'],
    ['refuses the login', 'refuse-login', 'ERR_BROKER_LOGIN'],
  ] as const)('%s', (_what, mode, code) => {
    let bad: HangingBroker
    beforeAll(async () => {
      bad = await startHangingBroker(mode)
    })
    afterAll(() => bad?.close())

    it.concurrent('does not keep peers apart that share a good one', async () => {
      const mqtt = [bad.url, good.url]
      await using listener = await startListener(thisMachine, { mqtt })
      const outcomes = await Promise.all([listener.id, listener.address].map(peer => connect(thisMachine, peer, { mqtt, args: bySignalling })))
      for (const outcome of outcomes) expectEchoed(outcome)
    })

    it.concurrent('leaves a listener online that can be dialled by address, and not be found by id', async () => {
      await using listener = await startListener(thisMachine, { mqtt: [bad.url] })
      expect(listener.process.events[0]).toMatchObject({ degraded: expect.arrayContaining(['signalling']) })
      const [byAddress, byId] = await Promise.all([listener.address, listener.id].map(peer => connect(thisMachine, peer, { mqtt: [bad.url] })))
      expectEchoed(byAddress)
      expectCode(byId, 3)
      expect(byId?.event('failed')).toMatchObject({ code, message: expect.stringContaining(bad.url) })
      expect(byId?.event('failed')?.['elapsedMs']).toBeLessThan(10_000)
    })
  })
})
