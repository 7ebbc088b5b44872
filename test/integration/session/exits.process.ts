// Leaves pipes in the state named by the first argument, closes its nodes, and has to end by itself.
import { randomBytes } from 'node:crypto'
import { createNode, type Pipe } from '../../../src/index.js'

const start = () => createNode({ identity: { seed: randomBytes(32) }, mqtt: [], stun: [], ntp: [] })
const [dialler, listener] = await Promise.all([start(), start()])
const serving = new Promise<Pipe>(resolve => void listener.handle('', resolve))
const pipe = await dialler.connect(listener.address)
const served = await serving

switch (process.argv[2]) {
  case 'finishing':
    pipe.end('some bytes')
    served.end('others')
    break
  case 'aborted':
    pipe.write(Buffer.alloc(1_000_000))
    served.abort('ERR_BUSY')
    break
  case 'stuck':
    pipe.write(Buffer.alloc(10_000_000))
    break
  default:
}
await Promise.all([dialler.close(), listener.close()])
const kinds = process.getActiveResourcesInfo().filter(kind => /^(TCP|TLS)/.test(kind))
console.log(JSON.stringify({ pipe: pipe.destroyed, served: served.destroyed, kinds }))
