import { describe, expect, it } from 'vitest'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { connectedPipes, endOf, startNode } from './nodes.js'

describe('after close()', () => {
  it('no socket is left of pipes that were open, finished, aborted, refused or cancelled', async () => {
    const { dialler, listener, pipe, served } = await connectedPipes()
    listener.handle('busy', () => {}, { accept: () => 'ERR_BUSY' })
    listener.handle('echo', echoed => void echoed.pipe(echoed))
    const open = () => dialler.connect(listener.address, { protocol: 'echo' })
    const [finished, aborted] = await Promise.all([open(), open(), open()])
    finished.resume().end('bytes')
    await endOf(finished)
    aborted.abort('ERR_INTERRUPTED')
    await expect(dialler.connect(listener.address, { protocol: 'busy' })).rejects.toMatchObject({ code: 'ERR_BUSY' })
    await expect(dialler.connect(listener.address, { protocol: 'nobody' })).rejects.toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
    await expect(dialler.connect(listener.address, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await Promise.all([dialler.close(), listener.close()])
    expect([await endOf(pipe), await endOf(served)]).toEqual(['clean', 'clean'])
    await expectNoOpenSockets()
  })

  it('a peer that never ends its side holds nobody up', async () => {
    const { dialler, listener, pipe } = await connectedPipes()
    pipe.write('unread')
    await dialler.close()
    expect(pipe.destroyed).toBe(true)
    await listener.close()
    await expectNoOpenSockets()
  })

  it('dials and handlers are refused', async () => {
    const node = await startNode()
    await node.close()
    await expect(node.connect(node.address)).rejects.toMatchObject({ code: 'ERR_NODE_CLOSED' })
  })
})
