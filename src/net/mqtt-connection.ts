import type { Duplex } from 'node:stream'
import type { MqttClient, Packet } from 'mqtt'
import { Subject } from 'rxjs'
import { defaults } from '../config/defaults.js'
import { toFailure, type Failure, type ThroughlineError } from '../errors/index.js'
import type { BrokerUrl } from '../protocol/broker-url.js'
import { bounded, type Settle } from './bounded.js'
import type { BrokerLink, BrokerMessage } from './broker-link.js'
import { brokerError, messageOf, operationError } from './mqtt-errors.js'
import { Slots } from './slots.js'

/** What a successful handshake hands over. */
export interface MqttSession {
  readonly client: MqttClient
  readonly stream: Duplex
  readonly url: BrokerUrl
  readonly version: 4 | 5
  readonly rttMs: number
  /** How many unacknowledged messages the broker takes (MQTT 5 section 3.2.2.3.3). */
  readonly receiveMaximum: number | undefined
  readonly timeoutMs: number
}

/** Unacknowledged publishes at once: more only fill buffers, at 100 ms per round trip these make 640 a second. */
const maxInFlight = 64

/** A broker that has not closed its side by then is left. */
const closeGraceMs = 500

/** `BrokerLink` over a connected mqtt.js client, which never reconnects. */
export class MqttConnection implements BrokerLink {
  readonly url: BrokerUrl
  readonly version: 4 | 5
  readonly messages$ = new Subject<BrokerMessage>()
  readonly closed: Promise<Failure | undefined>

  readonly #client: MqttClient
  readonly #stream: Duplex
  readonly #timeoutMs: number
  readonly #slots: Slots
  /** Operations under way; bounded by the callers' time-outs. */
  readonly #pending = new Set<(error: ThroughlineError) => void>()
  /** Pings under way, by what their PONG resolves. */
  readonly #pings = new Set<() => void>()
  #rttMs: number
  #packetsHeard = 0
  #probing = false
  #state: 'open' | 'closing' | 'failed' = 'open'
  #failure: Failure | undefined

  constructor({ client, stream, url, version, rttMs, receiveMaximum, timeoutMs }: MqttSession) {
    const { scheme, host, port, path } = url
    this.url = { scheme, host, port, path }
    this.version = version
    this.#client = client
    this.#stream = stream
    this.#rttMs = rttMs
    this.#timeoutMs = timeoutMs
    this.#slots = new Slots(Math.min(receiveMaximum ?? maxInFlight, maxInFlight))
    this.closed = new Promise(resolve => {
      stream.once('close', () => {
        this.#fail(this.#lost('the broker closed the connection'))
        this.messages$.complete()
        resolve(this.#failure)
      })
    })
    stream.on('error', error => this.#fail(this.#lost(messageOf(error), error)))
    client.on('error', error => this.#onClientError(error))
    client.on('disconnect', ({ reasonCode }) => this.#fail(this.#lost(`the broker ended the connection (${reasonCode ?? 0})`)))
    client.on('packetreceive', packet => this.#onPacket(packet))
    client.on('message', (topic, payload) => {
      if (payload.length <= defaults.signalling.maxEnvelopeBytes) this.messages$.next({ topic, payload })
    })
  }

  get rttMs(): number {
    return this.#rttMs
  }

  async publish(topic: string, payload: Uint8Array, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    // mqtt.js would tear down the connection; a peer may have named the topic
    if (!isTopicName(topic)) throw brokerError('ERR_BROKER_REFUSED', this.url, 'not a topic one can publish to')
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    return this.#operate('publishing', signal, done =>
      this.#inSlot(() => {
        this.#client.publish(topic, bytes, { qos: 1 }, done)
        return this.#client.getLastMessageId()
      }),
    )
  }

  async subscribe(topic: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    return this.#operate('subscribing', signal, done => {
      this.#client.subscribe(topic, { qos: 1 }, error => done(error))
      return this.#forget(this.#client.getLastMessageId())
    })
  }

  async unsubscribe(topic: string): Promise<void> {
    if (this.#state !== 'open') return
    return this.#operate('unsubscribing', new AbortController().signal, done => {
      this.#client.unsubscribe(topic, error => done(error))
      return this.#forget(this.#client.getLastMessageId())
    })
  }

  async ping({ signal, timeoutMs = this.#timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs?: number }): Promise<number> {
    const heardBefore = this.#packetsHeard
    const onTimeout = () => {
      const error = this.#timedOut('a ping', timeoutMs)
      if (this.#packetsHeard === heardBefore) this.#fail(error)
      return error
    }
    return this.#track<number>({ signal, timeoutMs, what: 'a ping', onTimeout }, settle => {
      const sentAtMs = performance.now()
      const onPong = () => {
        this.#rttMs = performance.now() - sentAtMs
        settle.resolve(this.#rttMs)
      }
      this.#pings.add(onPong)
      this.#client.sendPing()
      return () => this.#pings.delete(onPong)
    })
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing'
      this.#rejectPending(this.#lost('this side closed the connection'))
      this.#client.end()
      const timer = setTimeout(() => this.#stream.destroy(), closeGraceMs)
      this.#stream.once('close', () => clearTimeout(timer))
    }
    await this.closed
  }

  /** Runs what the broker acknowledges; `start` returns what forgets it. */
  #operate(what: string, signal: AbortSignal, start: (done: (error?: unknown) => void) => () => void): Promise<void> {
    const onTimeout = () => {
      this.#probe()
      return this.#timedOut(what, this.#timeoutMs)
    }
    return this.#track<void>({ signal, timeoutMs: this.#timeoutMs, what, onTimeout }, settle => {
      const startedAtMs = performance.now()
      return start(error => {
        // mqtt.js says null or undefined
        if (error) return settle.reject(operationError(this.url, what, error))
        this.#rttMs = performance.now() - startedAtMs
        settle.resolve()
      })
    })
  }

  /** `bounded`, and rejected when the link goes. */
  async #track<T>(bounds: Parameters<typeof bounded>[0], start: (settle: Settle<T>) => () => void): Promise<T> {
    if (this.#state !== 'open') throw this.#lost('the connection is closed')
    return bounded<T>(bounds, settle => {
      this.#pending.add(settle.reject)
      const cleanUp = start(settle)
      return () => {
        this.#pending.delete(settle.reject)
        cleanUp()
      }
    })
  }

  /** Sends once the broker has room for it. */
  #inSlot(send: () => number): () => void {
    let forget: (() => void) | undefined
    const release = this.#slots.acquire(() => {
      forget = this.#forget(send())
    })
    return () => {
      forget?.()
      release()
    }
  }

  /** What drops an operation from mqtt.js's table; nothing when it was acknowledged. */
  #forget(messageId: number): () => void {
    return () => void this.#client.removeOutgoingMessage(messageId)
  }

  /** After a time-out: is anybody there? A ping that fails, with no packet heard meanwhile, ends the link. */
  #probe(): void {
    if (this.#probing || this.#state !== 'open') return
    this.#probing = true
    const over = () => {
      this.#probing = false
    }
    this.ping({ signal: new AbortController().signal }).then(over, over)
  }

  #onPacket(packet: Packet): void {
    this.#packetsHeard += 1
    if (packet.cmd === 'pingresp') for (const onPong of [...this.#pings]) onPong()
  }

  #onClientError(error: Error): void {
    const isSilence = error.message === 'Keepalive timeout'
    this.#fail(isSilence ? brokerError('ERR_BROKER_TIMEOUT', this.url, 'the broker stopped answering', error) : this.#lost(messageOf(error), error))
  }

  #fail(error: ThroughlineError): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#failure = toFailure(error)
    this.#rejectPending(error)
    this.#stream.destroy()
  }

  #rejectPending(error: ThroughlineError): void {
    for (const reject of [...this.#pending]) reject(error)
  }

  #lost(text: string, cause?: unknown): ThroughlineError {
    return brokerError('ERR_BROKER_LOST', this.url, text, cause)
  }

  #timedOut(what: string, timeoutMs: number): ThroughlineError {
    return brokerError('ERR_BROKER_TIMEOUT', this.url, `${what} was not answered in ${timeoutMs} ms`)
  }
}

/** MQTT 3.1.1 section 3.3.2.1: no wildcards, no NUL, 1 to 65,535 bytes. */
const isTopicName = (topic: string): boolean => topic !== '' && !/[+#\0]/.test(topic) && Buffer.byteLength(topic) <= 65_535
