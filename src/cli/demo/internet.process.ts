// Broker and STUN of the internet between the homes, until the anchor ends.
import { startBroker } from '../../net/embedded-broker.js'
import { startStunResponder } from '../../net/stun-responder.js'
import { internet, readyWord } from './homes-script.js'

const { hosts: [host, alternateHost], brokerPort, stunPort, alternateStunPort } = internet
await Promise.all([
  startBroker({ host, port: brokerPort }),
  startStunResponder({ host, alternateHost, port: stunPort, alternatePort: alternateStunPort }),
])
process.stdout.write(`${readyWord}\n`)
