import { describe, expect, it } from 'vitest'
import { connect, startListener, thisMachine } from '../../support/cli.js'
import { expectEchoed } from '../../support/expect-outcome.js'

describe('a listener that served a dozen pipes', () => {
  it('has nothing to warn of', async () => {
    await using listener = await startListener(thisMachine)
    for (let round = 0; round < 4; round++) {
      const outcomes = await Promise.all([1, 2, 3].map(() => connect(thisMachine, listener.address)))
      for (const outcome of outcomes) expectEchoed(outcome)
    }
    expect(listener.process.said).toEqual([])
  })
})
