import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { xorMappedAddress } from '../../src/protocol/stun/addresses.js'
import { attribute, readAttribute, type EncodableAttribute } from '../../src/protocol/stun/attribute.js'
import { errorCode } from '../../src/protocol/stun/error-code.js'
import { signMessage, verifyIntegrity } from '../../src/protocol/stun/integrity.js'
import { decodeMessage, encodeMessage, newTransaction, type StunMessage } from '../../src/protocol/stun/message.js'
import { StunStreamDecoder } from '../../src/protocol/stun/stream-decoder.js'
import { nonce, realm, username } from '../../src/protocol/stun/texts.js'
import { xorPeerAddress, xorRelayedAddress } from '../../src/protocol/turn/addresses.js'
import { signingKey, type TurnRealm } from '../../src/protocol/turn/long-term.js'
import { turnMethods } from '../../src/protocol/turn/methods.js'
import { connectionId, lifetime } from '../../src/protocol/turn/numbers.js'
import { passwordAlgorithms } from '../../src/protocol/turn/password-algorithms.js'
import type { TurnUrl } from '../../src/protocol/turn-url.js'
import { alice } from './turn.js'

/** One request, and how it is answered. */
export interface FakeRequest {
  readonly message: StunMessage
  readonly method: number
  readonly socket: Socket
  /** Counts the connections, from 1. */
  readonly connection: number
  /** Counts the pieces in which requests came over this connection, from 1. */
  readonly flight: number
  readonly isSigned: boolean
  success(attributes?: readonly EncodableAttribute[], key?: Buffer): Buffer
  error(code: number, attributes?: readonly EncodableAttribute[]): Buffer
}

/** A server of TCP allocations that relays nothing: it answers as a real one would, unless `answer` does. */
export interface FakeTurn {
  readonly server: TurnUrl
  readonly requests: FakeRequest[]
  readonly sockets: Set<Socket>
  /** Tells the client of connection 1 of a peer. */
  attempt(id: number, host?: string): void
  close(): Promise<void>
}

/** What is not answered by undefined is sent as it is; nothing for an empty buffer. */
export type FakeAnswer = (request: FakeRequest) => Buffer | undefined

export const fakeRealm: TurnRealm = { realm: 'fake', nonce: 'n1' }
export const fakeRelayed = { host: '127.0.0.1', port: 50_000 }

export async function startFakeTurn(answer: FakeAnswer = () => undefined, challenge: TurnRealm = fakeRealm): Promise<FakeTurn> {
  const requests: FakeRequest[] = []
  const sockets = new Set<Socket>()
  let first: Socket | undefined
  const server = createServer({ noDelay: true }, socket => {
    first ??= socket
    sockets.add(socket)
    const connection = sockets.size
    const decoder = new StunStreamDecoder()
    let flight = 0
    socket.on('error', () => {}).on('close', () => sockets.delete(socket)).on('data', (chunk: Buffer) => {
      flight += 1
      // what is behind a ConnectionBind is no STUN
      try {
        decoder.push(chunk, bytes => {
          const request = toRequest(decodeMessage(Buffer.from(bytes)), socket, connection, flight, challenge)
          requests.push(request)
          const reply = answer(request) ?? answerAsUsual(request, challenge)
          if (reply.length > 0) socket.write(reply)
        })
      } catch {}
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server: { host: '127.0.0.1', port: (server.address() as AddressInfo).port, transport: 'tcp', isTls: false, ...alice },
    requests,
    sockets,
    attempt: (id, host = '127.0.0.1') =>
      void first?.write(encodeMessage({ class: 'indication', method: turnMethods.connectionAttempt, transaction: newTransaction(Buffer.alloc(12, id)) }, [attribute(xorPeerAddress, { host, port: 7_000 + id }), attribute(connectionId, id)])),
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function toRequest(message: StunMessage, socket: Socket, connection: number, flight: number, challenge: TurnRealm): FakeRequest {
  const { key, kind } = signingKey(alice, challenge)
  const { method, transaction } = message
  return {
    message, method, socket, connection, flight,
    isSigned: readAttribute(message, username) === alice.username && readAttribute(message, nonce) === challenge.nonce && verifyIntegrity(message, key, kind) === 'valid',
    success: (attributes = [], other) => signMessage(encodeMessage({ class: 'success', method, transaction }, attributes), other ?? key, kind),
    error: (code, attributes = []) => encodeMessage({ class: 'error', method, transaction }, [attribute(errorCode, { code, reason: 'fake' }), ...attributes]),
  }
}

function answerAsUsual({ method, isSigned, success, error }: FakeRequest, challenge: TurnRealm): Buffer {
  if (!isSigned) {
    const known = [attribute(realm, challenge.realm), attribute(nonce, challenge.nonce)]
    return error(401, challenge.algorithms === undefined ? known : [...known, attribute(passwordAlgorithms, challenge.algorithms)])
  }
  if (method === turnMethods.allocate) return success([attribute(xorRelayedAddress, fakeRelayed), attribute(xorMappedAddress, { host: '127.0.0.1', port: 1 }), attribute(lifetime, 600)])
  if (method === turnMethods.connect) return success([attribute(connectionId, 7)])
  return success()
}
