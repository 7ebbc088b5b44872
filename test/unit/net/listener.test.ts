import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ownAddresses } from '../../../src/net/interfaces.js'
import { listen, type Listener } from '../../../src/net/listener.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

const listeners: Listener[] = []
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close()
  await expectNoOpenSockets()
})

const start = async (hosts: readonly string[] | undefined, port = 0, onSocket: Parameters<typeof listen>[0]['onSocket'] = socket => socket.destroy()) => {
  const listener = await listen({ port, onSocket, ...(hosts !== undefined && { hosts }) })
  listeners.push(listener)
  return listener
}

async function reach(host: string, port: number): Promise<void> {
  const socket = connect({ host, port })
  await once(socket, 'connect')
  socket.destroy()
}

describe('a listener', () => {
  it('has the same port on every address', async () => {
    const { port } = await start(['127.0.0.1', '127.0.0.2'])
    await reach('127.0.0.1', port)
    await reach('127.0.0.2', port)
  })

  it('answers on IPv4 without being told addresses', async () => {
    const { port } = await start(undefined)
    await reach('127.0.0.1', port)
  })

  it('names the port that is taken', async () => {
    const { port } = await start(['127.0.0.1'])
    await expect(start(['127.0.0.1'], port)).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE', message: expect.stringContaining(String(port)) })
  })

  it('leaves nothing open when a later address fails', async () => {
    const { port } = await start(['127.0.0.2'])
    await expect(start(['127.0.0.1', '127.0.0.2'], port)).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
    await expect(start(['127.0.0.1'], port)).resolves.toMatchObject({ port })
  })

  it('calls an address that is not ours a missing interface', async () => {
    await expect(start(['203.0.113.77'])).rejects.toMatchObject({ code: 'ERR_NO_INTERFACE' })
  })

  it('hands every socket to its owner, half-close allowed', async () => {
    let allowHalfOpen: boolean | undefined
    const { port } = await start(['127.0.0.1'], 0, socket => {
      allowHalfOpen = socket.allowHalfOpen
      socket.end()
    })
    const socket = connect({ host: '127.0.0.1', port }).resume()
    await once(socket, 'close')
    expect(allowHalfOpen).toBe(true)
  })
})

describe('our addresses', () => {
  it('leave loopback out unless it is named', () => {
    expect(ownAddresses(undefined).filter(({ address }) => address.startsWith('127.') || address === '::1')).toEqual([])
    expect(ownAddresses(['lo']).map(({ address }) => address)).toContain('127.0.0.1')
  })

  it('refuse an interface that does not exist, by name', () => {
    expect(() => ownAddresses(['lo', 'nope0'])).toThrow(expect.objectContaining({ code: 'ERR_NO_INTERFACE', message: expect.stringContaining('nope0') }))
  })

  it('refuse an empty list', () => {
    expect(() => ownAddresses([])).toThrow(expect.objectContaining({ code: 'ERR_NO_INTERFACE' }))
  })
})
