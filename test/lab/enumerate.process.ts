import { randomBytes } from 'node:crypto'
import { createNode } from '../../dist/src/index.js'

/** Makes a node with the STUN servers given, and prints what it learnt of its network, and how long that took. */
const servers = process.argv.slice(2)
const startedAtMs = performance.now()
const node = await createNode({ identity: { seed: randomBytes(32) }, mqtt: [], ntp: [], stun: servers, inbound: false })
const readyMs = performance.now() - startedAtMs
await node.settled()
const elapsedMs = performance.now() - startedAtMs
node.network$.subscribe(({ interfaces }) => {
  process.stdout.write(`${JSON.stringify({ interfaces, readyMs, elapsedMs })}\n`)
}).unsubscribe()
await node.close()
