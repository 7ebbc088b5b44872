import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Endpoint } from '../../src/protocol/endpoint.js'
import { xorMappedAddress } from '../../src/protocol/stun/addresses.js'
import { attribute } from '../../src/protocol/stun/attribute.js'
import { bindingMethod, decodeMessage, encodeMessage } from '../../src/protocol/stun/message.js'
import { StunStreamDecoder } from '../../src/protocol/stun/stream-decoder.js'

/** What a server says of who is seen at an endpoint; undefined: nothing, it stays silent. */
export type StunClaim = (seen: Endpoint, transport: 'tcp' | 'udp') => Endpoint | undefined

export interface ClaimingStun {
  readonly host: string
  /** Of UDP and TCP. */
  readonly port: number
  /** `HOST:PORT`. */
  readonly server: string
  /** Requests so far, answered or not. */
  readonly requests: Readonly<Record<'tcp' | 'udp', number>>
  /** Endpoints of the clients that are connected. */
  readonly connected: readonly Endpoint[]
  /** Ends every connection, and stays. */
  hangUp(): void
  close(): Promise<void>
}

/** A STUN server of one address that says of its clients whatever it is told to: to lie, to be silent, or to be a NAT where there is none. Whoever starts it closes it. */
export async function startClaimingStun(host: string, claim: StunClaim, wantedPort = 0): Promise<ClaimingStun> {
  const requests = { tcp: 0, udp: 0 }
  const sockets = new Set<Socket>()
  const answer = (request: Buffer, seen: Endpoint, transport: 'tcp' | 'udp'): Buffer | undefined => {
    requests[transport] += 1
    const mapped = claim(seen, transport)
    return mapped && encodeMessage({ class: 'success', method: bindingMethod, transaction: decodeMessage(request).transaction }, [attribute(xorMappedAddress, mapped)])
  }
  const listener = createServer(socket => {
    sockets.add(socket)
    const decoder = new StunStreamDecoder()
    const seen = endpointOf(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket)).on('data', (chunk: Buffer) =>
      decoder.push(chunk, request => {
        const reply = answer(request, seen, 'tcp')
        if (reply !== undefined) socket.write(reply)
      }))
  })
  listener.listen(wantedPort, host)
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const datagrams = createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(port, host)
  datagrams.on('message', (request, { address, port: from }) => {
    const reply = answer(request, { host: address, port: from }, 'udp')
    if (reply !== undefined) datagrams.send(reply, from, address)
  })
  await once(datagrams, 'listening')
  const hangUp = () => sockets.forEach(socket => socket.destroy())
  let closing: Promise<unknown> | undefined
  const close = () => {
    hangUp()
    return Promise.all([new Promise(resolve => listener.close(resolve)), new Promise<void>(resolve => void datagrams.close(resolve))])
  }
  return {
    host, port, server: `${host}:${port}`, requests,
    get connected() {
      return [...sockets].map(endpointOf)
    },
    hangUp,
    close: async () => void (await (closing ??= close())),
  }
}

const endpointOf = ({ remoteAddress, remotePort }: Socket): Endpoint => ({ host: remoteAddress ?? '', port: remotePort ?? 0 })
