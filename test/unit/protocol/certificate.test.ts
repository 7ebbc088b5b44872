import { X509Certificate, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect as dial, createServer } from 'node:net'
import { type TLSSocket, connect, createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { createCertificate, peerIdOfCertificate } from '../../../src/protocol/certificate.js'
import { readDerElement } from '../../../src/protocol/der.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import { alice, bob } from './arbitraries.js'

const rawOf = (pem: string) => new X509Certificate(pem).raw

describe('certificate', () => {
  const cleanup: (() => void)[] = []
  afterEach(() => cleanup.splice(0).forEach((close) => close()))

  it('carries the key of the identity and its valid signature', () => {
    const certificate = new X509Certificate(createCertificate(alice).cert)
    expect(certificate.publicKey.export({ format: 'jwk' }).x).toBe(Buffer.from(alice.publicKey).toString('base64url'))
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.checkPrivateKey(alice.privateKey)).toBe(true)
    expect([certificate.subject, certificate.issuer, certificate.validTo]).toEqual(['CN=throughline', 'CN=throughline', 'Dec 31 23:59:59 9999 GMT'])
  })

  it('is the same each time', () => {
    expect(createCertificate(alice)).toEqual(createCertificate(alice))
  })

  it('is accepted on both sides of mutual TLS 1.3', async () => {
    const server = createTlsServer({ ...createCertificate(bob), minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['throughline/1'] })
    const listener = createServer((socket) => void server.emit('connection', socket)).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    cleanup.push(() => void listener.close())
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
    const socket = dial((listener.address() as AddressInfo).port, '127.0.0.1')
    const client = connect({ ...createCertificate(alice), socket, minVersion: 'TLSv1.3', rejectUnauthorized: false, ALPNProtocols: ['throughline/1'] })
    await once(client, 'secureConnect')
    const [peer] = await accepted
    cleanup.push(() => void client.destroy(), () => void peer.destroy())
    expect([client.getProtocol(), client.alpnProtocol]).toEqual(['TLSv1.3', 'throughline/1'])
    expect(peerIdOfCertificate(client.getPeerCertificate().raw)).toBe(bob.id)
    expect(peerIdOfCertificate(peer.getPeerCertificate().raw)).toBe(alice.id)
    peer.end('through')
    expect(String((await once(client, 'data'))[0])).toBe('through')
  })

  it('yields the ids of many keys', () => {
    for (let seed = 0; seed < 50; seed++) {
      const identity = identityFromSeed(new Uint8Array(32).fill(seed))
      expect(peerIdOfCertificate(rawOf(createCertificate(identity).cert))).toBe(identity.id)
    }
  })

  it('yields no id when cut off anywhere, or with bytes behind it', () => {
    const raw = rawOf(createCertificate(alice).cert)
    for (let length = 0; length < raw.length; length++) expect(peerIdOfCertificate(raw.subarray(0, length))).toBeUndefined()
    expect(peerIdOfCertificate(Buffer.concat([raw, Buffer.of(0)]))).toBeUndefined()
  })

  it('never makes the reader throw, whichever bit is flipped', () => {
    const raw = rawOf(createCertificate(alice).cert)
    for (let bit = 0; bit < raw.length * 8; bit++) {
      const copy = Buffer.from(raw)
      copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(() => peerIdOfCertificate(copy)).not.toThrow()
    }
  })

  it('yields no id for a key of small order or of another kind', () => {
    const raw = Buffer.from(rawOf(createCertificate(alice).cert))
    const at = raw.indexOf(alice.publicKey)
    const neutral = Buffer.from(raw)
    neutral.fill(0, at, at + 32).writeUInt8(1, at)
    expect(peerIdOfCertificate(neutral)).toBeUndefined()
    const x25519 = Buffer.from(raw)
    x25519.writeUInt8(0x6e, at - 4)
    expect(peerIdOfCertificate(x25519)).toBeUndefined()
    expect(peerIdOfCertificate(generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }))).toBeUndefined()
  })
})

describe('DER', () => {
  it.each([
    ['indefinite length', '3080'],
    ['a length longer than it need be', '30810100'],
    ['a three-byte length', '3083000001ff'],
    ['a tag of several bytes', '1f0100'],
    ['an end beyond the limit', '300200'],
    ['nothing', ''],
  ])('is not read with %s', (_, text) => {
    const bytes = Buffer.from(text, 'hex')
    expect(readDerElement(bytes, 0, bytes.length)).toBeUndefined()
  })
})
