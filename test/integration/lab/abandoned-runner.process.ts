/** A runner that starts a lab and never closes it: lab.test.ts kills it. */
import { startLab } from '../../support/lab/index.js'
import { populated } from './populated.js'

const lab = await startLab(populated)
// The shell leaves at once and its child stays, an orphan that no signal on a parent's death reaches.
const orphan = await lab.sites['alice']?.run('sh', ['-c', 'sleep 600 >/dev/null 2>&1 </dev/null & echo $!'], { timeoutMs: 5_000 })
const child = lab.sites['bob']?.spawn('sh', ['-c', 'echo; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] })
await new Promise(resolve => child?.stdout?.once('data', resolve))
console.log(JSON.stringify({ anchor: lab.anchorPid, orphan: Number(orphan?.stdout), child: child?.pid }))
