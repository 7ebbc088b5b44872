import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ThroughlineError } from '../../../src/errors/index.js'
import { StunServers } from '../../../src/node/stun-servers.js'
import type { Endpoint } from '../../../src/protocol/endpoint.js'

type Resolve = NonNullable<ConstructorParameters<typeof StunServers>[1]>

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const { signal } = new AbortController()
const at = (host: string): Endpoint => ({ host, port: 3478 })

/** Names with their IPv4 addresses, and after how long they are known; a name not listed never is. */
function serversOf(names: Readonly<Record<string, { readonly hosts: readonly string[]; readonly afterMs?: number }>>, list: readonly string[]) {
  const resolve: Resolve = (name, limits) =>
    new Promise((give, fail) => {
      const entry = names[name]
      const settle = (conclude: () => void) => {
        timers.forEach(clearTimeout)
        conclude()
      }
      const timers = [setTimeout(() => settle(() => fail(new ThroughlineError('ERR_STUN_TIMEOUT', `${name} was not resolved`))), limits.timeoutMs)]
      if (entry !== undefined) timers.push(setTimeout(() => settle(() => give({ 4: entry.hosts.map(at), 6: [] })), entry.afterMs ?? 0))
      limits.signal.addEventListener('abort', () => settle(() => fail(new ThroughlineError('ERR_CANCELLED', 'given up'))), { once: true })
    })
  return new StunServers(list, resolve)
}

/** What comes of it, and when. */
async function listed(servers: StunServers, family: 4 | 6 = 4) {
  const startedAtMs = performance.now()
  let tookMs = NaN
  const outcome = servers.list(family, signal)
    .then(endpoints => endpoints.map(({ host }) => host), (error: unknown) => (error as ThroughlineError).code)
    .finally(() => (tookMs = performance.now() - startedAtMs))
  await vi.advanceTimersByTimeAsync(10_000)
  return { outcome: await outcome, tookMs }
}

describe('the STUN servers', () => {
  it('are the first address of each name, then the others', async () => {
    const servers = serversOf({ 'a:1': { hosts: ['10.0.0.1', '10.0.0.2'] }, 'b:1': { hosts: ['10.0.1.1'] } }, ['a:1', 'b:1', 'a:1'])
    expect(await listed(servers)).toEqual({ outcome: ['10.0.0.1', '10.0.1.1', '10.0.0.2'], tookMs: 0 })
  })

  it('are those whose names are known soon after the second, whatever the others do', async () => {
    const servers = serversOf({ 'a:1': { hosts: ['10.0.0.1'], afterMs: 100 }, 'b:1': { hosts: ['10.0.1.1'], afterMs: 200 }, 'c:1': { hosts: ['10.0.2.1'], afterMs: 500 } }, ['dead:1', 'c:1', 'b:1', 'a:1'])
    expect(await listed(servers)).toEqual({ outcome: ['10.0.2.1', '10.0.1.1', '10.0.0.1'], tookMs: 600 })
  })

  it('are waited for where there are fewer', async () => {
    const servers = serversOf({ 'a:1': { hosts: ['10.0.0.1'] }, 'b:1': { hosts: [] }, 'c:1': { hosts: ['10.0.2.1'], afterMs: 1_500 } }, ['a:1', 'b:1', 'c:1'])
    expect(await listed(servers)).toEqual({ outcome: ['10.0.0.1', '10.0.2.1'], tookMs: 1_500 })
  })

  it('are listed before whoever wants the list gives up', async () => {
    const { outcome, tookMs } = await listed(serversOf({ 'a:1': { hosts: ['10.0.0.1'] } }, ['a:1', 'dead:1']))
    expect(outcome).toEqual(['10.0.0.1'])
    expect(tookMs).toBeLessThan(3_000)
  })

  it('are none, with the reason, when no name is known', async () => {
    expect((await listed(serversOf({}, ['dead:1', 'gone:1']))).outcome).toBe('ERR_STUN_TIMEOUT')
  })

  it('are none of a family that nobody has', async () => {
    expect((await listed(serversOf({ 'a:1': { hosts: ['10.0.0.1'] } }, ['a:1']), 6)).outcome).toEqual([])
  })

  it('are not looked for any more when the signal fires', async () => {
    const control = new AbortController()
    const listing = serversOf({}, ['dead:1']).list(4, control.signal)
    control.abort()
    await expect(listing).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it.each([[[], true], [['a:1'], false]])('%j: is empty %s', (names, isEmpty) => {
    expect(new StunServers(names).isEmpty).toBe(isEmpty)
  })
})
