import { afterAll, beforeAll, expect, it } from 'vitest'
import type { EmbeddedBroker } from '../../../src/net/embedded-broker.js'
import type { Node, NodeOptions, Pipe } from '../../../src/node/types.js'
import { alice as user } from '../../support/turn.js'
import { coturnMissing, startCoturn, type Coturn } from '../../support/coturn.js'
import { describeIf } from '../../support/requirements.js'
import { exchange, first, Nodes } from '../node/nodes.js'

const urlOf = ({ hosts, port }: Coturn, password: string = user.password): string => `turn:${user.username}:${password}@${hosts[0]}:${port}?transport=tcp`

describeIf('a pipe by relay, with coturn', coturnMissing, () => {
  let coturn: Coturn
  let other: Coturn
  beforeAll(async () => {
    const options = { hosts: ['127.0.0.1'], auth: { users: { [user.username]: user.password } } }
    ;[coturn, other] = await Promise.all([startCoturn(options), startCoturn(options)])
  })
  afterAll(() => Promise.all([coturn.close(), other.close()]))

  /** A dialler and an echo, each with the servers it is given, which have answered. */
  async function meet(nodes: Nodes, mine: readonly string[], theirs: readonly string[], options: NodeOptions = {}): Promise<readonly [dialler: Node, echo: Node, broker: EmbeddedBroker]> {
    const broker = await nodes.broker()
    const [echo, dialler] = await Promise.all([
      nodes.echo({ mqtt: [broker.url], turn: theirs, allow: 'any', ...options }), nodes.node({ mqtt: [broker.url], turn: mine, ...options }),
    ])
    await Promise.all([echo.settled(), dialler.settled()])
    return [dialler, echo, broker]
  }

  it.each([
    ['both sides have a server', true, true], ['the dialling side has a server', true, false], ['the listening side has a server', false, true],
  ])('comes up where %s, and carries bytes', async (_who, isMine, isTheirs) => {
    await using nodes = new Nodes()
    const [dialler, echo] = await meet(nodes, isMine ? [urlOf(coturn)] : [], isTheirs ? [urlOf(other)] : [])
    const attempt = dialler.dial(echo.address, { strategies: ['relay'] })
    const pipe = await attempt.pipe
    const relay = `127.0.0.1:${isMine ? coturn.port : other.port}`
    expect(pipe.path).toMatchObject({ strategy: 'relay', scope: 'external', family: 4, relay })
    expect(pipe.path.remote).not.toBe(relay)
    expect(attempt.report().verdict).toMatchObject({ code: 'OK', text: expect.stringContaining(`by a relay over IPv4 (${relay}`) })
    expect(await exchange(pipe, 'hello')).toBe('hello')
  })

  it('is left alone where a direct path is there', async () => {
    await using nodes = new Nodes()
    const [dialler, echo] = await meet(nodes, [urlOf(coturn)], [urlOf(other)])
    const pipe = await dialler.connect(echo.address)
    expect(pipe.path.strategy).toBe('direct')
    expect(await exchange(pipe, 'hello')).toBe('hello')
  })

  it('is not missed where a direct path is there and the credentials are wrong; the node says so', async () => {
    await using nodes = new Nodes()
    const [dialler, echo] = await meet(nodes, [urlOf(coturn, 'wrong')], [])
    expect(dialler.degraded).toContain('relay')
    expect((await first(dialler.network$)).relays).toMatchObject([{ server: `127.0.0.1:${coturn.port}`, state: 'failed', error: { code: 'ERR_RELAY_CREDENTIALS' } }])
    expect(await exchange(await dialler.connect(echo.address), 'hello')).toBe('hello')
    const failing = dialler.dial(echo.address, { strategies: ['relay'] })
    await expect(failing.pipe).rejects.toMatchObject({ code: 'ERR_NO_PATH' })
    expect(failing.report().verdict).toMatchObject({ text: expect.stringMatching(/Our own relay could not be used/), advice: expect.stringMatching(/Check both in --turn/) })
  })

  it('is made of the first server that answers', async () => {
    await using nodes = new Nodes()
    const [dialler, echo] = await meet(nodes, ['turn:a:b@127.0.0.1:9?transport=tcp', 'turn:a:b@127.0.0.1:9?transport=udp', urlOf(coturn)], [])
    expect((await first(dialler.network$)).relays.map(({ state }) => state)).toEqual(['failed', 'unusable', 'serving'])
    expect(dialler.degraded).not.toContain('relay')
    expect((await dialler.connect(echo.address, { strategies: ['relay'] })).path.relay).toBe(`127.0.0.1:${coturn.port}`)
  })

  it('says that neither side has a relay, soon', async () => {
    await using nodes = new Nodes()
    const [dialler, echo] = await meet(nodes, [], [])
    expect(dialler.degraded).not.toContain('relay')
    const attempt = dialler.dial(echo.address, { strategies: ['relay'] })
    await expect(attempt.pipe).rejects.toMatchObject({ code: 'ERR_NO_PATH' })
    expect(attempt.report()).toMatchObject({ verdict: { text: expect.stringMatching(/Neither side has a relay/), advice: expect.stringMatching(/--turn/) } })
    expect(attempt.report().elapsedMs).toBeLessThan(2_000)
  })

  it('reports a loss when the server dies', async () => {
    await using nodes = new Nodes()
    const mortal = await startCoturn({ hosts: ['127.0.0.1'], auth: { users: { [user.username]: user.password } } })
    nodes.defer(() => mortal.close())
    const [dialler, echo] = await meet(nodes, [urlOf(mortal)], [])
    const pipe: Pipe = await dialler.connect(echo.address, { strategies: ['relay'] })
    const lost = new Promise(resolve => pipe.once('error', resolve))
    pipe.write('something')
    await mortal.kill()
    expect(await lost).toMatchObject({ code: 'ERR_CONNECTION_LOST' })
  })

  it('gives its allocation back when it ends', async () => {
    await using nodes = new Nodes()
    const before = coturn.log().length
    const [dialler, echo] = await meet(nodes, [urlOf(coturn)], [])
    const pipe = await dialler.connect(echo.address, { strategies: ['relay'] })
    await exchange(pipe, 'hello')
    await pipe.close().catch(() => {})
    await expect.poll(() => coturn.log().slice(before).match(/refreshed, realm.*lifetime=0/g)?.length ?? 0).toBeGreaterThanOrEqual(2)
  })
})
