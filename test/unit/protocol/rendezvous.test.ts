import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { formatBrokerUrl, parseBrokerUrl } from '../../../src/protocol/broker-url.js'
import { rankBrokers } from '../../../src/protocol/rendezvous.js'
import { inboxTopic, isTopic, nodeTopic } from '../../../src/protocol/topic.js'
import { alice, bob } from './arbitraries.js'

const hosts = Array.from({ length: 20 }, (_, index) => `mqtt://broker${index}.example`)
const rank = (urls: readonly string[], topic: string) => rankBrokers(urls.map(parseBrokerUrl), topic).map(formatBrokerUrl)
const ranked = rank(hosts, nodeTopic(alice.publicKey))

describe('topics', () => {
  it('have the form that is accepted from a peer', () => {
    expect([nodeTopic(alice.publicKey), inboxTopic(new Uint8Array(20))].every(isTopic)).toBe(true)
    expect(inboxTopic(new Uint8Array(20))).toBe(`tl/1/${'a'.repeat(32)}`)
    expect(nodeTopic(alice.publicKey)).not.toBe(nodeTopic(bob.publicKey))
  })

  it.each(['tl/1/#', `tl/1/${'a'.repeat(31)}+`, `tl/1/${'a'.repeat(33)}`, `tl/2/${'a'.repeat(32)}`, `tl/1/${'a'.repeat(32)}\n`])('do not look like %j', (text) => {
    expect(isTopic(text)).toBe(false)
  })
})

describe('rendezvous', () => {
  it('finds the same order whatever the order of the list', () => {
    expect(rank([...hosts].reverse(), nodeTopic(alice.publicKey))).toEqual(ranked)
  })

  it('follows the score of section 4', () => {
    const topic = nodeTopic(alice.publicKey)
    const score = (host: string) => createHash('sha256').update(`${host}|${topic}`).digest().readBigUInt64BE(0)
    const scores = rankBrokers(hosts.map(parseBrokerUrl), topic).map(({ host }) => score(host))
    expect(scores).toEqual([...scores].sort((a, b) => (a < b ? 1 : -1)))
  })

  it('gives other topics other orders', () => {
    expect(rank(hosts, nodeTopic(bob.publicKey))).not.toEqual(ranked)
  })

  it('keeps the order of the rest when a broker is missing', () => {
    expect(rank(hosts.filter((_, index) => index !== 7), nodeTopic(alice.publicKey))).toEqual(ranked.filter((url) => !url.includes('broker7.')))
  })

  it('settles ties of one host by port, then by scheme', () => {
    const tied = ['wss://b:443', 'ws://b:80', 'mqtts://b:443', 'mqtt://B:1883']
    expect(rank(tied, 'tl/1/x')).toEqual(['ws://b:80', 'mqtts://b:443', 'wss://b:443', 'mqtt://b:1883'])
  })
})
