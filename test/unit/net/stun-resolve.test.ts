import { describe, expect, it } from 'vitest'
import { resolveStunServer } from '../../../src/net/stun-resolve.js'

const limits = { timeoutMs: 5_000, signal: new AbortController().signal }

describe('resolving a STUN server', () => {
  it('takes literals of both families as they are', async () => {
    expect(await resolveStunServer('192.0.2.1:3478', limits)).toEqual({ 4: [{ host: '192.0.2.1', port: 3_478 }], 6: [] })
    expect(await resolveStunServer('[2001:db8::1]:3478', limits)).toEqual({ 4: [], 6: [{ host: '2001:db8::1', port: 3_478 }] })
  })

  it('looks names up', async () => {
    expect((await resolveStunServer('localhost:3478', limits))[4]).toEqual([{ host: '127.0.0.1', port: 3_478 }])
  })

  it.each(['', 'host', 'host:', 'host:0', 'host:65536', ':1', '2001:db8::1', '[host]:1'])('refuses %j', async text => {
    await expect(resolveStunServer(text, limits)).rejects.toMatchObject({ code: 'ERR_SERVER_URL' })
  })

  it('says when there is no such name', async () => {
    await expect(resolveStunServer('no-such-host.invalid:1', limits)).rejects.toMatchObject({ code: 'ERR_DIAL_UNREACHABLE' })
  })

  it('does not begin when its signal has fired', async () => {
    await expect(resolveStunServer('localhost:1', { ...limits, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })
})
