import { codes, isErrorCode, ThroughlineError, toFailure, type ErrorCode, type Failure } from '../errors/index.js'

/** Exit code of a command that a signal ended. */
export const interruptedExit = 130

/** A wrong command line; exit code 2 unless the code says otherwise. */
export const usageError = (message: string, code: ErrorCode = 'ERR_USAGE'): ThroughlineError => new ThroughlineError(code, message)

/** What Node says about streams, in our words. */
const streamFailures: Readonly<Record<string, Failure>> = {
  ERR_STREAM_PREMATURE_CLOSE: { code: 'ERR_CONNECTION_LOST', message: 'the pipe closed before both sides had ended it' },
  ERR_STREAM_WRITE_AFTER_END: { code: 'ERR_PIPE_CLOSED', message: 'the pipe closed before everything was written' },
  EPIPE: { code: 'ERR_PIPE_ABORTED', message: 'the reader of the output has left' },
  ERR_STREAM_DESTROYED: { code: 'ERR_PIPE_ABORTED', message: 'the reader of the output has left' },
}

/** Code and message of anything caught; what nobody foresaw is a defect of ours. */
export function failureOf(error: unknown): Failure {
  const failure = toFailure(error)
  if (!isErrorCode(failure.code)) return { code: 'ERR_INTERNAL', message: failure.message }
  return streamFailures[ThroughlineError.is(error) ? '' : codeOf(error)] ?? failure
}

/** Exit code of the command for anything caught (docs/errors.md). */
export const exitOf = (error: unknown): number => codes[failureOf(error).code].exit

/** One line for people: what happened, what to do, and the code to look up. Never a stack trace. */
export function sentenceOf(error: unknown): string {
  const { code, message } = failureOf(error)
  const advice = ThroughlineError.is(error) && typeof error.advice === 'string' ? error.advice : codes[code].advice
  return `${trimmed(message)}; ${lowerFirst(trimmed(advice))} (${code})`
}

/** Whether an error only says that the reader of our output has left. */
export const isBrokenOutput = (error: unknown): boolean => codeOf(error) === 'EPIPE' || codeOf(error) === 'ERR_STREAM_DESTROYED'

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

const trimmed = (text: string): string => text.replace(/\s+/g, ' ').trim().replace(/[.;]+$/, '')

const lowerFirst = (text: string): string => (/^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text)
