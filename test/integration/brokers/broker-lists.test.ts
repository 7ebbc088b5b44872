import { rmSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { parseBrokerUrl, formatBrokerUrl } from '../../../src/protocol/broker-url.js'
import { decodePeerId } from '../../../src/protocol/peer-id.js'
import { rankBrokers } from '../../../src/protocol/rendezvous.js'
import { nodeTopic } from '../../../src/protocol/topic.js'
import { connect, newHome, runToEnd, startListener, thisMachine } from '../../support/cli.js'
import { expectCode, expectEchoed } from '../../support/expect-outcome.js'
import { freePort } from '../../support/free-port.js'
import { mosquittoMissing, startMosquitto, type Mosquitto } from '../../support/mosquitto.js'
import { describeIf } from '../../support/requirements.js'

const bySignalling = ['--strategies', 'reverse']
/** Rendezvous goes by the host, so the brokers need different ones. */
const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function startBrokers(): Promise<Mosquitto[]> {
  const brokers = await Promise.all(hosts.map(host => startMosquitto({ host })))
  for (const broker of brokers) closers.push(() => broker.close())
  return brokers
}

/** An identity made before its listener, so that its order of brokers is known. */
async function makeIdentity(): Promise<{ home: string; id: string }> {
  const home = newHome()
  closers.push(async () => rmSync(home, { recursive: true, force: true }))
  const { events } = await runToEnd(thisMachine, ['identity'], { home, mqtt: [] })
  return { home, id: String(events[0]?.['id']) }
}

const rankedFor = (id: string, urls: readonly string[]): string[] => rankBrokers(urls.map(parseBrokerUrl), nodeTopic(decodePeerId(id))).map(formatBrokerUrl)

describeIf('a list of brokers', mosquittoMissing, () => {
  it('serves an id alone, in whatever order the caller has it', async () => {
    const mqtt = (await startBrokers()).map(({ url }) => url)
    await using listener = await startListener(thisMachine, { mqtt })
    for (const order of [mqtt.toReversed(), [...mqtt.slice(1), ...mqtt.slice(0, 1)]]) {
      const outcome = await connect(thisMachine, listener.id, { mqtt: order, args: bySignalling })
      expectCode(outcome, 0)
    }
  })

  it('serves an id alone when the caller shares but one home with the peer', async () => {
    const urls = (await startBrokers()).map(({ url }) => url)
    const { home, id } = await makeIdentity()
    const [first = '', second = '', third = ''] = rankedFor(id, urls)
    await using listener = await startListener(thisMachine, { mqtt: [first, second], home })
    const outcome = await connect(thisMachine, listener.id, { mqtt: [third, second], args: bySignalling })
    expectCode(outcome, 0)
  })

  it.each(['before the peer starts', 'while the peer is online'])('serves an id alone when the best of three died %s', async when => {
    const brokers = await startBrokers()
    const mqtt = brokers.map(({ url }) => url)
    const { home, id } = await makeIdentity()
    const best = brokers.find(({ url }) => url === rankedFor(id, mqtt)[0])
    if (when === 'before the peer starts') await best?.kill()
    await using listener = await startListener(thisMachine, { mqtt, home })
    if (when === 'while the peer is online') await best?.kill()
    for (const peer of [id, listener.address]) {
      const outcome = await connect(thisMachine, peer, { mqtt, args: bySignalling })
      expectEchoed(outcome)
    }
  })

  it('is not needed by who holds the address, and who has the id alone is told that no broker is there', async () => {
    const mqtt = await Promise.all(hosts.map(async host => `mqtt://${host}:${await freePort()}`))
    await using listener = await startListener(thisMachine, { mqtt })
    expect(listener.process.events[0]).toMatchObject({ event: 'online', degraded: expect.arrayContaining(['signalling']) })
    const [byAddress, byId] = await Promise.all([connect(thisMachine, listener.address, { mqtt }), connect(thisMachine, listener.id, { mqtt })])
    expectEchoed(byAddress)
    expect(byAddress.event('connected')).toMatchObject({ strategy: 'direct' })
    expectCode(byId, 3)
    expect(byId.event('failed')).toMatchObject({ code: 'ERR_BROKER_UNREACHABLE', message: expect.stringMatching(/no broker could be asked/i) })
  })
})
