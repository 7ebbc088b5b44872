import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Securer } from '../../../src/net/secure.js'
import { decodeAddress } from '../../../src/protocol/address.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import { connect, startListener, thisMachine, type Listener } from '../../support/cli.js'
import { expectEchoed } from '../../support/expect-outcome.js'

/** 5 s to authenticate and say HELLO, and room for a loaded machine. */
const droppedWithinMs = 9_000

describe('a socket on the listening port', () => {
  let listener: Listener
  let port: number
  beforeAll(async () => {
    listener = await startListener(thisMachine)
    const { local } = decodeAddress(listener.address).interfaces[0] ?? {}
    port = local?.port ?? 0
  })
  afterAll(() => listener?.[Symbol.asyncDispose]())

  async function dial(): Promise<Socket> {
    const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  /** The other side has ended it, with or without a reset. */
  async function expectDropped(socket: Socket): Promise<void> {
    socket.on('error', () => {}).resume()
    await once(socket, 'close', { signal: AbortSignal.timeout(droppedWithinMs) })
  }

  it.concurrent('is dropped when it says nothing', async () => {
    await expectDropped(await dial())
  })

  it.concurrent('is dropped when it speaks something else', async () => {
    const socket = await dial()
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expectDropped(socket)
  })

  it.concurrent('is dropped when it begins with random bytes', async () => {
    const socket = await dial()
    socket.write(randomBytes(20_000))
    await expectDropped(socket)
  })

  it.concurrent('is dropped when it shows no certificate', async () => {
    const socket = connectTls({ socket: await dial(), ALPNProtocols: ['throughline/1'], rejectUnauthorized: false })
    await expectDropped(socket)
  })

  it.concurrent('is dropped when it authenticates and says no HELLO', async () => {
    const securer = new Securer(identityFromSeed(randomBytes(32)))
    const { socket } = await securer.client(await dial(), { expectedId: listener.id, timeoutMs: droppedWithinMs, signal: AbortSignal.timeout(droppedWithinMs) })
    await expectDropped(socket)
  })

  it.concurrent('does not disturb those who behave', async () => {
    const silent = await Promise.all(Array.from({ length: 50 }, dial))
    expectEchoed(await connect(thisMachine, listener.address))
    for (const socket of silent) socket.destroy()
    expect(listener.process.said).toEqual([])
  })
})
