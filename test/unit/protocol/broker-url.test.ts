import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatBrokerUrl, isSameBroker, parseBrokerUrl } from '../../../src/protocol/broker-url.js'

const messageOf = (text: string): string => {
  try {
    parseBrokerUrl(text)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_BROKER_URL' })
    return (error as Error).message
  }
  throw new Error(`${text} was accepted`)
}

describe('broker URL', () => {
  it.each([
    ['mqtt://Broker.Example', 'mqtt://broker.example:1883'],
    ['mqtts://b', 'mqtts://b:8883'],
    ['ws://b/mqtt', 'ws://b:80/mqtt'],
    ['WSS://b/', 'wss://b:443'],
    ['mqtt://127.0.0.1:1', 'mqtt://127.0.0.1:1'],
    ['mqtt://[2001:DB8:0::1]:1884', 'mqtt://[2001:db8::1]:1884'],
    ['mqtt://user:secret@b:1884/', 'mqtt://b:1884'],
  ])('%s is written as %s', (text, canonical) => {
    const url = parseBrokerUrl(text)
    expect(formatBrokerUrl(url)).toBe(canonical)
    expect(isSameBroker(url, parseBrokerUrl(canonical))).toBe(true)
  })

  it('gives user and password without their percent-encoding', () => {
    expect(parseBrokerUrl('mqtt://us%40er:p%3Aa:s%2Fs@b')).toMatchObject({ username: 'us@er', password: 'p:a:s/s', host: 'b' })
    expect(parseBrokerUrl('mqtt://a@b@c')).toMatchObject({ username: 'a@b', host: 'c' })
    expect(parseBrokerUrl('mqtt://user@b')).not.toHaveProperty('password')
    expect(parseBrokerUrl('mqtt://b')).not.toHaveProperty('username')
  })

  it.each([
    '', 'mqtt', 'mqtt://', 'http://b', 'mqtt:b', '//b', 'mqtt://b:0', 'mqtt://b:65536', 'mqtt://b:x', 'mqtt://b:', 'mqtt://2001:db8::1', 'mqtt://[b]', 'mqtt://[fe80::1%25eth0]',
    'mqtt://b/path', 'ws://b/a?b', 'ws://b/a#b', 'ws://b/a b', 'ws://b?x', 'mqtt://bröker', 'mqtt://b\n', ' mqtt://b', 'constructor://b', `mqtt://${'a'.repeat(254)}`,
  ])('%j is refused', (text) => {
    expect(messageOf(text)).not.toBe('')
  })

  it.each([
    'mqtt://user:hunter2@', 'mqtt://user:hunter2@b:x', 'mqtt://user:hunter2@b:99999', 'mqtt://user:%hunter2@b', 'http://user:hunter2@b', 'user:hunter2@b', 'mqtt://user:hunter2',
    'mqtt://user:hun/hunter2@b', 'mqtt://user:1/hunter2@b', 'ws://user:1/hunter2@b', 'mqtt:/user:hunter2@b', 'hunter2://b', 'mqtt://user:hunter2@b/path', 'mqtt://user: hunter2@ b',
  ])('%s is refused without repeating the password', (text) => {
    expect(messageOf(text)).not.toContain('hunter2')
  })

  it('is refused by code, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }).map((rest) => `ws://${rest}`)), (text) => {
        try {
          const canonical = formatBrokerUrl(parseBrokerUrl(text))
          expect(formatBrokerUrl(parseBrokerUrl(canonical))).toBe(canonical)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_BROKER_URL' })
        }
      }),
    )
  })
})
