import { systemClock } from '../../dist/src/net/clock.js'
import { startSntpResponder } from '../../dist/src/net/sntp-responder.js'

/** A time server at HOST:123 that tells the time of this process (THROUGHLINE_TEST_CLOCK_OFFSET_MS shifts it), until it is killed. */
const [host = ''] = process.argv.slice(2)
await startSntpResponder({ host, port: 123, clock: systemClock() })
process.stdout.write('listening\n')
