import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import mqtt, { type MqttClient } from 'mqtt'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ThroughlineError } from '../../src/errors/index.js'
import { brokerLimits } from '../../src/net/embedded-broker-rules.js'
import { startBroker, type EmbeddedBroker, type EmbeddedBrokerOptions } from '../../src/net/embedded-broker.js'
import { expectNoOpenSockets } from '../support/open-sockets.js'

const closers: (() => unknown)[] = []
const start = async (options?: EmbeddedBrokerOptions): Promise<EmbeddedBroker> => {
  const broker = await startBroker(options)
  closers.push(() => broker.close())
  return broker
}

const happens = (client: MqttClient, event: 'connect' | 'close') => new Promise<void>(resolve => void client.once(event, () => resolve()))

/** A client with none of our link's restraint. */
const stranger = async ({ url }: { readonly url: string }, options: mqtt.IClientOptions = {}): Promise<MqttClient> => {
  const client = mqtt.connect(url, { reconnectPeriod: 0, ...options })
  closers.push(() => client.endAsync(true))
  await happens(client, 'connect')
  return client
}

const rawSocket = async (port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

const codeOf = (promise: Promise<unknown>) => promise.then(() => 'resolved', (error: unknown) => (ThroughlineError.is(error) ? error.code : String(error)))

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await expectNoOpenSockets()
})

describe('the embedded broker', () => {
  it('listens on a free port of 127.0.0.1 and counts its connections', async () => {
    const broker = await start({ wsPort: 0 })
    expect(broker.url).toBe(`mqtt://127.0.0.1:${broker.port}`)
    expect(broker.wsUrl).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/)
    const client = await stranger(broker)
    await stranger({ url: String(broker.wsUrl) })
    expect(broker.connections).toBe(2)
    await client.endAsync()
    await vi.waitFor(() => expect(broker.connections).toBe(1))
  })

  it('says which port is taken, and leaves nothing listening', async () => {
    const { port } = await start()
    expect(await codeOf(startBroker({ port }))).toBe('ERR_PORT_IN_USE')
    expect(await codeOf(startBroker({ wsPort: port }))).toBe('ERR_PORT_IN_USE')
    expect(await codeOf(startBroker({ host: '192.0.2.1' }))).toBe('ERR_LISTEN')
  })

  it('frees its port on close, at once, whoever is connected', async () => {
    const broker = await start({ wsPort: 0 })
    await stranger(broker)
    await rawSocket(broker.port)
    await rawSocket(Number(new URL(String(broker.wsUrl)).port))
    await Promise.all([broker.close(), broker.close()])
    expect((await start({ port: broker.port })).port).toBe(broker.port)
  })

  it('closes by its signal, and does not start under an aborted one', async () => {
    const controller = new AbortController()
    const broker = await start({ signal: controller.signal })
    const client = await stranger(broker)
    const closed = happens(client, 'close')
    controller.abort()
    await closed
    expect(await codeOf(startBroker({ signal: controller.signal }))).toBe('ERR_CANCELLED')
  })

  it.each(['#', '+/1/x', 'tl/#', 'tl/1/#', 'tl/1/+', 'tl/1/', 'tl/2/x', '$SYS/#'])('denies a subscription to %s', async topic => {
    const client = await stranger(await start())
    await expect(client.subscribeAsync(topic)).rejects.toThrow('Subscribe error')
  })

  it('ends the connection of whoever publishes elsewhere', async () => {
    const client = await stranger(await start())
    client.publish('other/topic', 'x', { qos: 1 }, () => {})
    await happens(client, 'close')
  })

  it('keeps neither retained messages nor sessions nor wills', async () => {
    const broker = await start()
    const first = await stranger(broker, { clientId: 'one', clean: false, will: { topic: 'tl/1/x', payload: Buffer.from('will'), qos: 1 } })
    await first.subscribeAsync('tl/1/x', { qos: 1 })
    await first.publishAsync('tl/1/x', 'kept?', { qos: 1, retain: true })
    first.stream.destroy()
    await happens(first, 'close')
    const other = await stranger(broker)
    await other.publishAsync('tl/1/x', 'while away', { qos: 1 })
    const again = await stranger(broker, { clientId: 'one', clean: false })
    const payloads: string[] = []
    again.on('message', (_topic, payload) => payloads.push(String(payload)))
    await again.subscribeAsync('tl/1/x', { qos: 1 })
    await other.publishAsync('tl/1/x', 'now', { qos: 1 })
    await vi.waitFor(() => expect(payloads).toContain('now'))
    expect(payloads).toEqual(['now'])
  })

  it('drops a connection that sends a packet above the limit, before it is complete', async () => {
    const broker = await start()
    const client = await stranger(broker)
    client.stream.write(Uint8Array.of(0x32, 0xff, 0xff, 0xff, 0x7f))
    await happens(client, 'close')
    const raw = await rawSocket(broker.port)
    raw.resume().write(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f))
    await once(raw, 'close')
    expect(broker.connections).toBe(0)
  })

  it('limits the subscriptions of a connection, and counts what was given up', async () => {
    const client = await stranger(await start())
    const topics = Array.from({ length: brokerLimits.maxSubscriptionsPerConnection }, (_, number) => `tl/1/${number}`)
    for (const topic of topics) await client.subscribeAsync(topic)
    await expect(client.subscribeAsync('tl/1/more')).rejects.toThrow('Subscribe error')
    await client.unsubscribeAsync('tl/1/0')
    await vi.waitFor(() => client.subscribeAsync('tl/1/more'))
  })

  it('limits its connections', async () => {
    const broker = await start()
    const sockets = await Promise.all(Array.from({ length: brokerLimits.maxConnections }, () => rawSocket(broker.port)))
    await vi.waitFor(() => expect(broker.connections).toBe(brokerLimits.maxConnections))
    const refused = await rawSocket(broker.port)
    await once(refused.resume(), 'close')
    sockets[0]?.destroy()
    await vi.waitFor(() => expect(broker.connections).toBe(brokerLimits.maxConnections - 1))
    await stranger(broker)
  })

  it('lets in only its users', async () => {
    const broker = await start({ users: { alice: 'secret', constructor: 'x' } })
    await stranger(broker, { username: 'alice', password: 'secret' })
    for (const login of [{}, { username: 'alice' }, { username: 'alice', password: 'wrong' }, { username: 'toString', password: 'secret' }]) {
      await expect(mqtt.connectAsync(broker.url, { reconnectPeriod: 0, ...login })).rejects.toThrow('Bad username or password')
    }
  })

  it('answers 426 to a browser', async () => {
    const broker = await start({ wsPort: 0 })
    const asked = request(String(broker.wsUrl).replace('ws:', 'http:')).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(426)
    await once(response.resume(), 'close')
  })
})
