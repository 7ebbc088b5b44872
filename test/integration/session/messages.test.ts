import { firstValueFrom, toArray } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { connectedPipes } from './nodes.js'

const bytes = (text: string) => Buffer.from(text)

describe('messages()', () => {
  it('keeps the borders of messages, empty and large ones included', async () => {
    const { pipe, served } = await connectedPipes()
    const [out, into] = [pipe.messages(), served.messages()]
    const sent = ['a', '', 'b'.repeat(200_000), 'c'].map(bytes)
    const sending = (async () => {
      for (const message of sent) await out.send(message)
      pipe.end()
    })()
    const heard = await firstValueFrom(into.messages$.pipe(toArray()))
    await sending
    expect(heard).toEqual(sent)
  })

  it('skips what the filter does not want', async () => {
    const { pipe, served } = await connectedPipes()
    const out = pipe.messages()
    for (const text of ['no', 'yes', 'no']) await out.send(bytes(text))
    expect(await served.messages().receive({ filter: message => message.length === 3 })).toEqual(bytes('yes'))
  })

  it('refuses to send what is larger than the limit', async () => {
    const { pipe } = await connectedPipes()
    await expect(pipe.messages({ maxMessageBytes: 4 }).send(bytes('12345'))).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' })
  })

  it('refuses to receive what is larger than the limit', async () => {
    const { pipe, served } = await connectedPipes()
    await pipe.messages().send(bytes('12345'))
    await expect(served.messages({ maxMessageBytes: 4 }).receive()).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' })
  })

  it('tells a clean end by undefined and an end inside a message by an error', async () => {
    const { pipe, served } = await connectedPipes()
    pipe.end(bytes('\0\0\0\x09half'))
    served.end()
    expect(await pipe.messages().receive()).toBeUndefined()
    await expect(served.messages().receive()).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
  })

  it('loses nothing when a receive is aborted inside a message', async () => {
    const { pipe, served } = await connectedPipes()
    const into = served.messages()
    const stop = new AbortController()
    const receiving = into.receive({ signal: stop.signal })
    pipe.write(bytes('\0\0\0\x04ab'))
    await new Promise<void>(resolve => served.once('readable', () => resolve()))
    stop.abort()
    await expect(receiving).rejects.toMatchObject({ name: 'AbortError' })
    pipe.write('cd')
    expect(await into.receive()).toEqual(bytes('abcd'))
  })

  it('fails with the error of the pipe', async () => {
    const { pipe, served } = await connectedPipes()
    const receiving = served.messages().receive()
    pipe.abort('ERR_BUSY')
    await expect(receiving).rejects.toMatchObject({ code: 'ERR_BUSY' })
  })
})
