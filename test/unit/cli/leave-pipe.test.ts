import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { leavePipe } from '../../../src/cli/leave-pipe.js'
import { pipePair } from './fake-node.js'

describe('leaving a pipe on a signal', () => {
  it('ends an idle pipe by FIN', async () => {
    const { near, far } = pipePair()
    const received = text(far)
    expect(await leavePipe(near)).toBeUndefined()
    expect(await received).toBe('')
    expect(near.abortedWith).toBeUndefined()
  })

  it('ends a pipe by FIN whose last bytes are acknowledged meanwhile', async () => {
    const { near, far } = pipePair()
    const received = text(far)
    near.write('all of it')
    expect(await leavePipe(near)).toBeUndefined()
    expect(await received).toBe('all of it')
  })

  it('aborts a pipe the peer does not read', async () => {
    const { near, far } = pipePair()
    near.write(Buffer.alloc(10_000))
    near.write('more')
    expect(await leavePipe(near)).toBe('ERR_INTERRUPTED')
    expect(far.errored).toMatchObject({ code: 'ERR_INTERRUPTED' })
  })

  it('aborts a pipe with bytes nobody has read here', async () => {
    const { near, far } = pipePair()
    far.write('unread')
    expect(await leavePipe(near)).toBe('ERR_INTERRUPTED')
    expect(far.errored).toMatchObject({ code: 'ERR_INTERRUPTED' })
  })

  it('aborts a pipe on which bytes keep coming', async () => {
    const { near, far } = pipePair()
    near.resume()
    const timer = setInterval(() => far.destroyed || far.write('tick'), 5)
    expect(await leavePipe(near)).toBe('ERR_INTERRUPTED')
    clearInterval(timer)
  })

  it('has nothing to do with a closed pipe', async () => {
    const { near } = pipePair()
    near.destroy()
    expect(await leavePipe(near)).toBeUndefined()
  })
})
