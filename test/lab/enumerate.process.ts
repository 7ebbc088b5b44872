import { randomBytes } from 'node:crypto'
import { createNode } from '../../dist/src/index.js'
import { decodeAddress } from '../../dist/src/protocol/address.js'
import type { NetworkSummary } from '../../dist/src/index.js'

/** Makes a node with the STUN servers given, and prints what it learnt of its network, and how long that took. */
const servers = process.argv.slice(2)
const seen: NetworkSummary[] = []
const startedAtMs = performance.now()
const node = await createNode({ identity: { seed: randomBytes(32) }, mqtt: [], ntp: [], stun: servers })
const readyMs = performance.now() - startedAtMs
node.network$.subscribe(network => void seen.push(network))
await node.settled()
const elapsedMs = performance.now() - startedAtMs
const { degraded } = node
const statesAtFirst = seen[0]?.interfaces.map(({ state }) => state)
const records = decodeAddress(node.address).interfaces
process.stdout.write(`${JSON.stringify({ ...seen.at(-1), degraded, statesAtFirst, records, readyMs, elapsedMs })}\n`)
await node.close()
