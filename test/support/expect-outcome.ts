import { expect } from 'vitest'
import type { Outcome } from './cli.js'

/** Checks the exit code, and shows what the command said when it is another. */
export function expectCode({ code, text }: Outcome | undefined = missing, expected: number): void {
  expect(code, text).toBe(expected)
}

/** Checks that `connect` sent `hello` to an echo and got it back. */
export function expectEchoed(outcome: Outcome | undefined): void {
  expectCode(outcome, 0)
  expect(outcome?.stdout.toString()).toBe('hello')
}

const missing: Outcome = { code: null, stdout: Buffer.of(), events: [], event: () => undefined, said: '', text: 'there is no outcome' }
