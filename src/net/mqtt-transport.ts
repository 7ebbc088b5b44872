import { connect as connectTcp, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { defaults } from '../config/defaults.js'
import { formatBrokerUrl, type BrokerUrl } from '../protocol/broker-url.js'

/** A byte stream to a broker, returned while it still connects. Whoever opened it destroys it. */
export interface Transport {
  readonly stream: Duplex
  /** The event after which bytes flow, and what emits it. */
  onReady(callback: () => void): void
}

/** Opens a stream when it is called; separate from the imports, which are asynchronous. */
export type OpenTransport = () => Transport

/** What the scheme of a URL needs besides the URL. `ca` (PEM) replaces Node's authorities. */
export interface TransportOptions {
  readonly ca?: string
}

/**
 * A WebSocket message is buffered whole before it can be cut, so it has a limit of its own: well above what public
 * brokers let through (256 KiB), for a message above it ends the connection.
 */
const maxWebSocketMessageBytes = 256 * defaults.signalling.maxEnvelopeBytes

/** Loads what the scheme needs and returns what opens a stream to the broker, Nagle off. */
export async function transportFor(url: BrokerUrl, options: TransportOptions): Promise<OpenTransport> {
  if (url.scheme === 'ws' || url.scheme === 'wss') return webSocketTransport(url, options)
  return url.scheme === 'mqtts' ? () => tlsTransport(url, options) : () => tcpTransport(url)
}

function tcpTransport({ host, port }: BrokerUrl): Transport {
  const stream = connectTcp({ host, port, noDelay: true })
  return { stream, onReady: callback => stream.once('connect', callback) }
}

function tlsTransport({ host, port }: BrokerUrl, { ca }: TransportOptions): Transport {
  const stream = connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...(ca !== undefined && { ca }) })
  stream.setNoDelay(true)
  return { stream, onReady: callback => stream.once('secureConnect', callback) }
}

async function webSocketTransport(url: BrokerUrl, { ca }: TransportOptions): Promise<OpenTransport> {
  const { WebSocket, createWebSocketStream } = await import('ws')
  return () => {
    // ws switches Nagle off by itself; subprotocol: MQTT 3.1.1 section 6
    const socket = new WebSocket(formatBrokerUrl(url), ['mqtt'], {
      perMessageDeflate: false, maxPayload: maxWebSocketMessageBytes, ...(ca !== undefined && { ca }),
    })
    const stream = createWebSocketStream(socket)
    // after an error ws would wait 30 s for the other side's close frame; the stream listens for the first error only
    socket.on('error', () => socket.terminate())
    socket.on('close', () => stream.destroy())
    return { stream, onReady: callback => socket.once('open', callback) }
  }
}
