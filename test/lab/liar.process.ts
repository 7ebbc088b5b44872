import { startClaimingStun } from '../support/claiming-stun.js'

/** A STUN server at HOST:3478 that says its clients come from ANOTHER address, until it is killed. */
const [host = '', another = ''] = process.argv.slice(2)
await startClaimingStun(host, ({ port }) => ({ host: another, port }), 3478)
process.stdout.write('listening\n')
