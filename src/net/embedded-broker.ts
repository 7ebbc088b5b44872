import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { ThroughlineError } from '../errors/index.js'
import { brokerLimits, brokerRules } from './embedded-broker-rules.js'
import { MqttPacketLimit } from './mqtt-packet-limit.js'
import { errnoOf } from './socket-errors.js'

/** Where and for whom the broker listens; all optional. */
export interface EmbeddedBrokerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 (default) = any free port. */
  readonly port?: number
  /** Listens for WebSockets too; 0 = any free port. */
  readonly wsPort?: number
  /** PEM; makes it mqtts and wss. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Password by user; without it everybody may connect. */
  readonly users?: Readonly<Record<string, string>>
  /** Closes the broker. */
  readonly signal?: AbortSignal
}

/** An MQTT 3.1.1 broker in this process. Whoever started it owns it and closes it. */
export interface EmbeddedBroker {
  /** `mqtt://host:port`, or `mqtts:` with `tls`. */
  readonly url: string
  readonly wsUrl?: string
  readonly port: number
  /** Open connections, those that have not said CONNECT included. */
  readonly connections: number
  /** Drops every connection; resolves when the ports are free. Idempotent, never rejects. */
  close(): Promise<void>
}

/** Starts a broker for topics `tl/1/#`, bounded by `brokerLimits`. Throws ERR_PORT_IN_USE, ERR_LISTEN or ERR_CANCELLED; nothing listens then. */
export async function startBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const { host = '127.0.0.1', port = 0, wsPort, tls, users, signal } = options
  throwIfAborted(signal)
  const { Aedes } = await import('aedes')
  const rules = brokerRules(users)
  const broker = await Aedes.createBroker(rules.options)
  broker.on('unsubscribe', rules.unsubscribed)
  // aedes has no error of ours to tell; an event without a listener would end the process
  broker.on('error' as 'closed', ignore)

  /** Bounded by `maxConnections`. */
  const streams = new Set<Duplex>()
  const serve = (stream: Duplex) => {
    if (streams.size >= brokerLimits.maxConnections) return void stream.on('error', ignore).destroy()
    streams.add(stream)
    stream.once('close', () => streams.delete(stream))
    broker.handle(stream)
    limitIncoming(stream)
  }

  const common = { noDelay: true, ...tls }
  const tcp = tls ? createTlsServer({ ...common, handshakeTimeout: brokerLimits.connectTimeoutMs }, serve) : createTcpServer(common, serve)
  const http = wsPort === undefined ? undefined : tls ? createHttpsServer(common) : createHttpServer(common)
  if (http !== undefined) await serveWebSockets(http, serve)

  const servers: readonly Server[] = http === undefined ? [tcp] : [tcp, http]
  /** Raw sockets of TLS handshakes and HTTP upgrades under way are in no other list. */
  const raw = new Set<Duplex>()
  for (const server of servers) {
    server.maxConnections = brokerLimits.maxConnections
    server.on('connection', (socket: Duplex) => {
      raw.add(socket)
      socket.once('close', () => raw.delete(socket))
    })
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    closing ??= Promise.all([
      ...servers.map(server => new Promise<void>(resolve => server.close(() => resolve()))),
      new Promise<void>(resolve => broker.close(resolve)),
    ]).then(() => {})
    for (const stream of [...streams, ...raw]) stream.destroy()
    return closing
  }
  const onAbort = () => void close()
  try {
    const bound = await listen(tcp, host, port)
    const wsBound = http === undefined ? undefined : await listen(http, host, wsPort ?? 0)
    throwIfAborted(signal)
    signal?.addEventListener('abort', onAbort)
    const name = host.includes(':') ? `[${host}]` : host
    return {
      url: `${tls ? 'mqtts' : 'mqtt'}://${name}:${bound}`,
      ...(wsBound !== undefined && { wsUrl: `${tls ? 'wss' : 'ws'}://${name}:${wsBound}` }),
      port: bound,
      get connections() {
        return streams.size
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Resolves to the port. */
async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const code = errnoOf(error) === 'EADDRINUSE' ? 'ERR_PORT_IN_USE' : 'ERR_LISTEN'
    throw new ThroughlineError(code, `the broker cannot listen on ${host} port ${port}: ${errnoOf(error) || String(error)}`, { cause: error, facts: { host, port } })
  }
  // what fails later (too many descriptors, say) costs one connection, not the process
  server.on('error', ignore)
  return (server.address() as AddressInfo).port
}

/** MQTT over WebSockets (3.1.1 section 6); anything else gets 426. */
async function serveWebSockets(http: HttpServer, serve: (stream: Duplex) => void): Promise<void> {
  const { WebSocketServer, createWebSocketStream } = await import('ws')
  http.headersTimeout = brokerLimits.connectTimeoutMs
  http.on('request', (_request, response) => response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end())
  const server = new WebSocketServer({
    server: http, perMessageDeflate: false, maxPayload: brokerLimits.maxWebSocketMessageBytes,
    handleProtocols: names => (names.has('mqtt') ? 'mqtt' : false),
  })
  // it repeats the errors of `http`
  server.on('error', ignore)
  server.on('connection', socket => {
    const stream = createWebSocketStream(socket)
    socket.on('error', () => socket.terminate())
    socket.on('close', () => stream.destroy())
    serve(stream)
  })
}

/** aedes parses what it reads without a limit; this sees each chunk first. */
function limitIncoming(stream: Duplex): void {
  const limit = new MqttPacketLimit({ maxBodyBytes: brokerLimits.maxPacketBytes, cutsPublish: false })
  stream.on('data', (chunk: Buffer) => {
    try {
      limit.push(chunk)
    } catch {
      stream.destroy()
    }
  })
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ThroughlineError('ERR_CANCELLED', 'starting the broker was cancelled', { cause: signal.reason })
}

const ignore = () => {}
