import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { firstValueFrom } from 'rxjs'
import { createNode } from '../../dist/src/index.js'

/** Makes a node with the time servers given, prints what it holds of the time and by how much that is wrong, and whether a pipe connects meanwhile. */
const ntp = process.argv.slice(2)
const shiftMs = Number(process.env['THROUGHLINE_TEST_CLOCK_OFFSET_MS'] ?? 0)
const options = { mqtt: [], stun: [], ntp }
const startedAtMs = performance.now()
const node = await createNode({ ...options, identity: { seed: randomBytes(32) } })
const other = await createNode({ ...options, identity: { seed: randomBytes(32) } })
other.pipes$.subscribe(pipe => pipe.pipe(pipe))
const pipe = await node.connect(other.address)
pipe.end('across')
const [echo] = (await once(pipe, 'data')) as [Buffer]
await node.settled()
const elapsedMs = performance.now() - startedAtMs
const { clock, clockError } = await firstValueFrom(node.network$)
// one machine, one time: what a node is off is what it was told to be off, and what the system's clock has moved since
const trueOffsetMs = Date.now() + 0.5 - (performance.timeOrigin + performance.now()) - shiftMs
process.stdout.write(`${JSON.stringify({ clock, clockError, trueOffsetMs, degraded: node.degraded, echo: echo.toString(), elapsedMs })}\n`)
await Promise.all([node.close(), other.close()])
