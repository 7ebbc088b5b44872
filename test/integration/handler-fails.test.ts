import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createNode } from '../../src/index.js'

describe('a handler that fails', () => {
  it.each([
    ['throws', () => { throw new Error('boom') }],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])('ends its pipe with a code on both sides when it %s', async (_how, fail) => {
    const node = await createNode({ identity: { seed: randomBytes(32) }, mqtt: [], stun: [], ntp: [] })
    onTestFinished(() => node.close())
    let tell: (error: unknown) => void
    const here = new Promise(resolve => (tell = resolve))
    node.handle('test/1', pipe => {
      pipe.on('error', error => tell(error))
      return once(pipe, 'data').then(fail)
    })
    const pipe = await node.connect(node.address, { protocol: 'test/1' })
    const there = once(pipe, 'error')
    const closed = once(pipe, 'close').catch(() => {})
    pipe.write('go')
    expect(await here).toMatchObject({ code: 'ERR_HANDLER_FAILED', cause: { message: 'boom' } })
    await expect(there).resolves.toMatchObject([{ code: 'ERR_HANDLER_FAILED' }])
    await closed
  })
})
