import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { labMissing, startLab, type Host, type Lab } from '../../support/lab/index.js'
import { says } from '../../support/lab/services.js'
import { describeIf } from '../../support/requirements.js'
import { echo, punch, startEcho } from './programs.js'

const python = async (host: Host, script: string, ...args: string[]): Promise<string> => {
  const { stdout, stderr } = await host.run('python3', ['-ISc', script, ...args], { timeoutMs: 20_000 })
  if (stderr !== '') throw new Error(stderr)
  return stdout.trim()
}

describeIf('NATs in user space', labMissing(), () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await startLab({
      sites: {
        symmetric: { nat: 'symmetric', hosts: ['second'] },
        open: { nat: 'cone', hosts: ['second'] },
        left: { nat: 'port-restricted' },
        right: { nat: 'port-restricted-rst' },
        refusing: { nat: { unsolicited: 'rst', udp: 'blocked' } },
      },
    })
  })
  afterAll(() => lab.close())
  const host = (name: string): Host => {
    const found = lab.hosts.get(name)
    if (found === undefined) throw new Error(`no host ${name}`)
    return found
  }

  it('carry 20 MB each way intact', async () => {
    const server = await startEcho(lab.internet, lab.internet.ipv4)
    expect(await echo(host('symmetric'), lab.internet.ipv4, server.port, { size: 20_000_000, timeoutMs: 20_000 })).toMatchObject({ got: 20_000_000, intact: true })
    expect(server.heard.map(({ from }) => from)).toEqual([host('symmetric').externalIpv4])
  })

  it('route IPv6 untranslated, behind a stateful firewall that answers as they do', async () => {
    const server = await startEcho(lab.internet, lab.internet.ipv6 ?? '')
    expect(await echo(host('symmetric'), lab.internet.ipv6 ?? '', server.port)).toMatchObject({ intact: true })
    expect(server.heard[0]?.from).toBe(host('symmetric').ipv6)
    const inside = await startEcho(host('symmetric'), '::')
    expect(await echo(lab.internet, host('symmetric').ipv6 ?? '', inside.port, { timeoutMs: 1_000 })).toEqual({ error: 'timeout' })
    expect(await echo(lab.internet, host('refusing').ipv6 ?? '', inside.port, { timeoutMs: 1_000 })).toEqual({ error: 'ECONNREFUSED' })
  })

  it('let two hosts through that call each other at once, though one answers strangers with a reset', async () => {
    const port = async (name: string): Promise<number> => {
      const server = await startEcho(lab.internet, lab.internet.ipv4)
      await echo(host(name), lab.internet.ipv4, server.port, { localPort: 41_000 })
      return server.heard[0]?.port ?? 0
    }
    const [left, right] = [await port('left'), await port('right')]
    const results = await Promise.all([punch(host('left'), host('right').externalIpv4, right, 41_000), punch(host('right'), host('left').externalIpv4, left, 41_000)])
    expect(results).toEqual([{ got: 'hello' }, { got: 'hello' }])
  })

  it('give hosts behind one NAT ports of their own, and let them meet on their LAN', async () => {
    const server = await startEcho(lab.internet, lab.internet.ipv4)
    for (const name of ['open', 'second.open']) await echo(host(name), lab.internet.ipv4, server.port, { localPort: 42_000 })
    expect(new Set(server.heard.map(({ from }) => from))).toEqual(new Set([host('open').externalIpv4]))
    expect(new Set(server.heard.map(({ port }) => port)).size).toBe(2)
    const neighbour = await startEcho(host('second.open'), host('second.open').ipv4)
    expect(await echo(host('open'), host('second.open').ipv4, neighbour.port)).toMatchObject({ intact: true })
    expect(neighbour.heard[0]?.from).toBe(host('open').ipv4)
  })

  it('carry datagrams of every size, in fragments too', async () => {
    const server = lab.internet.spawn('python3', ['-ISc', `
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(('', 7001)); print('listens', flush=True)
while True: sock.sendto(*sock.recvfrom(65535))
`], { stdio: ['ignore', 'pipe', 'inherit'] })
    await says(server, 'listens')
    expect(await python(host('symmetric'), `
import os, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(5)
for size in (0, 1, 1472, 1473, 9001, 65507):
    data = os.urandom(size); sock.sendto(data, (sys.argv[1], 7001)); print(sock.recv(65535) == data)
`, lab.internet.ipv4)).toBe(Array.from({ length: 6 }, () => 'True').join('\n'))
  })

  it('tell of closed ports and of what goes too far, by ICMP', async () => {
    expect(await python(host('symmetric'), `
import errno, socket, sys
for ttl in (64, 1, 2):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(5)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl); sock.setsockopt(socket.IPPROTO_IP, 11, 1)
    sock.connect((sys.argv[1], 9)); sock.send(b'x')
    try: sock.recv(10)
    except OSError as error: print(errno.errorcode[error.errno])
`, lab.internet.ipv4)).toBe('ECONNREFUSED\nEHOSTUNREACH\nEHOSTUNREACH')
  })

  it('pass 1,024 SYNs at 500 a second through two of them, none lost or held up', async () => {
    const whoAmI = await startEcho(lab.internet, lab.internet.ipv4)
    const listener = host('open').spawn('python3', ['-ISc', `
import socket, sys
def shared():
    sock = socket.socket(); sock.setsockopt(1, 2, 1); sock.setsockopt(1, 15, 1); sock.bind(('', 5000)); return sock
server = shared(); server.listen(2048)
who = shared(); who.connect((sys.argv[1], int(sys.argv[2]))) # so that there is a mapping
print('listens', flush=True)
kept = []
while True: kept.append(server.accept())
`, lab.internet.ipv4, String(whoAmI.port)], { stdio: ['ignore', 'pipe', 'inherit'] })
    await says(listener, 'listens')
    const mapped = await vi.waitFor(() => whoAmI.heard[0]?.port ?? expect.unreachable(), 5_000)
    const [connected, retransmitted] = (await python(host('symmetric'), `
import selectors, socket, struct, sys, time
to, began, selector, pending, done = (sys.argv[1], int(sys.argv[2])), time.monotonic(), selectors.DefaultSelector(), 0, []
while len(done) < 1024 and time.monotonic() < began + 15:
    while pending < 1024 and began + pending / 500 <= time.monotonic():
        sock = socket.socket(); sock.setblocking(False); sock.bind(('', 10000 + pending)); sock.connect_ex(to)
        selector.register(sock, selectors.EVENT_WRITE); pending += 1
    for key, _ in selector.select(0.001):
        selector.unregister(key.fileobj); done.append(key.fileobj)
connected = sum(sock.getsockopt(1, 4) == 0 for sock in done)
info = [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104) for sock in done]
print(connected, sum(struct.unpack_from('I', one, 100)[0] for one in info)) # tcpi_total_retrans
`, host('open').externalIpv4, String(mapped))).split(' ').map(Number)
    expect({ connected, retransmitted }).toEqual({ connected: 1_024, retransmitted: 0 })
  })
})
