import { createHash, timingSafeEqual } from 'node:crypto'
import type { AedesOptions, Client } from 'aedes'

/** Everything the embedded broker refuses to grow beyond; it serves a LAN, a demo or a test. */
export const brokerLimits = {
  /** Half of the descriptors a process usually has (1,024). */
  maxConnections: 512,
  /** An envelope of 4 KiB, its topic, and room for CONNECT with user and password. */
  maxPacketBytes: 8 * 1_024,
  /** A message may carry several packets. */
  maxWebSocketMessageBytes: 64 * 1_024,
  /** A node holds its topic, its inbox, and inboxes of the peers it calls. */
  maxSubscriptionsPerConnection: 64,
  /** A client that has not said CONNECT by then is dropped. */
  connectTimeoutMs: 5_000,
  /** One that does not read what it subscribed to is dropped after this. */
  drainTimeoutMs: 10_000,
  /** Half-open QoS 2 messages; Throughline itself uses QoS 1 only. */
  maxHalfOpenMessages: 16,
} as const

/** Topics of this protocol (protocol 4), without wildcards: nobody can listen to topics he does not know. */
const allowedTopic = /^tl\/1\/[^+#\0]{1,128}$/

/** Rules for one broker; `unsubscribed` wants to hear of each `unsubscribe` event. */
export interface BrokerRules {
  readonly options: AedesOptions
  unsubscribed(topics: readonly string[], client: Client): void
}

/** Who may connect, and what he may publish and subscribe. Without `users` everybody may connect. */
export function brokerRules(users: Readonly<Record<string, string>> | undefined): BrokerRules {
  const digests = users && new Map(Object.entries(users).map(([name, password]) => [name, digest(password)]))
  /** By connection; bounded by `maxSubscriptionsPerConnection`, gone with the client. */
  const subscriptions = new WeakMap<Client, Set<string>>()
  return {
    options: {
      connectTimeout: brokerLimits.connectTimeoutMs,
      drainTimeout: brokerLimits.drainTimeoutMs,
      maxInflightInbound: brokerLimits.maxHalfOpenMessages,
      preConnect(_client, packet, done) {
        // a session that outlives its connection, or a will, would have to be kept for somebody who may never return
        packet.clean = true
        delete packet.will
        done(null, true)
      },
      authenticate(_client, username, password, done) {
        if (digests === undefined) return done(null, true)
        const expected = digests.get(username ?? '')
        const isRight = timingSafeEqual(expected ?? digest(''), digest(password ?? '')) && expected !== undefined
        if (isRight) return done(null, true)
        done(Object.assign(new Error('wrong user or password'), { returnCode: badUserOrPassword }), null)
      },
      authorizePublish(_client, packet, done) {
        packet.retain = false
        done(allowedTopic.test(packet.topic) ? null : new Error('topic not allowed'))
      },
      authorizeSubscribe(client, subscription, done) {
        const held = subscriptions.get(client) ?? new Set()
        const allowed = allowedTopic.test(subscription.topic) && (held.has(subscription.topic) || held.size < brokerLimits.maxSubscriptionsPerConnection)
        if (allowed) subscriptions.set(client, held.add(subscription.topic))
        // null: SUBACK with 128
        done(null, allowed ? subscription : null)
      },
    },
    unsubscribed(topics, client) {
      for (const topic of topics) subscriptions.get(client)?.delete(topic)
    },
  }
}

/** CONNACK return code of MQTT 3.1.1 section 3.2.2.3. */
const badUserOrPassword = 4

/** Of equal length whatever the password, for a comparison in constant time. */
const digest = (password: string | Uint8Array): Buffer => createHash('sha256').update(password).digest()
