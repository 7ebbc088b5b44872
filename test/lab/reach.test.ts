import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, sha256, startListener, type CliEvent, type Listener, type Outcome } from '../support/cli.js'
import { expectCode } from '../support/expect-outcome.js'
import type { Site } from '../support/lab/index.js'
import { describeIf } from '../support/requirements.js'
import { startVillage, villageMissing, type Village } from './village.js'

/** The `4` ones have no IPv6: with them a connection can only go by IPv4. With the others IPv6 is there and preferred. */
const sites = { alice: {}, bob: {}, bob4: { ipv6: false }, home: { nat: 'masquerade' }, home4: { nat: 'masquerade', ipv6: false } } as const
type Name = keyof typeof sites

const id = /^[a-z2-7]{52}$/
const endpoint = (host: string): RegExp => new RegExp(`^${(host.includes(':') ? `[${host}]` : host).replace(/[.[\]]/g, '\\$&')}:[1-9]\\d*$`)

/** What a strategy and family say about an event of each side. */
interface Expected {
  readonly strategy: 'direct' | 'reverse'
  readonly family: 4 | 6
}

describeIf('listen --echo and connect, with a Mosquitto between them', villageMissing(), () => {
  let village: Village<Name>
  let listeners: Record<Exclude<Name, 'alice'>, Listener>

  beforeAll(async () => {
    village = await startVillage(sites)
    const names = ['bob', 'bob4', 'home', 'home4'] as const
    const started = await Promise.all(names.map(async name => [name, await startListener(village.sites[name], { mqtt: village.mqtt })] as const))
    listeners = Object.fromEntries(started) as typeof listeners
  })

  afterAll(async () => {
    for (const listener of Object.values(listeners ?? {})) await listener[Symbol.asyncDispose]()
    await village?.close()
  })

  const pairs = [
    { who: 'a public host', from: 'alice', to: 'bob', whom: 'a public one', strategy: 'direct', family: 6 },
    { who: 'a public host', from: 'alice', to: 'bob4', whom: 'a public one', strategy: 'direct', family: 4 },
    { who: 'a NATed host', from: 'home', to: 'bob', whom: 'a public one', strategy: 'direct', family: 6 },
    { who: 'a NATed host', from: 'home', to: 'bob4', whom: 'a public one', strategy: 'direct', family: 4 },
    { who: 'a public host', from: 'alice', to: 'home', whom: 'one behind a firewall', strategy: 'reverse', family: 6 },
    { who: 'a public host', from: 'alice', to: 'home4', whom: 'one behind a NAT', strategy: 'reverse', family: 4 },
  ] as const

  for (const { who, from, to, whom, strategy, family, by } of pairs.flatMap(pair => (['address', 'id'] as const).map(by => ({ ...pair, by })))) {
    it(`give ${who} a ${strategy} pipe to ${whom} over IPv${family}, by ${by}`, async () => {
      const [initiator, responder, listener] = [village.sites[from], village.sites[to], listeners[to]]
      const sent = randomBytes(300_000)
      const outcome = await connect(initiator, listener[by], { mqtt: village.mqtt, input: sent })
      expectCode(outcome, 0)
      expect(sha256(outcome.stdout)).toBe(sha256(sent))
      const connected = outcome.event('connected')
      expectPath(connected, { strategy, family }, initiator, responder)
      expect(connected).toMatchObject({ peer: listener.id })
      const pipe = await listener.process.event('pipe', ({ session }) => session === connected?.['session'])
      expectPath(pipe, { strategy, family }, responder, initiator)
      expect(pipe['peer']).toMatch(id)
      await expectClosed(outcome, listener, sent.length)
    })
  }
})

/** The fields of `connected` and `pipe`: DESIGN 3. */
function expectPath(event: CliEvent | undefined, { strategy, family }: Expected, here: Site, there: Site): void {
  expect(event).toMatchObject({ protocol: '', strategy, scope: 'external', family, rttMs: expect.any(Number), elapsedMs: expect.any(Number), atMs: expect.any(Number) })
  expect(event?.['session']).toMatch(/^[0-9a-f]{32}$/)
  expect(event?.['local']).toMatch(endpoint(family === 4 ? here.ipv4 : here.ipv6 ?? ''))
  expect(event?.['remote']).toMatch(endpoint(family === 4 ? there.externalIpv4 : there.ipv6 ?? ''))
  expect(event).not.toHaveProperty('relay')
  expect(event).not.toHaveProperty('method')
}

async function expectClosed({ events, event }: Outcome, listener: Listener, bytes: number): Promise<void> {
  const session = event('connected')?.['session']
  const values = events.filter(({ event: name }) => name === 'state').map(({ value }) => value)
  expect(values.slice(0, 2)).toEqual(['resolving', 'connecting'])
  expect(values.slice(-2)).toEqual(['connected', 'closed'])
  expect(events.filter(({ outcome }) => outcome === 'elected')).toHaveLength(1)
  expect(event('closed')).toMatchObject({ session, bytesIn: bytes, bytesOut: bytes })
  expect(event('closed')).not.toHaveProperty('code')
  const closed = await listener.process.event('closed', one => one['session'] === session)
  expect(closed).toMatchObject({ bytesIn: bytes, bytesOut: bytes })
  expect(closed).not.toHaveProperty('code')
}
