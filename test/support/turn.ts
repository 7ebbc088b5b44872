import { firstValueFrom } from 'rxjs'
import type { Socket } from '../../src/net/dial-socket.js'
import type { TcpAllocation, TurnLimits } from '../../src/net/turn/types.js'
import type { TurnUrl } from '../../src/protocol/turn-url.js'
import type { Coturn } from './coturn.js'

/** The user of the coturns in tests. */
export const alice = { username: 'alice', password: 'the-password-of-alice' } as const

/** How alice names a coturn. */
export const urlOf = ({ hosts, port, tlsPort }: Coturn, { isTls = false, ...more }: Partial<TurnUrl> = {}): TurnUrl =>
  ({ host: hosts[0] ?? '', port: isTls ? tlsPort : port, transport: 'tcp', isTls, ...alice, ...more })

/** Takes the next connection of a peer. */
export async function acceptNext({ arrivals$ }: TcpAllocation, limits: TurnLimits): Promise<Socket> {
  return (await firstValueFrom(arrivals$)).accept(limits)
}

/** Reads so many bytes, and leaves the rest in the socket. */
export async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= count) break
  }
  return Buffer.concat(chunks)
}
