import { describe, expect, it } from 'vitest'
import { parseTimeServer, resolveTimeServer } from '../../../src/net/sntp-host.js'

const limits = { timeoutMs: 5_000, signal: new AbortController().signal }

describe('the name of a time server', () => {
  it.each([
    ['time.example', 'time.example', 123],
    ['time.example:1123', 'time.example', 1_123],
    ['192.0.2.7', '192.0.2.7', 123],
    ['192.0.2.7:5', '192.0.2.7', 5],
    ['2001:db8::1', '2001:db8::1', 123],
    ['[2001:db8::1]', '2001:db8::1', 123],
    ['[fe80::1%eth0]:65535', 'fe80::1%eth0', 65_535],
  ])('%s is %s and port %i', (text, host, port) => {
    expect(parseTimeServer(text)).toEqual({ host, port })
  })

  it.each(['', ':123', 'host:0', 'host:65536', 'host:ntp', 'a:b:c', '[time.example]:1', '[::1', '::1]:3', 'x'.repeat(254)])('"%s" is refused', text => {
    expect(() => parseTimeServer(text)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_URL' }))
  })
})

describe('the addresses of a time server', () => {
  it('are its own where it is an IP literal', async () => {
    expect(await resolveTimeServer({ host: '2001:db8::1', port: 5 }, limits)).toEqual([{ host: '2001:db8::1', port: 5 }])
  })

  it('are looked up, one of each family at most', async () => {
    const found = await resolveTimeServer({ host: 'localhost', port: 5 }, limits)
    expect([1, 2]).toContain(found.length)
    for (const { host } of found) expect(['127.0.0.1', '::1']).toContain(host)
  })

  it('are not there for a name nobody has', async () => {
    await expect(resolveTimeServer({ host: 'nobody.invalid', port: 5 }, limits)).rejects.toMatchObject({ code: 'ERR_TIME_SERVER_UNREACHABLE' })
  })

  it('are not awaited once the signal fires', async () => {
    await expect(resolveTimeServer({ host: 'nobody.invalid', port: 5 }, { ...limits, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })
})
