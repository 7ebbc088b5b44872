import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect, createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls'
import { ThroughlineError } from '../errors/index.js'
import { createCertificate, peerIdOfCertificate } from '../protocol/certificate.js'
import type { Identity } from '../protocol/identity.js'
import { endSocket } from './end-socket.js'

/** ALPN name of the wire protocol (protocol 5). */
export const alpnProtocol = 'throughline/1'

/**
 * AES-128 first: Ed25519 and X25519 offer 128 bits too, and it is a quarter faster than AES-256 where the processor
 * has AES; the others are for peers that prefer them.
 */
const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384'

/** A socket after mutual TLS: who is there, and how long the handshake's round trip took. */
export interface SecuredSocket {
  readonly socket: TLSSocket
  readonly peerId: string
  readonly isServer: boolean
  readonly rttMs: number
}

/** How one socket is secured. `expectedId` undefined: any key will do (an inbound socket). */
export interface SecureRequest {
  readonly expectedId?: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Mutual TLS 1.3 over sockets of any origin, with the node's key (protocol 5). One per node; holds no socket by itself. */
export class Securer {
  readonly #context: SecureContext
  readonly #server: Server
  /** Handshakes under way, by raw socket; bounded by the sockets in securing. */
  readonly #waiting = new Map<string, (socket: TLSSocket) => void>()

  constructor(identity: Identity) {
    const options = {
      ...createCertificate(identity),
      minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers,
      secureOptions: constants.SSL_OP_NO_TICKET,
    } as const
    this.#context = createSecureContext(options)
    this.#server = createServer({ ...options, requestCert: true, rejectUnauthorized: false, ALPNProtocols: [alpnProtocol], allowHalfOpen: true })
    this.#server.on('secureConnection', socket => this.#waiting.get(keyOf(socket))?.(socket))
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  /**
   * Runs the handshake as TLS client. Takes over `socket`: when it rejects with ERR_CANCELLED it is ended by FIN, as the
   * loser it mostly is; otherwise (ERR_SECURE_*, ERR_PEER_KEY_MISMATCH) destroyed.
   */
  client(socket: Socket, request: SecureRequest): Promise<SecuredSocket> {
    // ClientHello leaves within `connect`
    const startedAtMs = performance.now()
    const secure = connect({
      socket, secureContext: this.#context, ALPNProtocols: [alpnProtocol], rejectUnauthorized: false,
      checkServerIdentity: () => undefined, minVersion: 'TLSv1.3',
    })
    return this.#handshake(socket, secure, false, startedAtMs, request, done => {
      // our last flight leaves with the first write, which is HELLO
      secure.once('secureConnect', () => done(secure))
    })
  }

  /** Runs the handshake as TLS server; otherwise as `client`. */
  server(socket: Socket, request: SecureRequest): Promise<SecuredSocket> {
    const key = keyOf(socket)
    const secured = this.#handshake(socket, socket, true, performance.now(), request, done => {
      this.#waiting.set(key, done)
      this.#server.emit('connection', socket)
    })
    return secured.finally(() => this.#waiting.delete(key))
  }

  #handshake(
    raw: Socket, failing: Socket, isServer: boolean, startedAtMs: number, { expectedId, timeoutMs, signal }: SecureRequest,
    start: (done: (socket: TLSSocket) => void) => void,
  ): Promise<SecuredSocket> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: SecuredSocket | ThroughlineError) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        failing.off('error', onError).off('close', onClose)
        raw.off('error', onError).off('close', onClose)
        if (!(outcome instanceof ThroughlineError)) return resolve(outcome)
        reject(outcome)
        raw.on('error', ignore)
        if (outcome.code === 'ERR_CANCELLED') return endSocket(failing)
        failing.on('error', ignore).destroy()
        raw.destroy()
      }
      const onError = (error: Error) => settle(new ThroughlineError('ERR_SECURE_FAILED', `the TLS handshake failed: ${error.message}`, { cause: error }))
      const onClose = () => settle(new ThroughlineError('ERR_SECURE_FAILED', 'the other end closed the connection during the TLS handshake'))
      const onAbort = () => settle(new ThroughlineError('ERR_CANCELLED', 'securing was cancelled'))
      const timer = setTimeout(() => settle(new ThroughlineError('ERR_SECURE_TIMEOUT', `no TLS handshake in ${timeoutMs} ms`)), timeoutMs)
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      failing.on('error', onError).on('close', onClose)
      if (raw !== failing) raw.on('error', onError)
      start(socket => settle(judge(socket, isServer, expectedId, performance.now() - startedAtMs)))
    })
  }
}

function judge(socket: TLSSocket, isServer: boolean, expectedId: string | undefined, rttMs: number): SecuredSocket | ThroughlineError {
  const raw = socket.getPeerX509Certificate()?.raw
  const peerId = raw === undefined ? undefined : peerIdOfCertificate(raw)
  if (peerId === undefined) return new ThroughlineError('ERR_SECURE_FAILED', 'the other end showed no Ed25519 certificate')
  if (socket.alpnProtocol !== alpnProtocol) return new ThroughlineError('ERR_VERSION', 'the other end does not speak throughline/1')
  if (expectedId !== undefined && peerId !== expectedId) {
    return new ThroughlineError('ERR_PEER_KEY_MISMATCH', `the endpoint holds the key of ${peerId}`, { facts: { peerId, expectedId } })
  }
  return { socket, peerId, isServer, rttMs }
}

const keyOf = (socket: Socket): string => `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}|${socket.localPort}`

const ignore = () => {}
