// Listens, and sends without end to whoever connects, until it is killed.
import { randomBytes } from 'node:crypto'
import { createNode } from '../../../src/index.js'

const node = await createNode({ identity: { seed: randomBytes(32) }, mqtt: [], stun: [], ntp: [] })
node.handle('', pipe => {
  const more = () => {
    while (pipe.write(Buffer.alloc(65_536))) { /* until it is full */ }
    pipe.once('drain', more)
  }
  more()
})
console.log(node.address)
