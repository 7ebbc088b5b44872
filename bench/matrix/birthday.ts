import { parseArgs } from 'node:util'

/**
 * What theory says of a birthday punch: in how many of 1,000 cases some SYN of the many ports meets one of the mapped port by some time.
 * Two SYNs of one pair of ports meet when one of them arrives while the other side's opening lives: for good behind a NAT whose peer's NAT
 * is silent, one round trip where that answers. Each pair of SYNs that could meet does so in one of `ports` cases.
 */
const { values } = parseArgs({
  options: { rtt: { type: 'string', default: '40' }, skew: { type: 'string', default: '0' }, 'per-ms': { type: 'string', default: '12' }, help: { type: 'boolean', short: 'h', default: false } },
})

/** Of all that NATs use (RFC 4787 REQ-3). */
const ports = 64_512
const atMs = [100, 300, 600, 1_100, 1_600, 2_600] as const

/** Sizes of bursts, `everyMs` apart; a steady stream is many small ones. */
interface Plan {
  readonly name: string
  /** Of the mapped port. */
  readonly easy: Bursts
  /** Of the many ports; `fresh`: what was refused is followed by a SYN from another mapping. */
  readonly hard: Bursts
}

interface Bursts {
  readonly sizes: readonly number[]
  readonly everyMs: number
  readonly afterMs?: number
}

const steady = (count: number, perSecond: number, afterMs = 0): Bursts => ({ sizes: Array<number>(count / 5).fill(5), everyMs: 5_000 / perSecond, afterMs })

const plans: readonly Plan[] = [
  { name: '256 once; 1,024 at 500/s', hard: { sizes: [256], everyMs: 500 }, easy: steady(1_025, 500) },
  { name: '500/s each', hard: steady(1_025, 500), easy: steady(1_025, 500) },
  { name: '4 x 256 each', hard: { sizes: [256, 256, 256, 256], everyMs: 500 }, easy: { sizes: [256, 256, 256, 256], everyMs: 500 } },
  { name: '256 256 512 each', hard: { sizes: [256, 256, 512], everyMs: 500 }, easy: { sizes: [256, 256, 512], everyMs: 500 } },
  { name: '512 512 each, 1 s', hard: { sizes: [512, 512], everyMs: 1_000 }, easy: { sizes: [512, 512], everyMs: 1_000 } },
]

const times = ({ sizes, everyMs, afterMs = 0 }: Bursts): readonly number[] => {
  const perMs = Number(values['per-ms'])
  return sizes.flatMap((size, wave) => Array.from({ length: size }, (_, index) => afterMs + wave * everyMs + index / perMs))
}

/** Share of 1,000 by the times of `atMs`. `easyAnswers`: the NAT of the mapped port answers, which ends mappings of the many. */
function chances({ easy, hard }: Plan, easyAnswers: boolean, hardAnswers: boolean): readonly number[] {
  const [oneWay, skew] = [Number(values.rtt) / 2, Number(values.skew)]
  const hardTimes = times(hard)
  const meetings = atMs.map(() => 0)
  for (const s of times(easy)) {
    for (const u of hardTimes.map(time => time + skew)) {
      // the later of both arrives at an opening that lives: the easy side's is as old as it, less what the hard SYN takes
      const isMet = u >= s ? !hardAnswers || u - s < oneWay : !easyAnswers || s - u < oneWay
      if (isMet) for (const [index, limit] of atMs.entries()) if (Math.max(s, u) + 2 * oneWay <= limit) meetings[index]! += 1
    }
  }
  return meetings.map(count => Math.round(1_000 * (1 - Math.exp(-count / ports))))
}

if (values.help) process.stdout.write('npx tsx bench/matrix/birthday.ts [--rtt 40] [--skew 0] [--per-ms 12]\n')
else {
  process.stdout.write(`joined of 1,000 by ${atMs.join(', ')} ms; P ${values.rtt} ms, skew ${values.skew} ms, ${values['per-ms']} SYNs per ms in a burst\n`)
  for (const plan of plans) {
    process.stdout.write(`${plan.name}\n`)
    for (const [name, easyAnswers, hardAnswers] of [['both silent', false, false], ['the mapped port’s NAT answers', true, false], ['that of the many ports answers', false, true], ['both answer', true, true]] as const) {
      process.stdout.write(`  ${name.padEnd(32)} ${chances(plan, easyAnswers, hardAnswers).map(value => String(value).padStart(5)).join('')}\n`)
    }
  }
}
