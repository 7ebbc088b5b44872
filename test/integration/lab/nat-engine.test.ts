import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { requireTools } from '../../support/lab/availability.js'
import { labMissing } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'

const tests = fileURLToPath(new URL('./nat_engine_test.py', import.meta.url))

describeIf('the user-space NAT, without a network,', labMissing(), () => {
  it('allocates, remembers, forgets and translates as its own tests want', () => {
    const { status, stderr } = spawnSync(requireTools().python, ['-ISB', tests], { encoding: 'utf8', timeout: 25_000 })
    expect(stderr).toMatch(/\nOK\n$/)
    expect(status).toBe(0)
  })
})
