import { BehaviorSubject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { run } from '../../../../src/cli/run.js'
import type { NetworkSummary, NodeOptions } from '../../../../src/node/types.js'
import { FakeNode } from '../fake-node.js'
import { FakeProcess } from '../fake-process.js'
import { networkInterface, profiles } from './samples.js'

const summary: NetworkSummary = { interfaces: [networkInterface({ tcp: profiles.predictable })], sparePorts: [], clock: null, listenPort: 0, relays: [], brokers: [], budgets: {} }

/** Starts `nat` without servers on a node that knows `summary`; `settled` may never come. */
function start(args: string, { settles = true } = {}) {
  const process = new FakeProcess()
  const nodes: FakeNode[] = []
  const createNode = async (options: NodeOptions) => {
    const node = Object.assign(new FakeNode(options), {
      network$: new BehaviorSubject(summary),
      settled: () => (settles ? Promise.resolve() : new Promise<void>(() => {})),
    })
    nodes.push(node)
    return node
  }
  const code = run(['nat', '--stun', 'none', '--ntp', 'none', '--mqtt', 'none', ...args.split(' ').filter(arg => arg !== '')], process, createNode)
  return { process, nodes, code }
}

describe('throughline nat', () => {
  it('tells one event with the fields of the contract', async () => {
    const { process, code, nodes } = start('--json')
    expect(await code).toBe(0)
    const { name, family, local, external, tcp, udp } = summary.interfaces[0]!
    expect(await process.events('stdout')).toMatchObject([
      { event: 'network', interfaces: [{ name, family, local, external, tcp, udp }], portMapping: [], brokers: [], relays: [], clock: null },
    ])
    expect(Object.keys(tcp).sort()).toEqual(['allocation', 'blocked', 'classic', 'confidence', 'delta', 'filtering', 'mapping', 'range'])
    expect(nodes[0]?.options).toMatchObject({ inbound: false, stun: [], ntp: [], mqtt: [] })
    expect(nodes[0]?.isClosed).toBe(true)
  })

  it('prints the report on stdout and its progress on stderr', async () => {
    const { process, code } = start('')
    expect(await code).toBe(0)
    const report = await process.written('stdout')
    expect(report).toMatch(/^eth0, IPv4 {2}192\.168\.1\.7/)
    expect(report).not.toContain('\u001b')
    expect(await process.written('stderr')).toMatch(/^measuring/)
  })

  it('ends with exit code 130 and no report when it is interrupted', async () => {
    const { process, code, nodes } = start('', { settles: false })
    await new Promise(resolve => setImmediate(resolve))
    process.emit('SIGINT')
    expect(await code).toBe(130)
    expect(await process.written('stdout')).toBe('')
    expect(nodes.every(({ isClosed }) => isClosed)).toBe(true)
  })

  it('names the nearest option for one it does not have', async () => {
    const { process, code } = start('--stum a:1')
    expect(await code).toBe(2)
    expect(await process.written('stderr')).toContain('the nearest is --stun')
  })
})
