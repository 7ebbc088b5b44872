import { createHash } from 'node:crypto'
import { encodeBase32 } from './base32.js'

/** The prefix of every topic this version uses. */
const prefix = 'tl/1/'
const topicBytes = 20

/** The MQTT topic a node serves on its home brokers: a hash of its public key (protocol section 4). */
export const nodeTopic = (publicKey: Uint8Array): string =>
  prefix + encodeBase32(createHash('sha256').update('throughline/1 topic').update(publicKey).digest().subarray(0, topicBytes))

/** The topic for answers to one process, made of 20 random bytes. */
export const inboxTopic = (random20: Uint8Array): string => prefix + encodeBase32(random20.subarray(0, topicBytes))

/** Tells whether a text has the form of a topic of this version. Anything else named by a peer is never published to. */
export const isTopic = (text: string): boolean => /^tl\/1\/[a-z2-7]{32}$/.test(text)
