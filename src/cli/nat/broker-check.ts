import { defaults } from '../../config/defaults.js'
import { toFailure, type Failure } from '../../errors/index.js'
import { connectBroker } from '../../net/mqtt-link.js'
import { formatBrokerUrl, parseBrokerUrl } from '../../protocol/broker-url.js'

/** What one named broker did. */
export interface BrokerAnswer {
  /** Without credentials. */
  readonly url: string
  readonly state: 'online' | 'offline'
  /** Of CONNECT and CONNACK. */
  readonly rttMs?: number
  /** Why it is offline. */
  readonly failure?: Failure
}

/**
 * Connects to every broker once and leaves: a node that only dials connects to none before it needs one. Like the STUN
 * check not while the network is measured. Takes at most `signalling.connectTimeoutMs`; never rejects.
 */
export const checkBrokers = (urls: readonly string[], signal: AbortSignal): Promise<readonly BrokerAnswer[]> =>
  Promise.all([...new Set(urls)].map(url => checkBroker(url, signal)))

async function checkBroker(text: string, signal: AbortSignal): Promise<BrokerAnswer> {
  const broker = parseBrokerUrl(text)
  const url = formatBrokerUrl(broker)
  try {
    const link = await connectBroker(broker, { signal, timeoutMs: defaults.signalling.connectTimeoutMs })
    const { rttMs } = link
    await link.close()
    return { url, state: 'online', rttMs }
  } catch (error) {
    return { url, state: 'offline', failure: toFailure(error) }
  }
}
