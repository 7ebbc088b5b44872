import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AnyMachineSnapshot } from 'xstate'
import { machines } from '../../machines/index.js'
import { systemClock } from '../../src/net/clock.js'
import { startSntpResponder, type SntpResponder } from '../../src/net/sntp-responder.js'
import { startStunResponder, type StunResponder } from '../../src/net/stun-responder.js'
import { createNode, type Node } from '../../src/index.js'
import { startBroker, type EmbeddedBroker } from '../../src/net/embedded-broker.js'
import { createRecorder, type RecordedEvent } from '../../src/observe/recorder.js'
import { encodeBase32 } from '../../src/protocol/base32.js'
import { identityFromSeed } from '../../src/protocol/identity.js'
import { pure } from '../support/machines/pure.js'

const user = 'reporter'
const password = 'a-password-for-brokers'
const seeds = { listener: randomBytes(32), refuser: randomBytes(32), dialler: randomBytes(32), nobody: randomBytes(32) }

let folder: string
let broker: EmbeddedBroker
let stun: StunResponder | undefined
let time: SntpResponder | undefined
let lines: readonly RecordedEvent[]
let text: string
let outcomes: Readonly<Record<string, string>>
let addresses: readonly string[]

const nodes: Node[] = []

/** Real attempts over loopback, one of each outcome, with both sides recorded in one report. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'replay-'))
  const file = join(folder, 'report.jsonl')
  const recorder = createRecorder(file)
  broker = await startBroker({ users: { [user]: password } })
  const mqtt = [broker.url.replace('mqtt://', `mqtt://${user}:${password}@`)]
  const open = async (seed: Uint8Array, options: object = {}) => {
    const node = await createNode({ identity: { seed }, mqtt, stun: [], ntp: [], inspect: event => recorder.inspect(event), ...options })
    nodes.push(node)
    return node
  }
  const listener = await open(seeds.listener)
  listener.pipes$.subscribe(pipe => void pipe.pipe(pipe))
  const refuser = await open(seeds.refuser, { authorize: () => false })
  refuser.pipes$.subscribe()
  stun = await startStunResponder()
  time = await startSntpResponder({ host: '127.0.0.1', port: 0, clock: systemClock() })
  const dialler = await open(seeds.dialler, { stun: [`127.0.0.1:${stun.port}`], ntp: [`127.0.0.1:${time.port}`], interfaces: ['lo'] })
  await dialler.settled()
  const gone = await open(seeds.nobody)
  const goneAddress = gone.address

  const through = async (peer: string, options: object = {}, from: Node = dialler, move?: 'reverse') => {
    try {
      const pipe = await from.connect(peer, options)
      if (move !== undefined) await pipe.repath({ strategies: [move] })
      pipe.end('hello')
      let echoed = ''
      for await (const chunk of pipe) echoed += String(chunk)
      return `${pipe.path.strategy} ${echoed}`
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  const punch = await through(listener.address, { strategies: ['punch'] }, gone)
  await gone.close()
  outcomes = {
    punch,
    direct: await through(listener.address, { strategies: ['direct'] }),
    reverse: await through(listener.address, { strategies: ['reverse'] }),
    moved: await through(listener.address, { strategies: ['direct'] }, dialler, 'reverse'),
    sequence: await through(listener.address, { mode: 'sequence' }),
    'by id': await through(listener.id),
    refused: await through(refuser.address),
    offline: await through(goneAddress, { timeoutMs: 5_000 }),
  }
  addresses = [listener.address, refuser.address, dialler.address, goneAddress]
  await Promise.all(nodes.map(node => node.close()))
  await recorder.close()
  text = readFileSync(file, 'utf8')
  lines = text.trimEnd().split('\n').map(line => JSON.parse(line) as RecordedEvent)
}, 30_000)

afterAll(async () => {
  await Promise.all(nodes.map(node => node.close()))
  await Promise.all([broker.close(), stun?.close(), time?.close()])
  rmSync(folder, { recursive: true })
})

const actorsOf = (id: string): readonly (readonly RecordedEvent[])[] => {
  const numbers = [...new Set(lines.filter(({ machine }) => machine === id).map(({ actor }) => actor))]
  return numbers.map(number => lines.filter(({ actor }) => actor === number))
}

describe('a report of real attempts', () => {
  it('holds one of each outcome', () => {
    expect(outcomes).toEqual({
      punch: 'punch hello', direct: 'direct hello', reverse: 'reverse hello', moved: 'reverse hello', sequence: 'direct hello', 'by id': 'direct hello', refused: 'ERR_REFUSED', offline: 'ERR_PEER_OFFLINE',
    })
    expect(actorsOf('connection').map(events => events.at(-1)!.state)).toEqual(expect.arrayContaining(['closed', 'failed']))
  })

  it.each(Object.keys(machines))('brings every %s to the same states again by pure transitions', id => {
    const actors = actorsOf(id)
    expect(actors.length).toBeGreaterThan(0)
    const { initial, next } = pure(machines[id]!)
    for (const events of actors) {
      const [first, ...rest] = events
      expect(first!.event.type).toBe('xstate.init')
      const snapshots: AnyMachineSnapshot[] = [initial(first!.event['input'])]
      for (const { event } of rest) snapshots.push(next(snapshots.at(-1)!, event))
      expect(snapshots.map(({ value }) => value as unknown)).toEqual(events.map(({ state }) => state))
    }
  })

  it.each(Object.keys(seeds) as (keyof typeof seeds)[])('holds neither the key nor the door key of the %s', name => {
    const { doorKey } = identityFromSeed(seeds[name])
    for (const secret of [seeds[name], doorKey]) {
      const bytes = Buffer.from(secret)
      for (const form of [bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), encodeBase32(secret), [...secret].join(',')]) {
        expect(text.toLowerCase()).not.toContain(form.toLowerCase())
      }
    }
  })

  it('holds no address, no password and no bytes', () => {
    for (const address of addresses) expect(text).not.toContain(address.slice(0, 200))
    expect(text).not.toMatch(/tl1[a-z2-7]{40}/)
    expect(text).not.toContain(password)
    expect(text).not.toMatch(/"type":"Buffer"|\d+ bytes\]|\[function\]|\[cut\]/)
  })

  it('grows by less than 64 kB for one attempt', () => {
    expect(text.length / Object.keys(outcomes).length).toBeLessThan(64 * 1_024)
  })
})
