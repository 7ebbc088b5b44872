import { describe, expect, it } from 'vitest'
import { formatTurnUrl, parseTurnUrl } from '../../../src/protocol/turn-url.js'

describe('a TURN URL', () => {
  it.each([
    ['turn:u:p@h', { host: 'h', port: 3478, transport: 'tcp', isTls: false, username: 'u', password: 'p' }],
    ['turns:u:p@H.example:443?transport=tcp', { host: 'h.example', port: 443, transport: 'tcp', isTls: true }],
    ['turns:u:p@h', { port: 5349 }],
    ['turn:u:p@192.0.2.1:3479?transport=udp', { host: '192.0.2.1', port: 3479, transport: 'udp' }],
    ['turn:u:p@[2001:DB8:0::1]', { host: '2001:db8::1', port: 3478 }],
    ['turn:a%3Ab:c%40d%25@h', { username: 'a:b', password: 'c@d%' }],
    ['turn:u:p@w:o/r+d==?@h', { username: 'u', password: 'p@w:o/r+d==?' }],
    ['turn:1790000000:alice:Zm9v+/YmFy=@h', { username: '1790000000:alice', password: 'Zm9v+/YmFy=' }],
    ['turn:1790000000%3Aalice:Zm9v%2B%2FYmFy%3D@h', { username: '1790000000:alice', password: 'Zm9v+/YmFy=' }],
    ['turn:1790000000:Zm9v@h', { username: '1790000000', password: 'Zm9v' }],
  ])('%s', (text, expected) => {
    expect(parseTurnUrl(text)).toMatchObject(expected)
  })

  it.each([
    ['turn:h:1', /USER:PASSWORD@HOST/],
    ['stun:user:hunter2@h', /USER:PASSWORD@HOST/],
    ['turn://user:hunter2@h', /USER:PASSWORD@HOST/],
    ['turn:user@h', /needs a user and a password/],
    ['turn:user:@h', /needs a user and a password/],
    ['turn::hunter2@h', /needs a user and a password/],
    ['turn:user:hunter2@', /needs a host name/],
    ['turn:user:hunter2@h:0', /not 1 to 65535/],
    ['turn:user:hunter2@h:99999', /not 1 to 65535/],
    ['turn:user:hunter2@::1', /IPv6 in brackets/],
    ['turn:user:hunter2@[::1%lo]', /IPv6 in brackets/],
    ['turn:user:hunter2@h?transport=dccp', /\?transport=tcp or \?transport=udp/],
    ['turns:user:hunter2@h?transport=udp', /DTLS/],
    ['turn:user:hunter2%@h', /write % as %25/],
  ])('%s is refused without a word of the password', (text, message) => {
    const refusal = caught(() => parseTurnUrl(text))
    expect(refusal).toMatchObject({ code: 'ERR_SERVER_URL', message: expect.stringMatching(message) as string })
    expect(String(refusal)).not.toContain('hunter2')
  })

  it('is shown without user and password', () => {
    expect(formatTurnUrl(parseTurnUrl('turn:user:hunter2@[::1]:5?transport=udp'))).toBe('turn:[::1]:5?transport=udp')
    expect(formatTurnUrl(parseTurnUrl('turns:user:hunter2@h'))).toBe('turns:h:5349?transport=tcp')
  })
})

function caught(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}
