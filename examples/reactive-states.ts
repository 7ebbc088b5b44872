// Watches an attempt as it happens: its states, each candidate, and the verdict.
//   npx tsx examples/reactive-states.ts            a node that connects to itself
//   npx tsx examples/reactive-states.ts ADDRESS    an attempt to reach somebody else
import { finished } from 'node:stream/promises'
import { createNode } from 'throughline'

const node = await createNode()
node.pipes$.subscribe(pipe => pipe.pipe(pipe))

const [address = node.address] = process.argv.slice(2)
const attempt = node.dial(address, { strategies: ['direct', 'reverse'], timeoutMs: 10_000 })
attempt.state$.subscribe(state => console.log(`attempt    ${state}`))
attempt.candidates$.subscribe(({ strategy, local, remote, status, error }) =>
  console.log(`candidate  ${strategy} ${local} → ${remote}: ${status}${error === undefined ? '' : ` (${error.code})`}`),
)

try {
  const pipe = await attempt.pipe
  pipe.state$.subscribe(state => console.log(`pipe       ${state}`))
  pipe.data$.subscribe(bytes => console.log(`received   ${Buffer.from(bytes).toString()}`))
  pipe.end('watched')
  await finished(pipe)
} catch (error) {
  console.log(`failed     ${error instanceof Error ? error.message : String(error)}`)
}

const { verdict, elapsedMs } = attempt.report()
console.log(`verdict    ${verdict.text} (${elapsedMs.toFixed(1)} ms)`)
await node.close()
