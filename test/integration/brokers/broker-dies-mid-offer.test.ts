import { afterEach, expect, it } from 'vitest'
import { connect, startListener, thisMachine } from '../../support/cli.js'
import { expectCode, expectEchoed } from '../../support/expect-outcome.js'
import { startBrokerGate } from '../../support/broker-gate.js'
import { mosquittoMissing, startMosquitto } from '../../support/mosquitto.js'
import { describeIf } from '../../support/requirements.js'

/** Without direct dials nothing but the offer can make a pipe. */
const bySignalling = ['--strategies', 'reverse']
const closers: (() => Promise<void>)[] = []
const kept = <T extends { close(): Promise<void> }>(resource: T): T => {
  closers.push(() => resource.close())
  return resource
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A broker that is killed when the PUBLISH of this number comes, before it has read it. */
async function startMortal(lastNumber: number) {
  const broker = kept(await startMosquitto())
  return kept(await startBrokerGate(broker.port, number => {
    if (number >= lastNumber) void broker.kill()
    return number < lastNumber
  }))
}

describeIf('a broker killed mid-offer', mosquittoMissing, () => {
  it('is not missed when the other home carries the offer too', async () => {
    const [gate, other] = [await startMortal(1), kept(await startMosquitto({ host: '127.0.0.2' }))]
    const mqtt = [gate.url, other.url]
    await using listener = await startListener(thisMachine, { mqtt })
    const outcome = await connect(thisMachine, listener.address, { mqtt, args: bySignalling })
    expectEchoed(outcome)
    expect(outcome.event('connected')).toMatchObject({ strategy: 'reverse' })
    expect(gate.published).toBe(1)
  })

  it('ends the attempt with 3 soon when it was the only one', async () => {
    const gate = await startMortal(1)
    await using listener = await startListener(thisMachine, { mqtt: [gate.url] })
    const outcome = await connect(thisMachine, listener.address, { mqtt: [gate.url], args: bySignalling, timeoutMs: 10_000 })
    expectCode(outcome, 3)
    expect(outcome.event('failed')?.['verdict']).toMatchObject({ text: expect.stringMatching(/broker|offer/), advice: expect.stringMatching(/\w/) })
    expect(gate.published).toBe(1)
  })

  it('does not keep the peer from dialling once it has the offer', async () => {
    // The second message would have been the peer's acknowledgement.
    const gate = await startMortal(2)
    await using listener = await startListener(thisMachine, { mqtt: [gate.url] })
    const outcome = await connect(thisMachine, listener.address, { mqtt: [gate.url], args: bySignalling })
    expectCode(outcome, 0)
    expect(outcome.event('connected')).toMatchObject({ strategy: 'reverse' })
    expect(gate.published).toBe(2)
  })
})
