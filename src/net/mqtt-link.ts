import { defaults } from '../config/defaults.js'
import type { ThroughlineError } from '../errors/index.js'
import { formatBrokerUrl, type BrokerUrl } from '../protocol/broker-url.js'
import type { BrokerLink } from './broker-link.js'
import { brokerError } from './mqtt-errors.js'
import { shakeHands, type MqttVersion } from './mqtt-handshake.js'
import { transportFor } from './mqtt-transport.js'

export type { BrokerLink } from './broker-link.js'

/** How `connectBroker` goes about it. */
export interface ConnectBrokerOptions {
  readonly signal: AbortSignal
  /** Bounds the whole connect, both versions included, and later each operation of the link. */
  readonly timeoutMs: number
  /** Default 30: mqtt.js pings after so much quiet and gives up after half as much again. */
  readonly keepaliveSeconds?: number
  /** Certificate authorities (PEM) in place of Node's. */
  readonly ca?: string
}

/** Brokers whose version is remembered; the oldest is forgotten. */
const maxRemembered = 64
const workingVersions = new Map<string, MqttVersion>()

/**
 * Connects to a broker with a clean session and a random client id: MQTT 5 first, 3.1.1 where the broker refuses 5 or
 * closes without an answer; the version that worked comes first next time. The caller owns the link. Rejects with
 * ERR_BROKER_UNREACHABLE, _TIMEOUT, _LOGIN, _REFUSED, _TLS or ERR_CANCELLED, and leaves nothing open then.
 */
export async function connectBroker(url: BrokerUrl, options: ConnectBrokerOptions): Promise<BrokerLink> {
  const { signal, timeoutMs, keepaliveSeconds = defaults.signalling.keepaliveSeconds, ca } = options
  const deadlineMs = performance.now() + timeoutMs
  // loaded on first use: half of what importing throughline would cost
  const [{ MqttClient: Client }, open] = await Promise.all([import('mqtt'), transportFor(url, ca === undefined ? {} : { ca })])
  let error: ThroughlineError | undefined
  for (const version of versionsFor(url)) {
    const request = { url, version, open, Client, keepaliveSeconds, timeoutMs: deadlineMs - performance.now(), operationTimeoutMs: timeoutMs, signal }
    const outcome = await shakeHands(request)
    if (outcome.ok) {
      remember(url, version)
      return outcome.link
    }
    error = outcome.error
    if (!outcome.otherVersion) break
  }
  throw error ?? brokerError('ERR_BROKER_REFUSED', url, 'no version of MQTT in common')
}

const versionsFor = (url: BrokerUrl): readonly MqttVersion[] => (workingVersions.get(formatBrokerUrl(url)) === 4 ? [4, 5] : [5, 4])

function remember(url: BrokerUrl, version: MqttVersion): void {
  const key = formatBrokerUrl(url)
  workingVersions.delete(key)
  workingVersions.set(key, version)
  const [oldest] = workingVersions.keys()
  if (workingVersions.size > maxRemembered && oldest !== undefined) workingVersions.delete(oldest)
}
