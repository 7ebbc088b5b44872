import { describe, it } from 'vitest'

/** Something a test needs from the machine: undefined when it is there, else why not. */
export type Requirement = string | undefined

/**
 * `describe` for tests that need something of the machine. Where it is missing they are skipped, with the reason in
 * the title and on stderr; with THROUGHLINE_REQUIRE_LAB=1 (CI) they fail instead.
 */
export function describeIf(name: string, missing: Requirement, body: () => void): void {
  if (missing === undefined) return void describe(name, body)
  if (process.env['THROUGHLINE_REQUIRE_LAB'] === '1') {
    return void describe(name, () => {
      it('has what it needs on this machine', () => {
        throw new Error(`${missing} (with THROUGHLINE_REQUIRE_LAB=1 a skip is a failure)`)
      })
    })
  }
  process.stderr.write(`skipped: "${name}": ${missing}\n`)
  describe.skip(`${name} [skipped: ${missing}]`, body)
}
