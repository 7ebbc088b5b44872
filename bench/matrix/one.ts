import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { siteBehind, startStage } from '../../test/lab/punch-stage.js'
import { dialLimitMs, type Job, type Trial } from './field.js'
import { kindOf } from './kinds.js'
import { describeTold, describeTrial } from './tell.js'

const help = `npm run bench:pair -- KIND_A KIND_B [OPTION]…  (or: npx tsx bench/matrix/one.ts …)
Sets up just this pair, in 3 s; A dials B. A KIND is a name of test/support/lab/kinds.ts, "open" for a public host, or a NAT as JSON (nat-spec.ts).
  --runs N            5
  --strategies a,b    punch; "all" for what people get
  --first-bytes       the byte travels with OPEN
  --both              A and B take turns
  --pause MS          0, before each run
  --at-once N         so many dials at once per run
  --loss SHARE        0, on each uplink and way
  --clock-offset MS   of A; B has none
  --birthday off
  --ipv6              the sites have IPv6 too
  --built             what is in dist/ instead of src/
  --seed S
  --verbose           what each side learnt of its network, and the machines' steps and candidates on both sides of every run (else of failed ones)`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' }, strategies: { type: 'string', default: 'punch' }, 'first-bytes': { type: 'boolean', default: false }, both: { type: 'boolean', default: false },
    pause: { type: 'string', default: '0' }, 'at-once': { type: 'string', default: '1' }, loss: { type: 'string', default: '0' }, 'clock-offset': { type: 'string', default: '0' }, birthday: { type: 'string' },
    ipv6: { type: 'boolean', default: false }, built: { type: 'boolean', default: false }, seed: { type: 'string' }, verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function main([kindA = '', kindB = '']: readonly string[]): Promise<void> {
  const strategies = values.strategies === 'all' ? undefined : values.strategies.split(',')
  const startedAtMs = performance.now()
  const site = (kind: string) => siteBehind(kindOf(kind).nat, { uplinkLoss: Number(values.loss), ...(values.ipv6 && { ipv6: true }) })
  const stage = await startStage({ sites: { a: site(kindA), b: site(kindB) }, ...(values.seed !== undefined && { seed: Number(values.seed) }) }, { isSource: !values.built })
  try {
    const { a: siteA, b: siteB } = stage.lab.sites
    if (siteA === undefined || siteB === undefined) throw new Error('the lab lacks a site')
    const variant = { isWatched: true, ...(values.birthday === 'off' && { birthday: 'off' as const }) }
    const [a, b] = await Promise.all([stage.startNode(siteA, { ...variant, clockOffsetMs: Number(values['clock-offset']) }), stage.startNode(siteB, variant)])
    say(`warm after ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s (nodes ${Math.round(a.startedMs)} and ${Math.round(b.startedMs)} ms)`)
    if (values.verbose) for (const node of [a, b]) say(`${node.name}: ${JSON.stringify(await node.network(), undefined, 1)}`)
    for (let run = 0; run < Number(values.runs); run += 1) {
      await pause(Number(values.pause))
      const isSwapped = values.both && run % 2 === 1
      const [dialler, listener] = isSwapped ? [b, a] : [a, b]
      const job: Job = { from: isSwapped ? `${kindB} (b)` : `${kindA} (a)`, to: isSwapped ? `${kindA} (a)` : `${kindB} (b)`, strategies, early: values['first-bytes'] }
      const dials = await dialler.dialMany({ address: await listener.address(), strategies, early: job.early, timeoutMs: dialLimitMs, count: Number(values['at-once']) })
      for (const dialled of dials) {
        say(`run ${run} ${describeTrial({ ...job, ...dialled } satisfies Trial)}`)
        if (!values.verbose && dialled.path !== undefined) continue
        const [initiator, responder] = await Promise.all([dialler.told(dialled.attempt), listener.told(dialled.attempt)])
        say(describeTold({ initiator, responder, startedAtMs: dialled.startedAtMs }))
      }
    }
  } finally {
    await stage.close()
  }
}

if (values.help || positionals.length !== 2) {
  say(help)
  process.exitCode = values.help ? 0 : 2
} else await main(positionals)
