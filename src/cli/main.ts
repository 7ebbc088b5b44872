#!/usr/bin/env node
import { exitOf, sentenceOf } from './failure.js'
import { run } from './run.js'

// The reader of an output may leave at any time: that is no news for anybody.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// A defect, or it would have come to `run`: still one sentence, and no stack trace.
process.on('uncaughtException', error => {
  process.stderr.write(`throughline: ${sentenceOf(error)}\n`)
  process.exit(exitOf(error))
})

const exitCode = await run(process.argv.slice(2), process)
// An open stdin would keep the process; what is written has to leave first.
await Promise.all([process.stdout, process.stderr].map(stream => new Promise<void>(resolve => void (stream.writable ? stream.write('', () => resolve()) : resolve()))))
process.exit(exitCode)
