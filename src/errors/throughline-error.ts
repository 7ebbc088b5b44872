import { codes, type ErrorCode } from './codes.js'

const brand = Symbol.for('throughline.error')

/** An error as plain data, fit for machine events, reports and JSON. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
}

/**
 * Every error Throughline throws or rejects with. `code` is from the closed list in docs/errors.md; `facts` are plain
 * values without secrets; `cause` keeps the platform's error.
 */
export class ThroughlineError extends Error {
  override readonly name: string = 'ThroughlineError'
  readonly code: ErrorCode
  readonly facts: Readonly<Record<string, unknown>>
  readonly [brand] = true

  constructor(code: ErrorCode, message: string, options: { facts?: Readonly<Record<string, unknown>>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.facts = options.facts ?? {}
  }

  /** What the reader can do about it. */
  get advice(): string {
    return codes[this.code].advice
  }

  /** True for errors of any copy of this library in the process. */
  static is(value: unknown): value is ThroughlineError {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/** Turns anything caught into plain data; what is not ours becomes `fallback`. */
export function toFailure(error: unknown, fallback: ErrorCode = 'ERR_INTERNAL'): Failure {
  if (ThroughlineError.is(error)) return { code: error.code, message: error.message }
  return { code: fallback, message: error instanceof Error ? error.message : String(error) }
}
