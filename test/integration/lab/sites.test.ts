import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, startLab, type Host, type Lab } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'
import { echo, startEcho, type EchoServer } from './programs.js'

describeIf('sites of every form', labMissing(), () => {
  let lab: Lab
  let server: EchoServer
  beforeAll(async () => {
    lab = await startLab({
      carriers: { isp: { nat: { filtering: 'EIF', hairpin: true } }, kernel: { nat: 'masquerade' } },
      sites: {
        // a LAN, and one uplink of the laptop
        home: { nat: 'masquerade', hosts: ['nas'] },
        mobile: { nat: 'symmetric' },
        // behind carriers, each kind of NAT behind each
        customer: { nat: 'masquerade', behind: 'isp' },
        neighbour: { nat: 'cone', behind: 'isp' },
        other: { nat: 'cone', behind: 'kernel', uplinkDelayMs: 1 },
        dumb: { nat: 'masquerade-no-udp' },
        campus: { nat: 'firewall', hosts: ['lab'] },
        server: { addresses: 2 },
        slow: { uplinkDelayMs: { up: 60, down: 0 } },
        jittery: { uplinkDelayMs: 5, uplinkJitterMs: 20 },
      },
      multihomed: { laptop: { sites: ['home', 'mobile'] }, tablet: { sites: ['home', 'mobile'], sourceRouting: false } },
    })
    server = await startEcho(lab.internet, lab.internet.ipv4)
  })
  afterAll(() => lab.close())
  const host = (name: string): Host => {
    const found = lab.hosts.get(name)
    if (found === undefined) throw new Error(`no host ${name}`)
    return found
  }
  const seenAs = async (from: Host, options: { localAddress?: string } = {}): Promise<string | undefined> => {
    const { error } = await echo(from, lab.internet.ipv4, server.port, { timeoutMs: 2_000, ...options })
    return error ?? server.heard.at(-1)?.from
  }

  it.each(['home', 'nas.home', 'mobile', 'customer', 'neighbour', 'other', 'campus', 'lab.campus', 'laptop', 'tablet'])('shows %s to the internet under the address it says', async name => {
    expect(await seenAs(host(name))).toBe(host(name).externalIpv4)
  })

  it('puts what is behind a carrier in 100.64.0.0/10, under the carrier\'s own address', async () => {
    expect(host('customer').externalIpv4).toBe(host('neighbour').externalIpv4)
    const { stdout } = await lab.internet.run('nsenter', [`--net=/proc/${lab.anchorPid}/root/run/netns/router-customer`, 'ip', '-br', 'address', 'show', 'wan'], { timeoutMs: 5_000, env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/sbin:/usr/sbin` } })
    expect(stdout).toMatch(/ 100\.64\.\d+\.\d+\/32/)
  })

  it('keeps the customers of a carrier apart', async () => {
    const inside = await startEcho(host('customer'), '0.0.0.0')
    const results = await Promise.all(['100.64.1.2', host('customer').ipv4].map(address => echo(host('neighbour'), address, inside.port, { timeoutMs: 1_000 })))
    expect(results.map(({ error }) => error)).toEqual(['timeout', 'timeout'])
  })

  it('lets the hosts of a LAN reach each other', async () => {
    const nas = await startEcho(host('nas.home'), host('nas.home').ipv4)
    for (const name of ['home', 'laptop']) expect(await echo(host(name), host('nas.home').ipv4, nas.port)).toMatchObject({ intact: true })
    expect(nas.heard.map(({ from }) => from)).toEqual([host('home').ipv4, host('laptop').ipv4])
  })

  it('gives a host two uplinks, each of use from its own address', async () => {
    const { uplinks } = lab.multihomed['laptop'] ?? { uplinks: [] }
    expect(uplinks.map(({ site, interface: device }) => [site, device])).toEqual([['home', 'eth0'], ['mobile', 'eth1']])
    for (const { ipv4, externalIpv4 } of uplinks) expect(await seenAs(host('laptop'), { localAddress: ipv4 })).toBe(externalIpv4)
  })

  it('leaves the second uplink dead without source routing', async () => {
    expect(await seenAs(host('tablet'), { localAddress: lab.multihomed['tablet']?.uplinks[1]?.ipv4 ?? '' })).toBe('timeout')
  })

  it('gives a server two public addresses', async () => {
    const site = lab.sites['server']
    for (const address of [site?.ipv4 ?? '', site?.secondIpv4 ?? '']) {
      const there = await startEcho(host('server'), address)
      expect(await echo(host('home'), address, there.port)).toMatchObject({ intact: true })
    }
  })

  it('blocks UDP where it should, and TCP never', async () => {
    const udp = `
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(0.7); sock.connect((sys.argv[1], 9)); sock.send(b'x')
try: sock.recv(10)
except OSError as error: print(type(error).__name__)
`
    const outcomes = await Promise.all(['dumb', 'home'].map(name => host(name).run('python3', ['-ISc', udp, lab.internet.ipv4], { timeoutMs: 5_000 })))
    expect(outcomes.map(({ stdout }) => stdout.trim())).toEqual(['TimeoutError', 'ConnectionRefusedError'])
    expect(await seenAs(host('dumb'))).toBe(host('dumb').externalIpv4)
  })

  it('delays each direction by its own', async () => {
    const oneWay = `
import socket, sys, time
if sys.argv[1] == 'receive':
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(('', 7002)); sock.settimeout(10); print('listens', flush=True)
    sent = float(sock.recv(100)); print((time.clock_gettime(time.CLOCK_MONOTONIC) - sent) * 1000)
else:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.sendto(str(time.clock_gettime(time.CLOCK_MONOTONIC)).encode(), (sys.argv[2], 7002))
`
    const took = async (from: Host, to: Host): Promise<number> => {
      const receiver = to.spawn('python3', ['-ISc', oneWay, 'receive'], { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines: string[] = []
      receiver.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')))
      const ended = new Promise(resolve => receiver.once('close', resolve))
      await new Promise<void>(resolve => receiver.stdout?.once('data', () => resolve()))
      await from.run('python3', ['-ISc', oneWay, 'send', to.ipv4], { timeoutMs: 5_000 })
      await ended
      return Number(lines[1])
    }
    const up = await took(host('slow'), lab.internet)
    const down = await took(lab.internet, host('slow'))
    expect(up).toBeGreaterThanOrEqual(60)
    expect(up - down).toBeGreaterThan(30)
  })

  it('adds jitter to the delay, and keeps the order', async () => {
    const arrivals = `
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(5); sock.bind(('', 0))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
trips = []
for turn in range(20):
    began = time.monotonic(); sock.sendto(b'x', (sys.argv[1], 7003)); sock.recv(10); trips.append((time.monotonic() - began) * 1000)
print(min(trips), max(trips))
for turn in range(50): sock.sendto(str(turn).encode(), (sys.argv[1], 7003))
print([int(sock.recv(10)) for turn in range(50)] == list(range(50)))
`
    const echoer = lab.internet.spawn('python3', ['-ISc', `
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(('', 7003)); print('listens', flush=True)
while True: sock.sendto(*sock.recvfrom(100))
`], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise<void>(resolve => echoer.stdout?.once('data', () => resolve()))
    const { stdout } = await host('jittery').run('python3', ['-ISc', arrivals, lab.internet.ipv4], { timeoutMs: 15_000 })
    const [trips, ordered] = stdout.trim().split('\n')
    const [shortest, longest] = (trips ?? '').split(' ').map(Number) as [number, number]
    expect(shortest).toBeGreaterThanOrEqual(10)
    expect(longest - shortest).toBeGreaterThan(5)
    expect(ordered).toBe('True')
  })
})
