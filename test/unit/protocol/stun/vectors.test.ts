import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { xorMappedAddress } from '../../../../src/protocol/stun/addresses.js'
import { attribute, readAttribute, unknownRequired } from '../../../../src/protocol/stun/attribute.js'
import { verifyFingerprint } from '../../../../src/protocol/stun/fingerprint.js'
import { shortTermKey, signMessage, verifyIntegrity } from '../../../../src/protocol/stun/integrity.js'
import { decodeMessage, encodeMessage, isClassic } from '../../../../src/protocol/stun/message.js'
import { nonce, realm, software, username } from '../../../../src/protocol/stun/texts.js'
import { shortTermPassword, vectors } from './vectors.js'

const key = shortTermKey(shortTermPassword)
/** RFC 8489 section 9.2.2: of username, realm and the password after SASLprep. */
const longTermKey = createHash('md5').update('マトリックス:example.org:TheMatrIX').digest()
const signed = { request: vectors.request, ipv4Response: vectors.ipv4Response, ipv6Response: vectors.ipv6Response }

describe('the vectors of RFC 5769', () => {
  it('reads the request of 2.1', () => {
    const message = decodeMessage(vectors.request)
    expect(message).toMatchObject({ class: 'request', method: 1 })
    expect(message.transaction.toString('hex')).toBe('2112a442b7e7a701bc34d686fa87dfae')
    expect(isClassic(message)).toBe(false)
    expect(readAttribute(message, software)).toBe('STUN test client')
    expect(readAttribute(message, username)).toBe('evtj:h6vY')
  })

  it('reports PRIORITY of 2.1 as what must be understood, and ICE-CONTROLLED not', () => {
    expect(unknownRequired(decodeMessage(vectors.request), new Set([0x0006, 0x0008]))).toEqual([0x0024])
  })

  it('reads the IPv4 response of 2.2', () => {
    const message = decodeMessage(vectors.ipv4Response)
    expect(message).toMatchObject({ class: 'success', method: 1 })
    expect(readAttribute(message, software)).toBe('test vector')
    expect(readAttribute(message, xorMappedAddress)).toEqual({ host: '192.0.2.1', port: 32_853 })
  })

  it('reads the IPv6 response of 2.3', () => {
    expect(readAttribute(decodeMessage(vectors.ipv6Response), xorMappedAddress)).toEqual({ host: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 })
  })

  it.each(Object.entries(signed))('verifies integrity and fingerprint of %s', (_name, bytes) => {
    const message = decodeMessage(bytes)
    expect([verifyIntegrity(message, key), verifyFingerprint(message)]).toEqual(['valid', 'valid'])
  })

  it.each(Object.entries(signed))('notices each changed byte of %s', (_name, bytes) => {
    const integrityEnd = bytes.length - 8
    for (let at = 0; at < integrityEnd; at++) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(outcomeOf(changed), `byte ${at}`).not.toEqual(['valid', 'valid'])
    }
  })

  it('verifies the long-term request of 2.4', () => {
    const message = decodeMessage(vectors.longTermRequest)
    expect(verifyIntegrity(message, longTermKey)).toBe('valid')
    expect(verifyIntegrity(message, key)).toBe('wrong')
    expect(verifyFingerprint(message)).toBe('absent')
  })

  it('writes the long-term request of 2.4 byte by byte', () => {
    const message = decodeMessage(vectors.longTermRequest)
    const attributes = [attribute(username, 'マトリックス'), attribute(nonce, 'f//499k954d6OL34oL9FSTvy64sA'), attribute(realm, 'example.org')]
    expect(signMessage(encodeMessage(message, attributes), longTermKey)).toEqual(vectors.longTermRequest)
  })
})

function outcomeOf(bytes: Buffer): readonly string[] {
  try {
    const message = decodeMessage(bytes)
    return [verifyIntegrity(message, key), verifyFingerprint(message)]
  } catch {
    return ['refused']
  }
}
