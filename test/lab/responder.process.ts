import { startStunResponder } from '../../dist/src/net/stun-responder.js'

/** A STUN responder of our own on two addresses, until it is killed. */
const [host = '', alternateHost = ''] = process.argv.slice(2)
await startStunResponder({ host, alternateHost, port: 3478, alternatePort: 3479 })
process.stdout.write('listening\n')
