import { createHash } from 'node:crypto'
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { labAvailable, labMissing, startLab, type Host, type Lab, type Site, type SiteSpec } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'
import { echo, punch, startEcho } from './programs.js'

function siteOf(lab: Lab, name: string): Site {
  const site = lab.sites[name]
  if (site === undefined) throw new Error(`no site ${name}`)
  return site
}

it('tells whether the lab can run, and why not, in both forms alike', () => {
  const availability = labAvailable()
  expect(labMissing()).toBe(availability.ok ? undefined : availability.reason)
  if (!availability.ok) expect(availability.reason).not.toBe('')
})

describeIf('the network lab', labMissing(), () => {
  describe('without delay', () => {
    let lab: Lab
    let home: Site, moody: Site, other: Site, alice: Site, bob: Site, old: Site
    beforeAll(async () => {
      lab = await startLab({
        sites: { home: { nat: 'masquerade' }, moody: { nat: 'random' }, other: { nat: 'masquerade' }, alice: {}, bob: {}, old: { nat: 'masquerade', ipv6: false } },
      })
      ;[home, moody, other, alice, bob, old] = ['home', 'moody', 'other', 'alice', 'bob', 'old'].map(name => siteOf(lab, name)) as [Site, Site, Site, Site, Site, Site]
    })
    afterAll(() => lab.close())

    it.each(['ipv4', 'ipv6'] as const)('lets public hosts reach each other, by %s', async family => {
      for (const [from, to] of [[alice, bob], [bob, alice], [alice, lab.internet]] as const) {
        const server = await startEcho(to, to[family] ?? '')
        expect(await echo(from, to[family] ?? '', server.port)).toMatchObject({ intact: true })
        expect(server.heard.map(({ from: address }) => address)).toEqual([from[family]])
      }
    })

    it('shows a NATed host under the address of its router', async () => {
      const server = await startEcho(lab.internet, lab.internet.ipv4)
      for (const site of [home, moody, old]) {
        expect(await echo(site, lab.internet.ipv4, server.port)).toMatchObject({ intact: true })
        expect(server.heard.at(-1)?.from).toBe(site.externalIpv4)
        expect(site.externalIpv4).not.toBe(site.ipv4)
      }
    })

    it('keeps the port where the NAT masquerades, and draws one per connection where it is random', async () => {
      const servers = [await startEcho(alice, alice.ipv4), await startEcho(bob, bob.ipv4)] as const
      const portsOf = async (site: Site, localPort: number): Promise<(number | undefined)[]> => {
        await echo(site, alice.ipv4, servers[0].port, { localPort })
        await echo(site, bob.ipv4, servers[1].port, { localPort })
        return servers.map(({ heard }) => heard.at(-1)?.port)
      }
      expect(await portsOf(home, 40_001)).toEqual([40_001, 40_001])
      const drawn = await portsOf(moody, 40_001)
      expect(new Set([40_001, ...drawn]).size).toBe(3)
    })

    it('routes IPv6 untranslated', async () => {
      const server = await startEcho(bob, bob.ipv6 ?? '')
      expect(await echo(home, bob.ipv6 ?? '', server.port)).toMatchObject({ intact: true })
      expect(server.heard[0]?.from).toBe(home.ipv6)
    })

    it.each(['masquerade', 'random'] as const)('drops what comes unasked to a %s site, without an answer', async nat => {
      const site = nat === 'random' ? moody : home
      const server = await startEcho(site, '::')
      const options = { timeoutMs: 1_200 }
      const targets = [[site.externalIpv4, server.port], [site.externalIpv4, 9], [site.ipv6 ?? '', server.port]] as const
      const results = await Promise.all(targets.map(([address, port]) => echo(alice, address, port, options)))
      expect(results.map(({ error }) => error)).toEqual(['timeout', 'timeout', 'timeout'])
      expect(server.heard).toEqual([])
      // It is the router that is silent, not the host.
      expect(await echo(site, site.ipv4, server.port)).toMatchObject({ intact: true })
    })

    it('answers a closed port of a public host with a reset', async () => {
      expect(await echo(alice, bob.ipv4, 9)).toEqual({ error: 'ECONNREFUSED' })
    })

    it('leaves no way to the private address of another site', async () => {
      const server = await startEcho(home, home.ipv4)
      expect(await echo(other, home.ipv4, server.port, { timeoutMs: 1_000 })).toEqual({ error: 'timeout' })
    })

    it.each(['ipv4', 'ipv6'] as const)('lets two NATed hosts through that call each other at once, by %s', async family => {
      const outside = (site: Site): string => (family === 'ipv4' ? site.externalIpv4 : site.ipv6 ?? '')
      const results = await Promise.all([punch(home, outside(other), 41_000, 41_000), punch(other, outside(home), 41_000, 41_000)])
      expect(results).toEqual([{ got: 'hello' }, { got: 'hello' }])
    })

    it('shows each host its own interfaces from the first moment', async () => {
      const addresses = async (host: Host): Promise<string[]> => {
        const { stdout } = await host.run(process.execPath, ['-p', 'JSON.stringify(os.networkInterfaces())'], { timeoutMs: 5_000 })
        return Object.values(JSON.parse(stdout) as Record<string, NetworkInterfaceInfo[]>).flat().filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address)
      }
      await using fresh = await startLab({ sites: { site: { nat: 'masquerade' }, host: { uplinkDelayMs: 1 } } })
      for (const host of [fresh.internet, ...Object.values(fresh.sites), home, moody]) expect(await addresses(host)).toEqual([host.ipv4, host.ipv6])
      expect(await addresses(old)).toEqual([old.ipv4])
    })

    it('gives two labs at once the same addresses and no way between them', async () => {
      await using second = await startLab({ sites: { alice: {}, home: { nat: 'masquerade' } } })
      const server = await startEcho(lab.internet, lab.internet.ipv4)
      expect(second.internet.ipv4).toBe(lab.internet.ipv4)
      expect(await echo(siteOf(second, 'alice'), lab.internet.ipv4, server.port)).toEqual({ error: 'ECONNREFUSED' })
      expect(server.heard).toEqual([])
    })

    it('leaves the interfaces of this machine as they are', async () => {
      const before = Object.keys(networkInterfaces())
      await using another = await startLab({ sites: { alice: {} } })
      expect(another.anchorPid).toBeGreaterThan(0)
      expect(Object.keys(networkInterfaces())).toEqual(before)
    })
  })

  describe('with delay', () => {
    let lab: Lab
    let home: Site, far: Site, near: Site
    beforeAll(async () => {
      lab = await startLab({ sites: { home: { nat: 'masquerade', uplinkDelayMs: 15 }, far: { uplinkDelayMs: 25 }, near: {} } })
      ;[home, far, near] = ['home', 'far', 'near'].map(name => siteOf(lab, name)) as [Site, Site, Site]
    })
    afterAll(() => lab.close())

    it.each(['ipv4', 'ipv6'] as const)('takes twice the sum of both uplinks to connect, the first time too, by %s', async family => {
      for (const [from, to, roundTripMs] of [[home, far, 80], [home, near, 30], [near, far, 50]] as const) {
        const server = await startEcho(to, to[family] ?? '')
        const { connectMs } = await echo(from, to[family] ?? '', server.port)
        expect(connectMs).toBeGreaterThanOrEqual(roundTripMs)
        // Generous: no bound on a loaded machine, but a lost SYN (1 s) would be seen.
        expect(connectMs).toBeLessThan(roundTripMs + 900)
      }
    })

    it.each(['ipv4', 'ipv6'] as const)('carries 20 MB each way through two delayed links intact, by %s', async family => {
      const size = 20_000_000
      const server = await startEcho(far, far[family] ?? '')
      expect(await echo(home, far[family] ?? '', server.port, { size, timeoutMs: 20_000 })).toMatchObject({ got: size, intact: true })
    })

    it('carries datagrams of every size intact', async () => {
      const python = `
import hashlib, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
`
      const receiver = far.spawn('python3', ['-c', `${python}
sock.bind(('', 7000)); sock.settimeout(10); print('bound', flush=True)
print(hashlib.sha256(b''.join(sorted(sock.recv(65535) for _ in range(100)))).hexdigest())`], { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      receiver.stdout?.setEncoding('utf8').on('data', (text: string) => { output += text })
      await vi.waitFor(() => expect(output).toContain('bound'), 5_000)
      await home.run('python3', ['-c', `${python}
import time
for i in range(100): sock.sendto(bytes([i]) * (1 + i * 40), (sys.argv[1], 7000)); time.sleep(0.002)`, far.ipv4], { timeoutMs: 5_000 })
      const sent = Array.from({ length: 100 }, (_, index) => Buffer.alloc(1 + index * 40, index))
      const digest = createHash('sha256').update(Buffer.concat(sent)).digest('hex')
      await vi.waitFor(() => expect(output).toContain(digest), 5_000)
    })
  })

  it('loses the same packets for the same seed', async () => {
    const arrivals = async (seed: number): Promise<string> => {
      await using lab = await startLab({ seed, sites: { lossy: { uplinkLoss: 0.3, ipv6: false } } })
      const script = `
import socket, sys
near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == 'send':
    for i in range(200): near.sendto(b'%d ' % i, (sys.argv[2], 7000))
else:
    near.bind(('', 7000)); near.settimeout(0.7); print('bound', flush=True)
    try:
        while True: sys.stdout.write(near.recv(100).decode())
    except TimeoutError: pass
`
      const receiver = lab.internet.spawn('python3', ['-c', script, 'receive'], { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      const ended = new Promise(resolve => receiver.stdout?.setEncoding('utf8').on('data', (text: string) => { output += text }).on('end', resolve))
      await vi.waitFor(() => expect(output).toContain('bound'), 5_000)
      await siteOf(lab, 'lossy').run('python3', ['-c', script, 'send', lab.internet.ipv4], { timeoutMs: 5_000 })
      await ended
      return output
    }
    const [first, again, different] = await Promise.all([arrivals(7), arrivals(7), arrivals(8)])
    expect(again).toBe(first)
    expect(different).not.toBe(first)
    const count = first.trim().split(' ').length
    expect(count).toBeGreaterThan(100)
    expect(count).toBeLessThan(180)
  })

  it.each<[Record<string, SiteSpec>, string]>([
    [{ 'rm -rf': {} }, 'not a name'],
    [{ internet: {} }, 'not a name'],
    [{ alice: { uplinkDelayMs: -1 } }, 'uplinkDelayMs of alice'],
    [{ alice: { uplinkLoss: 2 } }, 'uplinkLoss of alice'],
  ])('refuses %j', async (sites, message) => {
    await expect(startLab({ sites })).rejects.toThrow(message)
  })
})
