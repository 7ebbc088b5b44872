import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { screenOf } from '../../../../src/cli/screen.js'
import { natReport } from '../../../../src/cli/nat/report.js'
import { unknownProfile } from '../../../../src/nat/enumeration/classify.js'
import type { NetworkInterface } from '../../../../src/node/types.js'
import { findings, networkInterface, plain, profiles } from './samples.js'

const reportOf = (...args: Parameters<typeof findings>): string => natReport(findings(...args), plain).join('\n')
const reportOn = (fields: Partial<NetworkInterface>): string => reportOf({ interfaces: [networkInterface(fields)] })
/** The row of the table of peers. */
const rowOf = (report: string, peer: string): string => report.split('\n').find(line => line.startsWith(`    ${peer} `))?.trim().replaceAll(/ {2,}/g, ' | ') ?? ''

const dead = { tcp: { error: { code: 'ERR_DIAL_REFUSED', message: 'refused' } }, udp: { error: { code: 'ERR_STUN_TIMEOUT', message: 'silent' } } } as const
const nothing = { external: null, tcp: unknownProfile, udp: unknownProfile }

describe('what the network is', () => {
  it('is told in words and in the terms of the field', () => {
    const report = reportOn({ tcp: profiles.predictable })
    expect(report).toContain('eth0, IPv4  192.168.1.7, seen from outside as 203.0.113.9')
    expect(report).toContain('TCP: A symmetric NAT')
    expect(report).toContain('Each new external port is the last one minus 2')
    expect(report).toMatch(/classic name +symmetric, independent +port restricted, equal/)
    expect(report).toMatch(/allocation +sequential, delta -2 +equal/)
    expect(report).toMatch(/confidence +94 % +94 %/)
  })

  it('is told once where TCP and UDP are treated alike', () => {
    expect(reportOn({})).toContain('TCP and UDP: A NAT that keeps one external port')
  })

  it('tells CGNAT, hairpin and blocked UDP', () => {
    const report = reportOn({ cgnatSuspected: true, hairpin: { tcp: false, udp: null }, udp: profiles.blocked })
    expect(report).toContain('(CGNAT)')
    expect(report).toMatch(/hairpin +no +-/)
    expect(report).toContain('UDP: Nothing comes back')
  })

  it('says that it is old when nobody answered any more', () => {
    expect(reportOn({ state: 'stale', error: { code: 'ERR_STUN_TIMEOUT', message: 'no STUN server answered' } })).toContain('As it was before')
  })

  it.each([
    [{ state: 'stale', error: { code: 'ERR_STUN_TIMEOUT', message: 'no STUN server answered' } }, 'no STUN server answered (ERR_STUN_TIMEOUT)'],
    [{ state: 'sampling' }, 'longer than 10 s'],
    [{ state: 'known' }, 'on this side of whatever NAT there is'],
    [{ state: 'stale' }, 'no server was asked from this address'],
  ] as const)('says why nothing is known of an interface: %o', (fields, why) => {
    const report = reportOn({ ...nothing, ...fields })
    expect(report).toContain(`Not measured: `)
    expect(report).toContain(why)
    expect(report).not.toContain('What will work')
  })
})

describe('what will work', () => {
  it('is direct both ways where anybody may come in', () => {
    expect(rowOf(reportOn({ tcp: profiles.open }), 'symmetric, random')).toMatch(/^symmetric, random \| no \| yes \| /)
  })

  it('is a punch by the mappings both keep between port restricted NATs', () => {
    expect(rowOf(reportOn({}), 'port restricted')).toBe('port restricted | no | no | yes, by the ports both keep')
  })

  it('is only a relay between NATs that are both random', () => {
    expect(rowOf(reportOn({ tcp: profiles.random }), 'symmetric, random')).toBe('symmetric, random | no | no | no: only a relay')
  })

  it('is shown once for interfaces that are alike in it', () => {
    const report = reportOf({ interfaces: [networkInterface(), networkInterface({ name: 'wlan0' }), networkInterface({ name: 'wg0', tcp: profiles.random })] })
    expect(report).toContain('by eth0, IPv4 and wlan0, IPv4')
    expect(report.match(/the peer's network/g)).toHaveLength(2)
  })
})

describe('what would help', () => {
  it.each([
    [{}, 'forwards to 192.168.1.7'],
    [{ cgnatSuspected: true }, 'Ask the provider'],
    [{ tcp: profiles.firewall }, 'Open a TCP port'],
    [{ tcp: profiles.random }, 'TURN'],
    [{ udp: profiles.blocked }, 'Let UDP out'],
    [{ tcp: profiles.blocked }, 'Let TCP out'],
  ])('fits the network: %o', (fields, advice) => {
    expect(reportOn(fields)).toContain(advice)
  })

  it('is nothing where everybody can come in', () => {
    expect(reportOn({ tcp: profiles.open, udp: profiles.open })).toContain('Nothing: this network lets every peer in.')
  })

  it('is to set the clock when letters would be too old or too new', () => {
    const withOffset = (offsetMs: number) => ({ summary: { ...findings().summary, clock: { offsetMs, uncertaintyMs: 5, source: 'ntp.example' } } })
    expect(reportOf(withOffset(-121_000))).toContain('Set the clock of this machine: it is 121 s off')
    expect(reportOf(withOffset(119_000))).not.toContain('Set the clock')
  })

  it('is servers where none was named, and others where none answers', () => {
    expect(reportOf({ stun: [], brokers: [] })).toMatch(/Name STUN servers with --stun[^]*Name a broker with --mqtt/)
    const offline = { url: 'mqtt://b:1883', state: 'offline', failure: { code: 'ERR_BROKER_TIMEOUT', message: 'silent' } } as const
    expect(reportOf({ stun: [{ server: 'a:1', ...dead }], brokers: [offline] })).toMatch(/No STUN server can be reached[^]*No broker can be reached/)
  })

  it('is a network where there is none', () => {
    const report = reportOf({ interfaces: [] })
    expect(report).toContain('No interface is up')
    expect(report).toContain('Connect this machine to a network')
  })
})

describe('what could not be learnt', () => {
  it('names dead STUN servers, and those that have only one transport by what they answered', () => {
    const report = reportOf({ stun: [{ server: 'dead.example:3478', ...dead }, { server: 'half.example:3478', udp: { rttMs: 9 }, tcp: dead.tcp }] })
    expect(report).toContain('What dead.example:3478 could have told')
    expect(report).toContain('half.example:3478: UDP 9 ms, TCP none (ERR_DIAL_REFUSED)')
  })

  it('tells who may come in only where a server has tried', () => {
    expect(reportOn({ tcp: profiles.untested })).toContain('Who may come in by TCP: no server that answered dials back')
    expect(reportOn({})).not.toContain('Who may come in')
  })

  it('tells low confidence', () => {
    expect(reportOn({ tcp: profiles.random })).toContain('TCP: confidence is low')
  })

  it('names time servers that are not believed, and why there is no time', () => {
    expect(reportOf({ timeServers: ['ntp.example', 'liar.example'] })).toContain('The time of liar.example')
    expect(reportOf({ timeServers: [] })).toContain('no time server is named')
    const clockError = { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'none of 1 time servers gave a time' } as const
    const report = reportOf({ summary: { ...findings().summary, clock: null, clockError } })
    expect(report).toContain('The clock, asked of ntp.example: none of 1 time servers gave a time (ERR_CLOCK_UNSYNCHRONISED).')
  })
})

describe('how it looks', () => {
  const everything = findings({ interfaces: [networkInterface({ tcp: profiles.random, udp: profiles.blocked }), networkInterface({ name: 'wlan0', tcp: profiles.predictable, cgnatSuspected: true })] })
  const terminal = (hasColors: boolean) => Object.assign(new PassThrough(), { isTTY: true, columns: 80, hasColors: () => hasColors })
  const escapes = /\u001b\[\d+m/g

  it('stays within 80 columns of a terminal', () => {
    const lines = natReport(everything, screenOf(terminal(true))).join('\n').replaceAll(escapes, '').split('\n')
    expect(lines.filter(line => line.length > 80)).toEqual([])
  })

  it('has colours only where the terminal wants them', () => {
    expect(natReport(everything, screenOf(terminal(true))).join('')).toMatch(escapes)
    expect(natReport(everything, screenOf(terminal(false))).join('')).not.toMatch(escapes)
    expect(natReport(everything, screenOf(new PassThrough())).join('')).not.toMatch(escapes)
  })
})
