import { afterEach, describe, expect, it } from 'vitest'
import { createActor, waitFor } from 'xstate'
import { createSignallingActors } from '../../machines/signalling/signalling.actors.js'
import { defaultSignallingPolicy, signallingMachine } from '../../machines/signalling/signalling.machine.js'
import { startBroker } from '../../src/net/embedded-broker.js'
import type { BrokerLink } from '../../src/net/mqtt-link.js'
import { ResourceTable } from '../../src/net/resource-table.js'
import { parseBrokerUrl } from '../../src/protocol/broker-url.js'
import { startHangingBroker } from '../support/hanging-broker.js'
import { expectNoOpenSockets } from '../support/open-sockets.js'

const closers: (() => unknown)[] = []

function startActor(url: string, backoffMinMs = 1) {
  const links = new ResourceTable<BrokerLink>('link')
  const actors = createSignallingActors({ links, resolveUrl: parseBrokerUrl, random: () => 0, timeoutMs: 5_000 })
  const input = { brokerId: url, policy: { ...defaultSignallingPolicy, backoffMinMs } }
  const actor = createActor(signallingMachine.provide({ actors }), { input })
  actor.start()
  closers.push(() => actor.stop(), () => links.disposeAll())
  const reached = (value: 'connecting' | 'online' | 'backingOff' | 'stopped') => waitFor(actor, snapshot => snapshot.value === value)
  return { actor, links, reached }
}

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await expectNoOpenSockets()
})

describe('the signalling actors', () => {
  it('are online with a link of the table, and close it when the actor stops', async () => {
    const broker = await startBroker()
    closers.push(() => broker.close())
    const { actor, links, reached } = startActor(broker.url)
    const { context } = await reached('online')
    const link = links.get(context.linkId ?? '')
    expect(link?.version).toBe(context.version)
    actor.stop()
    await expect(link?.closed).resolves.toBeUndefined()
    expect(links.size).toBe(0)
  })

  it('come back by themselves after the broker was away', async () => {
    const first = await startBroker()
    const { links, reached } = startActor(first.url)
    await reached('online')
    await first.close()
    const { context } = await reached('backingOff')
    expect(context.lastFailure?.code).toMatch(/^ERR_BROKER_(LOST|UNREACHABLE)$/)
    expect(links.size).toBe(0)
    const second = await startBroker({ port: first.port })
    closers.push(() => second.close())
    await reached('online')
    expect(links.size).toBe(1)
  })

  it('replace the link on broker.retry', async () => {
    const broker = await startBroker()
    closers.push(() => broker.close())
    const { actor, links, reached } = startActor(broker.url)
    const before = (await reached('online')).context.linkId
    actor.send({ type: 'broker.retry' })
    expect((await reached('online')).context.linkId).not.toBe(before)
    expect(links.size).toBe(1)
  })

  it('leave nothing when stopped while connecting', async () => {
    const broker = await startHangingBroker('silent')
    closers.push(() => broker.close())
    const { actor, links, reached } = startActor(broker.url)
    actor.send({ type: 'broker.stop' })
    await reached('stopped')
    expect(links.size).toBe(0)
  })

  it('close a link that came up in the moment they were stopped', async () => {
    const broker = await startBroker()
    closers.push(() => broker.close())
    const { actor, links } = startActor(broker.url)
    const add = links.add.bind(links)
    let late: BrokerLink | undefined
    links.add = (link, dispose) => {
      late = link
      const id = add(link, dispose)
      queueMicrotask(() => actor.stop())
      return id
    }
    await waitFor(actor, ({ status }) => status === 'stopped').catch(() => {})
    await expect(late?.closed).resolves.toBeUndefined()
    expect(links.size).toBe(0)
  })

  it('report a URL nobody knows as a failure', async () => {
    const { reached } = startActor('no url', 60_000)
    expect((await reached('backingOff')).context.lastFailure?.code).toBe('ERR_BROKER_URL')
  })
})
