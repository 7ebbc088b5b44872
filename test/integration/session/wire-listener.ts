import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { Channel } from '../../../src/net/channel.js'
import { machineSecret } from '../../../src/net/machine-secret.js'
import { Securer } from '../../../src/net/secure.js'
import { encodeAddress } from '../../../src/protocol/address.js'
import type { Identity } from '../../../src/protocol/identity.js'
import { machineTag } from '../../../src/protocol/machine-tag.js'
import { newIdentity, WirePeer } from './channels.js'

/** A hand-driven responder that listens on as many ports as there are handlers; each handler gets the channels of its port after HELLO. `together`: TLS begins when all ports were dialled. */
export async function wireListener(handlers: readonly ((peer: WirePeer) => void | Promise<void>)[], { key = newIdentity(), identity = key, together = false }: { key?: Identity; identity?: Identity; together?: boolean } = {}) {
  const securer = new Securer(key)
  let connected = 0
  let open: () => void = () => {}
  const all = new Promise<void>(resolve => (open = resolve))
  const ports = await Promise.all(handlers.map(async handle => {
    const server = createServer({ allowHalfOpen: true }, socket => {
      const serve = async () => {
        if (++connected === handlers.length) open()
        if (together) await all
        const peer = new WirePeer(new Channel(await securer.server(socket, { timeoutMs: 5_000, signal: new AbortController().signal })), '')
        const { session, attempt } = await peer.frame('hello')
        peer.channel.send({ type: 'hello', version: 1, role: 'responder', session, attempt })
        await handle(peer)
      }
      serve().catch(() => socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port
  }))
  const address = encodeAddress({
    sequence: Date.now(), brokers: [], doorKey: identity.doorKey, machineTag: machineTag(machineSecret(), identity.publicKey),
    interfaces: ports.map(port => ({ family: 4 as const, local: { host: '127.0.0.1', port } })),
  }, identity)
  return { address, identity }
}
