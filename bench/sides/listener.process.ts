import { constants } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { importLibrary } from '../support/library.js'
import { serveRequests } from '../support/requests.js'
import { newSeed, tlsOptions } from './credentials.js'
import { processorMs, settledMemory } from './usage.js'

/** What the dialler has to know. */
export interface Served {
  /** Ports of the echoes and sinks, by transport. */
  readonly ports: Readonly<Record<'net' | 'tls' | 'tls-aes128', { readonly echo: number; readonly sink: number }>>
  /** Of the node; undefined where there is none. */
  readonly address: string | undefined
}

/** Sends back what comes. */
function echo(stream: Duplex): void {
  stream.on('error', () => {})
  stream.pipe(stream)
}

/** Swallows what comes; tells by one byte when it is the announced number of bytes (first 8 bytes). */
function sink(stream: Duplex): void {
  let left: number | undefined
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    left = (left ?? Number(chunk.readBigUInt64BE(0))) - chunk.length
    if (left <= 0) stream.end('.')
  })
}

async function listening(server: Server): Promise<number> {
  server.on('error', error => { throw error })
  server.listen({ port: 0, backlog: 511 })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function servePorts(create: (serve: (stream: Duplex) => void) => Server): Promise<{ echo: number; sink: number }> {
  return { echo: await listening(create(echo)), sink: await listening(create(sink)) }
}

async function serveTls(cipher: 'default' | 'aes128') {
  const options = {
    ...(await tlsOptions(cipher)), requestCert: true, rejectUnauthorized: false, noDelay: true, allowHalfOpen: true, secureOptions: constants.SSL_OP_NO_TICKET,
  }
  return servePorts(serve => createTlsServer(options, serve).on('tlsClientError', () => {}))
}

async function serveNode(mqtt: string): Promise<string> {
  const { createNode } = await importLibrary()
  const node = await createNode({ identity: { seed: newSeed() }, mqtt: [mqtt], stun: [], ntp: [], name: 'bench' })
  node.pipes$.subscribe(echo)
  node.handle('sink', sink)
  await node.settled()
  return node.address
}

const methods = {
  start: async ({ mqtt }: { readonly mqtt: string | undefined }): Promise<Served> => ({
    ports: {
      net: await servePorts(serve => createTcpServer({ noDelay: true, allowHalfOpen: true }, serve)),
      tls: await serveTls('default'),
      'tls-aes128': await serveTls('aes128'),
    },
    address: mqtt === undefined ? undefined : await serveNode(mqtt),
  }),
  memory: settledMemory,
  processor: processorMs,
}
export type ListenerMethods = typeof methods

serveRequests(methods)
