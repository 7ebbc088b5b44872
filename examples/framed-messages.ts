// Questions and answers as framed messages, between two nodes of one process that no broker knows.
//   npx tsx examples/framed-messages.ts
import { randomBytes } from 'node:crypto'
import { createNode } from 'throughline'

const options = () => ({ identity: { seed: randomBytes(32) }, mqtt: [], stun: [], ntp: [] })
const [server, client] = await Promise.all([createNode(options()), createNode({ ...options(), inbound: false })])

server.handle('example-upper/1', async pipe => {
  const messages = pipe.messages()
  for (let question = await messages.receive(); question !== undefined; question = await messages.receive()) {
    await messages.send(Buffer.from(Buffer.from(question).toString().toUpperCase()))
  }
  await pipe.close()
})

const pipe = await client.connect(server.address, { protocol: 'example-upper/1' })
const messages = pipe.messages()
for (const word of ['one', 'two', 'three']) {
  await messages.send(Buffer.from(word))
  const answer = await messages.receive({ signal: AbortSignal.timeout(5_000) })
  console.log(`${word} → ${Buffer.from(answer ?? []).toString()}`)
}
await pipe.close()
await Promise.all([client.close(), server.close()])
