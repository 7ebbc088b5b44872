import { randomBytes } from 'node:crypto'
import { Transform, type Duplex } from 'node:stream'
import type { IClientOptions, MqttClient } from 'mqtt'
import { defaults } from '../config/defaults.js'
import type { ThroughlineError } from '../errors/index.js'
import type { BrokerUrl } from '../protocol/broker-url.js'
import { bounded } from './bounded.js'
import { MqttConnection } from './mqtt-connection.js'
import { brokerError, connackError, isVersionReason, messageOf, reasonOf, transportError } from './mqtt-errors.js'
import { MqttPacketLimit } from './mqtt-packet-limit.js'
import type { OpenTransport } from './mqtt-transport.js'

/** MQTT 3.1.1 calls itself 4. */
export type MqttVersion = 4 | 5

/** What one try needs. */
export interface HandshakeRequest {
  readonly url: BrokerUrl
  readonly version: MqttVersion
  readonly open: OpenTransport
  /** The class, loaded lazily by the caller. */
  readonly Client: typeof MqttClient
  readonly keepaliveSeconds: number
  /** For this try. */
  readonly timeoutMs: number
  /** For each later operation, and what the caller gave the whole connect. */
  readonly operationTimeoutMs: number
  readonly signal: AbortSignal
}

/** A link, or why not; `otherVersion` says that the broker may accept the other version. */
export type HandshakeOutcome =
  | { readonly ok: true; readonly link: MqttConnection }
  | { readonly ok: false; readonly error: ThroughlineError; readonly otherVersion: boolean }

/** Room for topic, packet id and properties of MQTT 5 in front of the payload. */
const maxPacketBytes = defaults.signalling.maxEnvelopeBytes + 1_024

/** Opens a stream and says CONNECT in one version. Rejects with ERR_BROKER_TIMEOUT or ERR_CANCELLED; nothing is left open then. */
export function shakeHands(request: HandshakeRequest): Promise<HandshakeOutcome> {
  const { url, version, open, Client, timeoutMs, operationTimeoutMs, signal } = request
  const onTimeout = () => brokerError('ERR_BROKER_TIMEOUT', url, `no answer in ${operationTimeoutMs} ms`)
  return bounded<HandshakeOutcome>({ signal, timeoutMs, what: 'connecting to the broker', onTimeout }, settle => {
    const { stream, onReady } = open()
    let readyAtMs: number | undefined
    let rttMs = 0
    let failure: unknown
    let accepted = false
    onReady(() => {
      readyAtMs = performance.now()
    })
    limitIncoming(stream)
    const client = new Client(() => stream, clientOptions(request))
    const onError = (error: unknown) => {
      failure ??= error
      stream.destroy()
    }
    const onClose = () => settle.resolve({ ok: false, ...refusal(url, failure, readyAtMs !== undefined) })
    const onPacket = () => {
      rttMs = performance.now() - (readyAtMs ?? performance.now())
    }
    stream.on('error', onError).on('close', onClose)
    client.on('error', onError)
    client.once('packetreceive', onPacket)
    client.once('connect', ({ properties }) => {
      accepted = true
      const receiveMaximum = properties?.receiveMaximum
      settle.resolve({ ok: true, link: new MqttConnection({ client, stream, url, version, rttMs, receiveMaximum, timeoutMs: operationTimeoutMs }) })
    })
    client.connect()
    return () => {
      stream.off('close', onClose)
      // `onError` stays: an error event without a listener would end the process
      if (!accepted) stream.destroy()
    }
  })
}

function clientOptions({ url, version, keepaliveSeconds, timeoutMs }: HandshakeRequest): IClientOptions {
  return {
    protocolVersion: version,
    // 3.1.1 promises 23 characters of letters and digits (section 3.1.3.1)
    clientId: `tl${randomBytes(10).toString('hex')}`,
    clean: true,
    keepalive: keepaliveSeconds,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    manualConnect: true,
    connectTimeout: timeoutMs,
    timerVariant: 'native',
    // a cache of 65,536 buffers for numbers
    writeCache: false,
    // with DEBUG set mqtt.js would print the CONNECT packet, password included
    log: () => {},
    ...(version === 5 && { properties: { maximumPacketSize: maxPacketBytes + fixedHeaderBytes } }),
    ...(url.username !== undefined && { username: url.username }),
    // as bytes: mqtt-packet prints strings when DEBUG is set
    ...(url.password !== undefined && { password: Buffer.from(url.password) }),
  }
}

const fixedHeaderBytes = 5

/** Judges a stream that closed before the broker accepted. */
function refusal(url: BrokerUrl, failure: unknown, wasReady: boolean): { error: ThroughlineError; otherVersion: boolean } {
  const reason = reasonOf(failure)
  if (reason !== undefined) return { error: connackError(url, reason, failure), otherVersion: isVersionReason(reason) }
  if (!wasReady) return { error: transportError(url, failure ?? 'closed before it was open'), otherVersion: false }
  // RabbitMQ answers an unknown version by a bare close; others by a CONNACK their own version words differently
  const text = failure === undefined ? 'closed the connection without an answer' : `no MQTT answer: ${messageOf(failure)}`
  return { error: brokerError('ERR_BROKER_REFUSED', url, text, failure), otherVersion: true }
}

/** Puts the packet limit between the stream and the parser that mqtt.js pipes it into. */
function limitIncoming(stream: Duplex): void {
  const limit = new MqttPacketLimit({ maxBodyBytes: maxPacketBytes, cutsPublish: true })
  const cut = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        done(null, limit.push(chunk))
      } catch (error) {
        done(error as Error)
      }
    },
  })
  cut.on('error', error => stream.destroy(error))
  const pipe = stream.pipe.bind(stream)
  stream.pipe = parser => pipe(cut).pipe(parser)
}
