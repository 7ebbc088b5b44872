import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { firstValueFrom, toArray } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { connectedPipes, endOf, startNode } from './nodes.js'

const text = async (readable: Readable): Promise<string> => Buffer.concat(await readable.toArray()).toString()

describe('a pipe', () => {
  it('half-closes: one direction goes on after the other has ended', async () => {
    const { pipe, served } = await connectedPipes()
    pipe.end('question')
    expect(await text(served)).toBe('question')
    served.write('an')
    await once(pipe, 'readable')
    served.end('swer')
    expect(await text(pipe)).toBe('answer')
  })

  it('can be read by `for await` and answered afterwards', async () => {
    const { pipe, served } = await connectedPipes()
    pipe.end('question')
    const heard: Buffer[] = []
    for await (const chunk of served) heard.push(chunk as Buffer)
    served.end(Buffer.concat(heard))
    expect(await text(pipe)).toBe('question')
  })

  it('is aborted when `for await` is left early', async () => {
    const { pipe, served } = await connectedPipes()
    pipe.write('question')
    const iterator = served[Symbol.asyncIterator]()
    await iterator.next()
    await iterator.return?.()
    expect(await endOf(pipe)).toBe('ERR_PIPE_ABORTED')
  })

  it('works in pipeline(), which resolves when all is through', async () => {
    const { pipe, served } = await connectedPipes()
    served.pipe(served)
    const heard: Buffer[] = []
    const sink = new Writable({ write: (chunk: Buffer, _, done) => void (heard.push(chunk), done()) })
    await pipeline(Readable.from([Buffer.alloc(300_000, 1), Buffer.from('end')]), pipe, sink)
    expect(Buffer.concat(heard)).toHaveLength(300_003)
  })

  it('calls back end() only when the peer has acknowledged every byte', async () => {
    const { pipe, served } = await connectedPipes()
    served.resume()
    await new Promise<void>(resolve => pipe.end(Buffer.alloc(500_000), resolve))
    expect(pipe.stats).toMatchObject({ bytesOut: 500_000, acknowledged: 500_000 })
    served.end()
  })

  it('resolves close() when the peer holds every byte, though the peer keeps its side open', async () => {
    const { pipe, served } = await connectedPipes()
    pipe.write('last words')
    await pipe.close()
    expect(pipe.stats.acknowledged).toBe(10)
    expect(pipe.errored).toBeNull()
    expect(await text(served)).toBe('last words')
    expect(await endOf(served)).toBe('clean')
  })

  it('resolves close() while bytes of the peer are unread', async () => {
    const { pipe, served } = await connectedPipes()
    served.end(Buffer.alloc(200_000))
    await once(pipe, 'readable')
    await pipe.close()
    expect(await endOf(served.resume())).toBe('clean')
  })

  it('closes at the end of `await using`', async () => {
    const { dialler, listener } = await connectedPipes()
    const serving = new Promise<Readable>(resolve => void listener.handle('used', resolve))
    {
      await using pipe = await dialler.connect(listener.address, { protocol: 'used' })
      pipe.write('scoped')
    }
    expect(await text(await serving)).toBe('scoped')
  })

  it('shows the peer the code of abort(), never a clean end', async () => {
    const { pipe, served } = await connectedPipes()
    let hasEnded = false
    served.on('end', () => (hasEnded = true)).resume()
    pipe.write('unfinished')
    pipe.abort('ERR_INTERRUPTED')
    expect(await endOf(served)).toBe('ERR_INTERRUPTED')
    expect(hasEnded).toBe(false)
  })

  it('shows the peer ERR_PIPE_ABORTED after destroy()', async () => {
    const { pipe, served } = await connectedPipes()
    pipe.destroy()
    expect(await endOf(served)).toBe('ERR_PIPE_ABORTED')
  })

  it('that nobody listens to does not end the process when it fails', async () => {
    const { pipe, served } = await connectedPipes()
    served.abort('ERR_HANDLER_FAILED')
    expect(await endOf(pipe)).toBe('ERR_HANDLER_FAILED')
  })

  it('calls back a write that was under way when it failed', async () => {
    const { pipe, served } = await connectedPipes()
    const written = new Promise(resolve => pipe.write(Buffer.alloc(4 * 1024 ** 2), resolve))
    await once(served, 'readable')
    served.abort('ERR_BUSY')
    expect(await written).toMatchObject({ code: 'ERR_BUSY' })
  })

  it('tells its state, its path and its counts', async () => {
    const { pipe, served } = await connectedPipes()
    expect(await firstValueFrom(pipe.state$)).toBe('connected')
    expect(await firstValueFrom(pipe.path$)).toMatchObject({ strategy: 'direct', scope: 'local' })
    const states = firstValueFrom(pipe.state$.pipe(toArray()))
    served.resume().end('12345')
    pipe.resume().end('123')
    await endOf(pipe)
    expect(await states).toEqual(['connected', 'closed'])
    expect(pipe.stats).toMatchObject({ bytesIn: 5, bytesOut: 3, acknowledged: 3 })
  })
})

describe('data$', () => {
  it('completes at a clean end', async () => {
    const { pipe, served } = await connectedPipes()
    const heard = firstValueFrom(pipe.data$.pipe(toArray()))
    served.end('all of it')
    expect(Buffer.concat(await heard).toString()).toBe('all of it')
  })

  it('fails with the error of the pipe', async () => {
    const { pipe, served } = await connectedPipes()
    const heard = firstValueFrom(pipe.data$.pipe(toArray()))
    served.abort('ERR_BUSY')
    await expect(heard).rejects.toMatchObject({ code: 'ERR_BUSY' })
  })

  it('loses nothing between two subscriptions', async () => {
    const { pipe, served } = await connectedPipes()
    served.write('one')
    const first = await firstValueFrom(pipe.data$)
    await new Promise<void>(resolve => served.end(Buffer.alloc(40_000), resolve))
    const rest = await firstValueFrom(pipe.data$.pipe(toArray()))
    expect(first.length + Buffer.concat(rest).length).toBe(40_003)
  })
})

describe('a handler that throws', () => {
  it('ends its pipe here and there with ERR_HANDLER_FAILED', async () => {
    const [dialler, listener] = await Promise.all([startNode(), startNode()])
    listener.handle('', () => {
      throw new Error('a defect of the handler')
    })
    expect(await endOf(await dialler.connect(listener.address))).toBe('ERR_HANDLER_FAILED')
  })
})
