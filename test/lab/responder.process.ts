import { startStunResponder } from '../../dist/src/net/stun-responder.js'

/** A STUN responder of our own on 3478 and 3479 of HOST, and of ALTERNATE if there is one, until it is killed. */
const [host = '', alternateHost] = process.argv.slice(2)
await startStunResponder({ host, ...(alternateHost !== undefined && { alternateHost }), port: 3478, alternatePort: 3479 })
process.stdout.write('listening\n')
