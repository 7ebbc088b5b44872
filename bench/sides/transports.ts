import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { importLibrary } from '../support/library.js'
import { clientContext, newSeed } from './credentials.js'
import type { Served } from './listener.process.js'

/** Ways to get a stream to the listener. */
export type Transport = 'net' | 'tls' | 'tls-aes128' | 'pipe'

/** Opens a stream to one of the listener's services; `firstBytes` are written as early as the transport can. */
export type Opener = (service: 'echo' | 'sink', firstBytes?: Uint8Array) => Promise<Duplex>

/** Where the listener is. */
export interface Target extends Served {
  readonly host: string
  readonly mqtt: string | undefined
}

/** One opener per transport; without an address there is no `pipe`. */
export async function createOpeners({ host, mqtt, ports, address }: Target): Promise<Record<Transport, Opener>> {
  return {
    net: async (service, firstBytes) => {
      const socket = connectTcp({ host, port: ports.net[service], noDelay: true, allowHalfOpen: true })
      await once(socket, 'connect')
      if (firstBytes !== undefined) socket.write(firstBytes)
      return socket
    },
    tls: await tlsOpener(host, ports.tls, 'default'),
    'tls-aes128': await tlsOpener(host, ports['tls-aes128'], 'aes128'),
    pipe: mqtt === undefined || address === undefined ? () => Promise.reject(new Error('there is no node')) : await pipeOpener(mqtt, address),
  }
}

async function tlsOpener(host: string, ports: { readonly echo: number; readonly sink: number }, cipher: 'default' | 'aes128'): Promise<Opener> {
  const secureContext = await clientContext(cipher)
  return async (service, firstBytes) => {
    const options = { host, port: ports[service], secureContext, rejectUnauthorized: false, minVersion: 'TLSv1.3', allowHalfOpen: true } as const
    const socket = connectTls(options)
    socket.setNoDelay(true)
    await once(socket, 'secureConnect')
    if (firstBytes !== undefined) socket.write(firstBytes)
    return socket
  }
}

async function pipeOpener(mqtt: string, address: string): Promise<Opener> {
  const { createNode } = await importLibrary()
  const node = await createNode({ identity: { seed: newSeed() }, mqtt: [mqtt], stun: [], ntp: [], name: 'bench' })
  await node.settled()
  return (service, firstBytes) => node.connect(address, { protocol: service === 'echo' ? '' : service, ...(firstBytes !== undefined && { firstBytes }) })
}
