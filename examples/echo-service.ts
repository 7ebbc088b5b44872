// A service with a protocol of its own, and its client.
//   npx tsx examples/echo-service.ts            serves, and prints its address
//   npx tsx examples/echo-service.ts ADDRESS    asks the service behind that address
import { finished } from 'node:stream/promises'
import { createNode } from 'throughline'

const protocol = 'example-echo/1'
const [address] = process.argv.slice(2)

if (address === undefined) {
  const node = await createNode({ name: 'echo service' })
  node.handle(protocol, pipe => {
    console.log(`${pipe.peer.id} came by ${pipe.path.strategy} (${pipe.path.scope})`)
    // A pipe is a Node Duplex: its error event tells of a peer that left early.
    pipe.on('error', error => console.log(`lost: ${error.message}`))
    pipe.pipe(pipe)
  })
  console.log(`ask me with: npx tsx examples/echo-service.ts ${node.address}`)
  process.once('SIGINT', () => void node.close())
} else {
  const node = await createNode({ inbound: false })
  const pipe = await node.connect(address, { protocol })
  pipe.end('Hello, world!\n')
  pipe.pipe(process.stdout)
  // Both directions have ended, and the service has acknowledged every byte.
  await finished(pipe)
  await node.close()
}
