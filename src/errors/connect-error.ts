import type { ErrorCode } from './codes.js'
import { ThroughlineError } from './throughline-error.js'

/** Failing to reach a peer: carries the causal verdict and every candidate tried with its own error. */
export class ConnectError extends ThroughlineError {
  override readonly name = 'ConnectError'
  readonly verdict: { readonly code: string; readonly text: string; readonly advice: string }
  readonly candidates: readonly unknown[]

  constructor(code: ErrorCode, verdict: ConnectError['verdict'], candidates: readonly unknown[]) {
    super(code, verdict.text, { facts: { verdict, candidates } })
    this.verdict = verdict
    this.candidates = candidates
  }

  override get advice(): string {
    return this.verdict.advice
  }
}
