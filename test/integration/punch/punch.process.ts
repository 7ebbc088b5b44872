import { createInterface } from 'node:readline'
import { Punches } from './punches.js'
import type { Volley } from '../../../src/nat/punch/volley.js'
import type { Role } from '../../../src/protocol/frames.js'

/** What a side is told. */
export interface PunchOrder {
  readonly role: Role
  readonly volley: Volley
}

/** What it says. */
export interface PunchReport {
  readonly steps: readonly string[]
  readonly syns: number
  readonly refused: number
  /** Of a failure. */
  readonly message?: string
  readonly tookMs: number
  readonly rttMs?: number
  readonly isTlsServer?: boolean
}

/** Says `ready`, makes the punch it is told in one line of JSON, and says in another what came of it. */
const line = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
process.stdout.write('ready\n')
const { role, volley } = JSON.parse((await line.next()).value as string) as PunchOrder
await using punches = new Punches()
const { channel, steps, outcome } = punches.start(role, volley)
const last = await outcome
const { syns, refused } = channel.counts
const report: PunchReport = {
  steps: steps.map(({ type }) => type), syns, refused, tookMs: last.atMs - channel.startedAtMs,
  ...(last.type === 'failed' && { message: last.failure.message }),
  ...(last.type === 'secured' && { rttMs: last.channel.rttMs, isTlsServer: last.channel.isTlsServer }),
}
process.stdout.write(`${JSON.stringify(report)}\n`)
// until the other side is through too
await line.next()
