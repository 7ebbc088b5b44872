import { createHash } from 'node:crypto'
import type { BrokerUrl } from './broker-url.js'

/**
 * Orders brokers by their rendezvous score for a topic, best first (protocol section 4): every node with the same list
 * finds the same order, and a broker added or removed moves only the topics it wins or held.
 */
export function rankBrokers(brokers: readonly BrokerUrl[], topic: string): BrokerUrl[] {
  const scored = brokers.map((broker) => ({ broker, score: scoreOf(broker.host, topic) }))
  scored.sort((a, b) => Buffer.compare(b.score, a.score) || compareTies(a.broker, b.broker))
  return scored.map(({ broker }) => broker)
}

const scoreOf = (host: string, topic: string): Buffer => createHash('sha256').update(`${host.toLowerCase()}|${topic}`).digest().subarray(0, 8)

// Schemes are ASCII: comparing code units is the alphabetical order the protocol asks for.
const compareTies = (a: BrokerUrl, b: BrokerUrl): number => a.port - b.port || (a.scheme < b.scheme ? -1 : a.scheme > b.scheme ? 1 : 0)
