import { createHash, createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { alternateServer } from '../../../../src/protocol/stun/addresses.js'
import { attribute, readAttribute, type EncodableAttribute } from '../../../../src/protocol/stun/attribute.js'
import { errorCode } from '../../../../src/protocol/stun/error-code.js'
import { signMessage, verifyIntegrity } from '../../../../src/protocol/stun/integrity.js'
import { closingTypes, decodeMessage, encodeMessage, newTransaction, type StunClass } from '../../../../src/protocol/stun/message.js'
import { nonce, realm } from '../../../../src/protocol/stun/texts.js'
import { encodeTurnRequest, judgeTurnReply, type AskedTurn } from '../../../../src/protocol/turn/exchange.js'
import { readRealm, signingKey, type TurnRealm } from '../../../../src/protocol/turn/long-term.js'
import { turnMethods } from '../../../../src/protocol/turn/methods.js'
import { lifetime } from '../../../../src/protocol/turn/numbers.js'
import { passwordAlgorithm, passwordAlgorithms } from '../../../../src/protocol/turn/password-algorithms.js'
import { vectors } from '../stun/vectors.js'

const credentials = { username: 'user', password: 'pass' }
const known: TurnRealm = { realm: 'realm', nonce: 'nonce' }
/** Cookie and the bit for password algorithms. */
const cookie = 'obMatJos2gAAAxyz'
const transaction = newTransaction(Buffer.from('0123456789ab'))

const reply = (name: StunClass, attributes: readonly EncodableAttribute[], method: number = turnMethods.refresh) => encodeMessage({ class: name, method, transaction }, attributes)
const judge = (bytes: Buffer, asked: AskedTurn) => judgeTurnReply(decodeMessage(bytes), asked)
const unsigned: AskedTurn = { method: turnMethods.refresh }
const signed: AskedTurn = { ...unsigned, signed: signingKey(credentials, known) }

describe('a long-term credential', () => {
  it('signs the request of RFC 5769 section 2.4', () => {
    const message = decodeMessage(vectors.longTermRequest)
    const { key } = signingKey({ username: '\u30de\u30c8\u30ea\u30c3\u30af\u30b9', password: 'TheMatrIX' }, { realm: readAttribute(message, realm) ?? '', nonce: '' })
    expect(verifyIntegrity(message, key)).toBe('valid')
  })

  it('is the MD5 of user, realm and password (RFC 8489 section 9.2.2)', () => {
    expect(signingKey(credentials, known)).toEqual({ kind: 'sha1', key: Buffer.from('8493fbc53ba582fb4c044c456bdc40eb', 'hex') })
  })

  it('is the SHA-256 where the server knows that, and signs with SHA-256', () => {
    expect(signingKey(credentials, { ...known, algorithms: [1, 2] })).toEqual({ kind: 'sha256', key: createHash('sha256').update('user:realm:pass').digest() })
    expect(signingKey(credentials, { ...known, algorithms: [1] })).toEqual({ kind: 'sha256', key: createHash('md5').update('user:realm:pass').digest() })
  })

  it('repeats what the server knows, and names what it chose', () => {
    const { bytes } = encodeTurnRequest(turnMethods.refresh, transaction, [], credentials, { realm: 'realm', nonce: cookie, algorithms: [1, 2] })
    const message = decodeMessage(bytes)
    expect(readAttribute(message, passwordAlgorithms)).toEqual([1, 2])
    expect(readAttribute(message, passwordAlgorithm)).toBe(2)
    const last = message.attributes.at(-1)
    expect(last?.type).toBe(closingTypes.integritySha256)
    const key = createHash('sha256').update('user:realm:pass').digest()
    expect(last?.value).toEqual(createHmac('sha256', key).update(bytes.subarray(0, last?.at)).digest())
  })

  it('is not used before the realm is known', () => {
    const { bytes, asked } = encodeTurnRequest(turnMethods.refresh, transaction, [attribute(lifetime, 0)], credentials, undefined)
    expect(decodeMessage(bytes).attributes.map(({ type }) => type)).toEqual([lifetime.type])
    expect(asked.signed).toBeUndefined()
  })
})

describe('realm and nonce', () => {
  const source = (attributes: readonly EncodableAttribute[]) => decodeMessage(reply('error', attributes))

  it('are read from a challenge', () => {
    expect(readRealm(source([attribute(realm, 'r'), attribute(nonce, 'n')]))).toEqual({ realm: 'r', nonce: 'n' })
    expect(readRealm(source([attribute(realm, 'r')]))).toBeUndefined()
  })

  it('come with password algorithms where the nonce says so, or somebody took them out', () => {
    const both = [attribute(realm, 'r'), attribute(nonce, cookie)]
    expect(readRealm(source([...both, attribute(passwordAlgorithms, [2, 1])]))).toEqual({ realm: 'r', nonce: cookie, algorithms: [2, 1] })
    expect(() => readRealm(source(both))).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED' }) as Error)
    expect(() => readRealm(source([...both, attribute(passwordAlgorithms, [7])]))).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED' }) as Error)
  })
})

describe('the reply to a request', () => {
  it('is a success when it is signed as the request was', () => {
    expect(judge(signMessage(reply('success', []), signed.signed!.key), signed)).toEqual({ outcome: 'success' })
    expect(judge(reply('success', []), unsigned)).toEqual({ outcome: 'success' })
  })

  it.each([
    ['not signed', reply('success', [])],
    ['signed with another password', signMessage(reply('success', []), Buffer.from('other'))],
    ['signed another way', signMessage(reply('success', []), signed.signed!.key, 'sha256')],
    ['an error signed with another password', signMessage(reply('error', [attribute(errorCode, { code: 486, reason: '' })]), Buffer.from('other'))],
  ])('is forged when it is %s', (_what, bytes) => {
    expect(judge(bytes, signed)).toEqual({ outcome: 'forged' })
  })

  it.each([401, 438])('is a challenge with error %s, when it says what for', code => {
    const error = attribute(errorCode, { code, reason: 'x' })
    expect(judge(reply('error', [error, attribute(realm, 'r'), attribute(nonce, 'n')]), unsigned)).toEqual({ outcome: 'challenge', error: { code, reason: 'x' }, realm: { realm: 'r', nonce: 'n' } })
    expect(judge(reply('error', [error]), signed)).toEqual({ outcome: 'refused', error: { code, reason: 'x' } })
  })

  it('names the server to ask instead', () => {
    const alternate = { host: '192.0.2.9', port: 3_478 }
    expect(judge(reply('error', [attribute(errorCode, { code: 300, reason: '' }), attribute(alternateServer, alternate)]), unsigned)).toMatchObject({ outcome: 'refused', alternate })
  })

  it.each([
    ['it is to another method', reply('success', [], turnMethods.connect)],
    ['it is a request', reply('request', [])],
    ['it has an attribute that must be understood', reply('success', [{ type: 0x7777, encode: () => Buffer.alloc(0) }])],
    ['it is an error without a code', reply('error', [])],
  ])('is bad when %s', (_what, bytes) => {
    expect(judge(bytes, unsigned)).toMatchObject({ outcome: 'bad' })
  })

  it('judges every truncated prefix without throwing', () => {
    const whole = signMessage(reply('error', [attribute(errorCode, { code: 438, reason: 'x' }), attribute(realm, 'r'), attribute(nonce, 'n')]), signed.signed!.key)
    for (let length = 20; length < whole.length; length += 4) {
      const cut = Buffer.from(whole.subarray(0, length))
      cut.writeUInt16BE(length - 20, 2)
      let message
      try {
        message = decodeMessage(cut)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_MALFORMED' })
        continue
      }
      expect(judgeTurnReply(message, signed).outcome).not.toBe('success')
    }
  })
})
