import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, type Host, type LabSpec, type Site } from '../support/lab/index.js'
import { coturnMissing } from '../support/lab/services.js'
import { mosquittoMissing } from '../support/mosquitto.js'
import { describeIf } from '../support/requirements.js'
import { queue } from './processes.js'
import type { Dialled } from './punch-node.process.js'
import { relaySite, siteBehind, startRelay, startStage, type NodeVariant, type Stage, type StageNode } from './punch-stage.js'

const dialLimitMs = 20_000
const testLimitMs = 90_000

const spec: LabSpec = {
  sites: {
    relay: relaySite, other: relaySite,
    rst: siteBehind('symmetric-rst'), rst2: siteBehind('symmetric-rst'), random: siteBehind('random'), drawn: siteBehind('symmetric'),
    noudp: siteBehind('cone-no-udp'), shy: siteBehind('random'), open: siteBehind('none'),
  },
}

describeIf('relaying, in the lab', labMissing() ?? mosquittoMissing ?? coturnMissing, () => {
  let stage: Stage
  let relays: readonly string[]
  const inTurn = queue(2)
  const nodes = new Map<string, Promise<StageNode>>()

  beforeAll(async () => {
    stage = await startStage(spec, { isSource: true })
    relays = await Promise.all(['relay', 'other'].map(name => startRelay(stage.lab.sites[name] as Site)))
  })
  afterAll(() => stage?.close())

  /** One node for each host and what it is given. */
  function nodeAt(name: string, variant: NodeVariant): Promise<StageNode> {
    const key = JSON.stringify([name, variant])
    const seed = createHash('sha256').update(`${stage.lab.seed} ${key}`).digest('hex')
    const node = nodes.get(key) ?? stage.startNode(stage.lab.hosts.get(name) as Host, { ...variant, seed })
    nodes.set(key, node)
    return node
  }

  async function dial(from: string, to: string, mine: NodeVariant, theirs: NodeVariant, strategies?: readonly string[]): Promise<Dialled> {
    const [dialler, listener] = await Promise.all([nodeAt(from, mine), nodeAt(to, theirs)])
    return inTurn(async () => dialler.dial({ address: await listener.address(), timeoutMs: dialLimitMs, strategies }))
  }

  const first = (): NodeVariant => ({ turn: relays.slice(0, 1) })
  const second = (): NodeVariant => ({ turn: relays.slice(1) })
  const none = (): NodeVariant => ({})
  const stranger = (): NodeVariant => ({ isOpen: true })

  it.each([
    ['two symmetric NATs that answer by resets, the dialling side has a relay', 'rst', 'rst2', first, none],
    ['two symmetric NATs that answer by resets, the listening side has one', 'rst2', 'rst', none, second],
    ['two NATs that draw a port per connection, both have one', 'random', 'drawn', first, second],
    ['two NATs that draw a port per connection, and strangers', 'drawn', 'shy', first, stranger],
  ] as const)('joins by all strategies %s', async (_how, from, to, mine, theirs) => {
    const { path, error, verdict } = await dial(from, to, mine(), theirs())
    expect({ path, error, verdict }).toMatchObject({ path: { strategy: 'relay', scope: 'external', family: 4, relay: expect.stringMatching(/:3478$/) } })
  }, testLimitMs)

  it.each([
    ['UDP is blocked on one side', 'noudp', 'random', first, none], ['UDP is blocked on the other', 'random', 'noudp', none, second], ['one side is public', 'open', 'drawn', first, none],
  ] as const)('joins by a relay alone where %s', async (_how, from, to, mine, theirs) => {
    const { path, error, verdict } = await dial(from, to, mine(), theirs(), ['relay'])
    expect(path, JSON.stringify({ error, verdict })).toMatchObject({ strategy: 'relay' })
  }, testLimitMs)

  it('says what would help where nobody has a relay', async () => {
    const { error, verdict } = await dial('random', 'drawn', none(), none())
    expect(error?.code).toBe('ERR_NO_PATH')
    expect(verdict).toMatchObject({ text: expect.stringMatching(/random ports per destination.*Neither side has a relay/s), advice: expect.stringMatching(/--turn/) })
  }, testLimitMs)
})
