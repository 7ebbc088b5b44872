import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, startLab, type Lab, type Site } from '../../support/lab/index.js'
import { chronyMissing, coturnMissing, startChrony, startCoturn } from '../../support/lab/services.js'
import { describeIf } from '../../support/requirements.js'

/** Asks an NTP server: its stratum, and how far its clock is from ours in ms. */
const ask = `
import socket, struct, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(5)
sent = time.time(); sock.sendto(b'\\x23' + bytes(47), (sys.argv[1], 123)); answer = sock.recv(100)
seconds, fraction = struct.unpack_from('!II', answer, 40)
print(answer[1], abs(seconds - 2208988800 + fraction / 2**32 - sent) * 1000 < 1000)
`

describeIf('servers on the internet of a lab', labMissing() ?? chronyMissing ?? coturnMissing, () => {
  let lab: Lab
  const site = (name: string): Site => lab.sites[name] as Site
  beforeAll(async () => {
    lab = await startLab({ sites: { home: { nat: 'symmetric' }, one: {}, two: {}, stun: { addresses: 2 } } })
  })
  afterAll(() => lab.close())

  it('tell the time, several at once', async () => {
    await Promise.all(['one', 'two'].map(name => startChrony(site(name))))
    for (const name of ['one', 'two']) expect(await site('home').run('python3', ['-ISc', ask, site(name).ipv4], { timeoutMs: 10_000 })).toMatchObject({ stdout: '2 True\n' })
  })

  it('relay, and answer STUN at two addresses and two ports', async () => {
    const { endpoints, close } = await startCoturn(site('stun'), { user: 'me:secret' })
    expect(endpoints).toEqual([site('stun').ipv4, site('stun').secondIpv4].flatMap(address => [3478, 3479].map(port => ({ address, port }))))
    const { code, stdout } = await site('home').run('turnutils_uclient', ['-u', 'me', '-w', 'secret', '-n', '3', '-m', '1', '-y', '-T', site('stun').ipv4], { timeoutMs: 20_000 })
    expect(stdout).toMatch(/tot_recv_bytes|total/i)
    expect(code).toBe(0)
    close()
  })
})
