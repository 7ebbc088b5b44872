import { getEventListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { firstValueFrom } from 'rxjs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ThroughlineError } from '../../src/errors/index.js'
import { startBroker, type EmbeddedBrokerOptions } from '../../src/net/embedded-broker.js'
import { connectBroker, type BrokerLink, type ConnectBrokerOptions } from '../../src/net/mqtt-link.js'
import { parseBrokerUrl } from '../../src/protocol/broker-url.js'
import { freePort } from '../support/free-port.js'
import { startHangingBroker, type HangingMode } from '../support/hanging-broker.js'
import { mosquittoMissing, startMosquitto, type MosquittoOptions } from '../support/mosquitto.js'
import { expectNoOpenSockets } from '../support/open-sockets.js'
import { describeIf } from '../support/requirements.js'
import { makeTlsFiles, opensslMissing, type TlsFiles } from '../support/tls-files.js'

const secret = 'correct-horse'
const topic = 'tl/1/inbox'
const never = new AbortController().signal
/** Above what a loaded machine needs to answer on loopback; tests of silence use `shortMs`. */
const timeoutMs = 10_000
const shortMs = 150

const closers: (() => Promise<void>)[] = []
const kept = <T extends { close(): Promise<void> }>(resource: T): T => {
  closers.push(() => resource.close())
  return resource
}
const broker = async (options?: EmbeddedBrokerOptions) => kept(await startBroker(options))
const mosquitto = async (options?: MosquittoOptions) => kept(await startMosquitto(options))
const hanging = async (mode: HangingMode) => kept(await startHangingBroker(mode))
const link = async (url: string, options: Partial<ConnectBrokerOptions> = {}) =>
  kept(await connectBroker(parseBrokerUrl(url), { signal: never, timeoutMs, ...options }))
const withLogin = (url: string, password = secret) => url.replace('://', `://tester:${password}@`)
const failureOf = async (promise: Promise<unknown>): Promise<ThroughlineError> => {
  const error = await promise.then(() => expect.fail('it succeeded'), (reason: unknown) => reason)
  return ThroughlineError.is(error) ? error : expect.fail(`not a ThroughlineError: ${inspect(error)}`)
}

async function echoes(from: BrokerLink, to: BrokerLink): Promise<void> {
  const received = firstValueFrom(to.messages$)
  await to.subscribe(topic, { signal: never })
  await from.publish(topic, Uint8Array.of(1, 2, 3), { signal: never })
  const message = await received
  expect([message.topic, ...message.payload]).toEqual([topic, 1, 2, 3])
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await expectNoOpenSockets()
})

describeIf('a link to the embedded broker', opensslMissing, () => {
  let folder: string
  let tls: TlsFiles
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'throughline-test-'))
    tls = await makeTlsFiles(folder)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it.each(['mqtt', 'ws', 'mqtts', 'wss'] as const)('carries messages over %s', async scheme => {
    const secure = scheme.endsWith('s') && scheme !== 'ws'
    const { url, wsUrl } = await broker({ wsPort: 0, ...(secure && { tls }) })
    const address = scheme.startsWith('ws') ? `${wsUrl}/mqtt` : url
    expect(address.startsWith(`${scheme}://`)).toBe(true)
    const options = secure ? { ca: tls.cert } : {}
    const [a, b] = [await link(address, options), await link(address, options)]
    expect(a.version).toBe(4)
    await echoes(a, b)
    await b.close()
    await expect(b.closed).resolves.toBeUndefined()
  })

  it.each(['mqtts', 'wss'] as const)('refuses a certificate nobody vouches for over %s', async scheme => {
    const { url, wsUrl } = await broker({ wsPort: 0, tls })
    expect(await failureOf(link(scheme === 'wss' ? String(wsUrl) : url))).toMatchObject({ code: 'ERR_BROKER_TLS' })
  })

  it.each(['mqtt', 'ws'] as const)('logs in with user and password over %s, and never repeats the password', async scheme => {
    const { url, wsUrl } = await broker({ wsPort: 0, users: { tester: secret } })
    const address = scheme === 'ws' ? String(wsUrl) : url
    const good = await link(withLogin(address))
    expect(inspect(good, { depth: 1 }) + JSON.stringify(good.url)).not.toContain(secret)
    const wrong = `${secret}-wrong`
    const error = await failureOf(link(withLogin(address, wrong)))
    expect(error.code).toBe('ERR_BROKER_LOGIN')
    expect(inspect(error, { depth: 10 })).not.toContain(secret)
    expect(await failureOf(link(address))).toMatchObject({ code: 'ERR_BROKER_LOGIN' })
  })

  it('drops payloads above the limit and stays connected', async () => {
    const { url } = await broker()
    const [a, b] = [await link(url), await link(url)]
    await b.subscribe(topic, { signal: never })
    const received = firstValueFrom(b.messages$)
    for (const bytes of [4_097, 6_000]) await a.publish(topic, new Uint8Array(bytes), { signal: never })
    await a.publish(topic, new Uint8Array(4_096), { signal: never })
    expect((await received).payload).toHaveLength(4_096)
  })

  it('tells a subscription the broker refuses from a lost connection', async () => {
    const { url } = await broker()
    const a = await link(url)
    expect(await failureOf(a.subscribe('other/topic', { signal: never }))).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
    await a.subscribe(topic, { signal: never })
  })

  it('refuses topics with wildcards to publish to, and stays connected', async () => {
    const { url } = await broker()
    const a = await link(url)
    for (const bad of ['tl/1/#', '', 'a\0b']) expect(await failureOf(a.publish(bad, Uint8Array.of(1), { signal: never }))).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
    await a.publish(topic, Uint8Array.of(1), { signal: never })
  })

  it('receives nothing more after unsubscribe', async () => {
    const { url } = await broker()
    const [a, b] = [await link(url), await link(url)]
    const topics: string[] = []
    b.messages$.subscribe(message => topics.push(message.topic))
    await b.subscribe(topic, { signal: never })
    await b.subscribe('tl/1/other', { signal: never })
    await b.unsubscribe(topic)
    const received = firstValueFrom(b.messages$)
    await a.publish(topic, Uint8Array.of(1), { signal: never })
    await a.publish('tl/1/other', Uint8Array.of(2), { signal: never })
    await received
    expect(topics).toEqual(['tl/1/other'])
  })

  it('measures each round trip', async () => {
    const { url } = await broker()
    const a = await link(url)
    const seen = [a.rttMs]
    await a.subscribe(topic, { signal: never })
    seen.push(a.rttMs)
    await a.publish(topic, Uint8Array.of(1), { signal: never })
    seen.push(a.rttMs)
    seen.push(await a.ping({ signal: never }))
    expect(seen.every(rttMs => rttMs > 0)).toBe(true)
    expect(new Set(seen).size).toBe(4)
  })

  it('keeps more publishes than fit in flight waiting in order', async () => {
    const { url } = await broker()
    const [a, b] = [await link(url), await link(url)]
    await b.subscribe(topic, { signal: never })
    const numbers: number[] = []
    const all = new Promise<void>(resolve => b.messages$.subscribe(({ payload }) => void (numbers.push(payload[0] ?? 0) === 200 && resolve())))
    await Promise.all(Array.from({ length: 200 }, (_, number) => a.publish(topic, Uint8Array.of(number), { signal: new AbortController().signal })))
    await all
    expect(numbers).toEqual(Array.from({ length: 200 }, (_, number) => number))
  })

  it('ends every operation and says why when the broker goes away', async () => {
    const server = await broker()
    const a = await link(server.url)
    let completed = false
    a.messages$.subscribe({ complete: () => (completed = true) })
    await server.close()
    expect(await a.closed).toMatchObject({ code: 'ERR_BROKER_LOST' })
    expect(completed).toBe(true)
    expect(await failureOf(a.publish(topic, Uint8Array.of(1), { signal: never }))).toMatchObject({ code: 'ERR_BROKER_LOST' })
    expect(await failureOf(a.subscribe(topic, { signal: never }))).toMatchObject({ code: 'ERR_BROKER_LOST' })
    await a.unsubscribe(topic)
    await a.close()
  })

  it('closes once, however often it is asked, and rejects what is under way', async () => {
    const { url } = await broker()
    const a = await link(url)
    const publishing = failureOf(a.publish(topic, Uint8Array.of(1), { signal: never }))
    await Promise.all([a.close(), a.close()])
    await expect(a.closed).resolves.toBeUndefined()
    expect(await publishing).toMatchObject({ code: 'ERR_BROKER_LOST' })
  })

  it('leaves no listener on a signal that is never used', async () => {
    const { url } = await broker()
    const { signal } = new AbortController()
    const a = await link(url, { signal })
    await a.subscribe(topic, { signal })
    await a.publish(topic, Uint8Array.of(1), { signal })
    await a.ping({ signal })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('a link to a broker that cannot be used', () => {
  it('says unreachable where nobody listens', async () => {
    const port = await freePort()
    for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) expect(await failureOf(link(`${scheme}://127.0.0.1:${port}`))).toMatchObject({ code: 'ERR_BROKER_UNREACHABLE' })
  })

  it('says unreachable for a name nobody has', async () => {
    expect(await failureOf(link('mqtt://no-such-host.invalid'))).toMatchObject({ code: 'ERR_BROKER_UNREACHABLE' })
  })

  it.each(['mqtt', 'mqtts', 'ws', 'wss'])('times out over %s where something listens and says nothing', async scheme => {
    const { port } = await hanging('silent')
    expect(await failureOf(link(`${scheme}://127.0.0.1:${port}`, { timeoutMs: shortMs }))).toMatchObject({ code: 'ERR_BROKER_TIMEOUT' })
  })

  it.each(['mqtt', 'mqtts', 'ws', 'wss'])('can be cancelled over %s', async scheme => {
    const { port } = await hanging('silent')
    const controller = new AbortController()
    const connecting = failureOf(link(`${scheme}://127.0.0.1:${port}`, { signal: controller.signal }))
    setImmediate(() => controller.abort('enough'))
    expect(await connecting).toMatchObject({ code: 'ERR_CANCELLED', cause: 'enough' })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('says login where the broker refuses it, without a second try', async () => {
    const server = await hanging('refuse-login')
    expect(await failureOf(link(withLogin(server.url)))).toMatchObject({ code: 'ERR_BROKER_LOGIN' })
    expect(server.levels).toEqual([5])
  })

  it('says refused where the broker closes on either version', async () => {
    const server = await hanging('close')
    expect(await failureOf(link(server.url))).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
    expect(server.levels).toEqual([5, 4])
  })

  it('says refused where something else than MQTT answers', async () => {
    const server = await hanging('garbage')
    expect(await failureOf(link(server.url, { timeoutMs: 2_000 }))).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  })

  it('says refused where a web server has no MQTT', async () => {
    const { wsUrl } = await broker({ wsPort: 0 })
    expect(await failureOf(link(String(wsUrl).replace('ws:', 'mqtt:'), { timeoutMs: 2_000 }))).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  })

  it('falls back to 3.1.1 on a bare close and remembers it', async () => {
    const server = await hanging('mqtt3-only')
    expect((await link(server.url)).version).toBe(4)
    expect((await link(server.url)).version).toBe(4)
    expect(server.levels).toEqual([5, 4, 4])
  })

  it('times out when the broker stops answering, then gives it up', async () => {
    const server = await hanging('connack-only')
    const a = await link(server.url, { timeoutMs: shortMs })
    const attempts = [a.publish(topic, Uint8Array.of(1), { signal: never }), a.subscribe(topic, { signal: never })]
    for (const attempt of attempts) expect(await failureOf(attempt)).toMatchObject({ code: 'ERR_BROKER_TIMEOUT' })
    expect(await a.closed).toMatchObject({ code: 'ERR_BROKER_TIMEOUT' })
  })

  it('keeps a broker that never acknowledges but is alive', async () => {
    const server = await hanging('never-puback')
    const a = await link(server.url, { timeoutMs: shortMs })
    expect(await failureOf(a.publish(topic, Uint8Array.of(1), { signal: never }))).toMatchObject({ code: 'ERR_BROKER_TIMEOUT' })
    await a.ping({ signal: never })
    await a.close()
    await expect(a.closed).resolves.toBeUndefined()
  })

  it('gives up a broker whose answer to a ping does not come', async () => {
    const server = await hanging('connack-only')
    const a = await link(server.url)
    expect(await failureOf(a.ping({ signal: never, timeoutMs: shortMs }))).toMatchObject({ code: 'ERR_BROKER_TIMEOUT' })
    expect(await a.closed).toMatchObject({ code: 'ERR_BROKER_TIMEOUT' })
  })

  it('lets a publish be cancelled and stays connected', async () => {
    const server = await hanging('never-puback')
    const a = await link(server.url)
    const controller = new AbortController()
    const publishing = failureOf(a.publish(topic, Uint8Array.of(1), { signal: controller.signal }))
    controller.abort()
    expect(await publishing).toMatchObject({ code: 'ERR_CANCELLED' })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await a.ping({ signal: never })
  })

  it('leaves a broker that announces a packet no one could want', async () => {
    const server = await hanging('flood-length')
    const a = await link(server.url).catch((error: unknown) => error)
    if (!ThroughlineError.is(a)) expect(await (a as BrokerLink).closed).toMatchObject({ code: 'ERR_BROKER_LOST' })
  })
})

describeIf('a link to Mosquitto', mosquittoMissing ?? opensslMissing, () => {
  it('speaks MQTT 5 and carries messages', async () => {
    const { url } = await mosquitto()
    const [a, b] = [await link(url), await link(url)]
    expect(a.version).toBe(5)
    await echoes(a, b)
  })

  it('carries messages over WebSockets', async () => {
    const { url } = await mosquitto({ webSockets: true })
    await echoes(await link(url), await link(url))
  })

  it('carries messages over TLS, once its authority is known', async () => {
    const { url, ca = '' } = await mosquitto({ tls: true })
    expect(await failureOf(link(url))).toMatchObject({ code: 'ERR_BROKER_TLS' })
    await echoes(await link(url, { ca }), await link(url, { ca }))
  })

  it('logs in, and says so when the password is wrong', async () => {
    const { url } = await mosquitto({ password: secret })
    await echoes(await link(withLogin(url)), await link(withLogin(url)))
    const error = await failureOf(link(withLogin(url, `${secret}-wrong`)))
    expect(error.code).toBe('ERR_BROKER_LOGIN')
    expect(inspect(error, { depth: 10 })).not.toContain(secret)
  })

  it('is not disconnected by a message above the limit', async () => {
    const { url } = await mosquitto()
    const [a, b] = [await link(url), await link(url)]
    await b.subscribe(topic, { signal: never })
    const received = firstValueFrom(b.messages$)
    await a.publish(topic, new Uint8Array(1_000_000), { signal: never })
    await a.publish(topic, Uint8Array.of(7), { signal: never })
    expect([...(await received).payload]).toEqual([7])
  })

  it('rejects publishes under way when the broker is killed', async () => {
    const server = await mosquitto()
    const a = await link(server.url)
    const outcomes: Promise<string>[] = []
    const publishing = (async () => {
      for (let number = 0; ; number += 1) {
        const sent = a.publish(topic, Uint8Array.of(number), { signal: never })
        outcomes.push(sent.then(() => 'acknowledged', (error: unknown) => (ThroughlineError.is(error) ? error.code : String(error))))
        if ((await outcomes.at(-1)) !== 'acknowledged') return
        if (number === 5) void server.kill()
      }
    })()
    expect(await a.closed).toMatchObject({ code: 'ERR_BROKER_LOST' })
    await publishing
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['acknowledged', 'ERR_BROKER_LOST']))
    await server.kill()
    expect(await failureOf(link(server.url))).toMatchObject({ code: 'ERR_BROKER_UNREACHABLE' })
  })
})
