import type { Writable } from 'node:stream'
import { failureOf, isBrokenOutput, sentenceOf } from './failure.js'

/** Where a command tells what happens. */
export interface Output {
  readonly isJson: boolean
  /** True where stdout carries the bytes of a pipe, and nothing else. */
  readonly stdoutIsPipe: boolean
  /** One JSON line; nothing without --json. */
  event(name: string, fields: Readonly<Record<string, unknown>>): void
  /** A line of progress for people, on stderr; nothing with --json. */
  say(line: string): void
  /** A line that is the command's result, on stdout; nothing with --json. */
  print(line: string): void
  /** A line people should see in any case; left out only where stderr carries JSON. */
  warn(line: string): void
  /** The error as a JSON event, unless it was one already, and as one sentence. */
  error(error: unknown, fields?: Readonly<Record<string, unknown>>): void
  /** An event that stands for this error: `error` will not repeat it as JSON. */
  failed(error: unknown, name: string, fields: Readonly<Record<string, unknown>>): void
}

/** What `createOutput` wants. Both streams belong to the caller. */
export interface OutputOptions {
  readonly command: string
  readonly json: boolean
  readonly jsonTo: 'stdout' | 'stderr'
  readonly stdout: Writable
  readonly stderr: Writable
  /** Milliseconds since the process started. */
  readonly now?: () => number
}

/** Makes the output of one command: NDJSON for programs, lines for people. */
export function createOutput({ command, json, jsonTo, stdout, stderr, now = () => performance.now() }: OutputOptions): Output {
  const jsonStream = jsonTo === 'stdout' ? stdout : stderr
  const told = new WeakSet<object>()
  const line = (stream: Writable, text: string) => void (stream.writable && stream.write(`${text}\n`))
  const output: Output = {
    isJson: json,
    stdoutIsPipe: jsonTo === 'stderr',
    event: (name, fields) => json && line(jsonStream, JSON.stringify({ event: name, atMs: Math.round(now()), ...fields })),
    say: text => !json && line(stderr, text),
    print: text => !json && line(stdout, text),
    warn: text => !(json && jsonTo === 'stderr') && line(stderr, `throughline ${command}: ${text}`),
    error(error, fields = {}) {
      if (isBrokenOutput(error)) return
      const isTold = typeof error === 'object' && error !== null && told.has(error)
      if (!isTold) output.event('error', { ...fields, ...failureOf(error) })
      output.warn(sentenceOf(error))
    },
    failed(error, name, fields) {
      output.event(name, fields)
      if (typeof error === 'object' && error !== null) told.add(error)
    },
  }
  return output
}

/** The stream of the JSON lines (docs/cli.md): stdout, unless it carries a pipe or always has its sibling do so. */
export function jsonStreamOf(command: string, isStdio: boolean): 'stdout' | 'stderr' {
  return command === 'connect' || command === 'forward' || (command === 'listen' && isStdio) ? 'stderr' : 'stdout'
}
