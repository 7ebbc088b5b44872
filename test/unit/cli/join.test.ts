import { PassThrough, Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { join } from '../../../src/cli/join.js'
import { ThroughlineError } from '../../../src/errors/index.js'
import { pipePair } from './fake-node.js'

describe('joining a pipe to streams', () => {
  it('passes the end of the source on and still takes what the peer answers', async () => {
    const { near, far } = pipePair()
    const [source, sink] = [new PassThrough(), new PassThrough()]
    const done = join(near, { source, sink })
    source.end('question')
    // Not text(far): iteration destroys a Duplex at its end.
    let question = ''
    far.on('data', chunk => (question += String(chunk)))
    await new Promise(resolve => far.once('end', resolve))
    expect(question).toBe('question')
    far.end('answer')
    expect(await text(sink)).toBe('answer')
    await done
    expect(near.abortedWith).toBeUndefined()
  })

  it('goes on sending after the peer has ended', async () => {
    const { near, far } = pipePair()
    const [source, sink] = [new PassThrough(), new PassThrough()]
    const done = join(near, { source, sink, endSink: false })
    far.end()
    await new Promise(resolve => near.once('end', resolve))
    source.end('late')
    expect(await text(far)).toBe('late')
    await done
    expect(sink.writableEnded).toBe(false)
  })

  it('carries more than any buffer holds, both ways at once', async () => {
    const { near, far } = pipePair()
    const [source, sink] = [new PassThrough(), new PassThrough()]
    const sent = Buffer.alloc(1024 ** 2, 'abcdefg')
    const done = join(near, { source, sink })
    far.pipe(far)
    source.end(sent)
    expect((await buffer(sink)).equals(sent)).toBe(true)
    await done
  })

  it('stops reading the source while the peer does not read', async () => {
    const { near } = pipePair()
    const source = new PassThrough({ highWaterMark: 1_024 })
    void join(near, { source, sink: new PassThrough() }).catch(() => {})
    let accepted = 0
    while (source.write(Buffer.alloc(512)) && accepted < 100) {
      accepted++
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(accepted).toBeLessThan(100)
    near.abort('ERR_INTERRUPTED')
  })

  it('stops reading the pipe while the sink does not take more', async () => {
    const { near, far } = pipePair()
    const sink = new Writable({ highWaterMark: 1_024, write: () => {} })
    void join(near, { source: new PassThrough(), sink }).catch(() => {})
    let accepted = 0
    while (far.write(Buffer.alloc(512)) && accepted < 100) {
      accepted++
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(accepted).toBeLessThan(100)
    near.abort('ERR_INTERRUPTED')
  })

  it('waits until the sink has taken everything', async () => {
    const { near, far } = pipePair()
    const source = new PassThrough()
    let release: (() => void) | undefined
    const sink = new Writable({ write: (_chunk, _encoding, callback) => void (release === undefined ? (release = callback) : callback()) })
    let isDone = false
    const done = join(near, { source, sink, endSink: false }).then(() => (isDone = true))
    far.end('x')
    source.end()
    far.resume()
    await new Promise(resolve => near.once('close', resolve))
    expect(isDone).toBe(false)
    release?.()
    await done
  })

  it('ends when the peer has left with everything, though the source is open', async () => {
    const { near, far } = pipePair()
    const source = new PassThrough()
    const done = join(near, { source, sink: new PassThrough().resume() })
    far.end()
    far.resume()
    await new Promise(resolve => near.once('end', resolve))
    // What a session does to its pipe then.
    near.end()
    await done
    expect(source.destroyed).toBe(false)
  })

  it('rejects with the error of the pipe', async () => {
    const { near, far } = pipePair()
    const done = join(near, { source: new PassThrough(), sink: new PassThrough() })
    far.abort('ERR_INTERRUPTED')
    await expect(done).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' })
  })

  it('rejects as lost when the pipe closes before its end', async () => {
    const { near } = pipePair()
    const done = join(near, { source: new PassThrough(), sink: new PassThrough() })
    near.destroy()
    await expect(done).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
  })

  it.each(['source', 'sink'] as const)('aborts the pipe when the %s fails, so that the peer sees no end', async side => {
    const { near, far } = pipePair()
    const ends = { source: new PassThrough(), sink: new PassThrough() }
    const done = join(near, { ...ends, abortCode: 'ERR_HANDLER_FAILED' })
    ends[side].destroy(new Error('broken'))
    await expect(done).rejects.toThrow('broken')
    expect(near.abortedWith).toBe('ERR_HANDLER_FAILED')
    expect(ThroughlineError.is(far.errored)).toBe(true)
  })

  it('aborts the pipe when the source closes without an end', async () => {
    const { near } = pipePair()
    const source = new PassThrough()
    const done = join(near, { source, sink: new PassThrough() })
    source.destroy()
    await expect(done).rejects.toThrow()
    expect(near.abortedWith).toBe('ERR_PIPE_ABORTED')
  })
})
