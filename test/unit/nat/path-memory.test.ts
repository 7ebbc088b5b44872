import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { bounded, decodePaths, encodePaths, hostMark, isStale, networkNames, pathKey, type PathRecord, type SeenAddress } from '../../../src/nat/path-memory.js'

const { maxPaths, maxAgeDays, maxFileBytes } = defaults.memory
const secret = Buffer.alloc(32, 7)
const today = 20_000
const key = (peerId: string): string => pathKey(secret, 'home', peerId)
const record = (fields: Partial<PathRecord> = {}): PathRecord => ({ strategy: 'punch', method: 'birthday', family: 4, peerNetwork: hostMark(secret, '203.0.113.1', 'bob'), day: today, ...fields })
const many = (count: number): Map<string, PathRecord> => new Map(Array.from({ length: count }, (_, index) => [key(`peer ${index}`), record()]))

const seen = (cidr: string, external: string | null = null, interfaceName = 'eth0'): SeenAddress => ({ interfaceName, cidr, external })

describe('the name of a network', () => {
  it('is that of our external addresses, and that of our links for whoever does not know them yet', () => {
    expect(networkNames([seen('192.168.1.10/24', '203.0.113.1')])).toEqual(['["203.0.113.1"]', '["eth0 192.168.1.0/24"]'])
    expect(networkNames([seen('192.168.1.10/24')])).toEqual(['["eth0 192.168.1.0/24"]'])
  })

  it('stays when the address on a link changes, an interface comes behind the same NAT, or an IPv6 host takes another address', () => {
    const [before] = networkNames([seen('192.168.1.10/24', '203.0.113.1'), seen('2001:db8:1::10/64', '2001:db8:1::10')])
    const [after] = networkNames([seen('2001:db8:1::77/64', '2001:db8:1::77'), seen('192.168.1.99/24', '203.0.113.1', 'wlan0'), seen('192.168.1.11/24', '203.0.113.1')])
    expect(after).toBe(before)
  })

  it('is another behind another NAT', () => {
    expect(networkNames([seen('192.168.1.10/24', '203.0.113.1')])[0]).not.toBe(networkNames([seen('192.168.1.10/24', '203.0.113.2')])[0])
  })
})

describe('what stands for a peer and a network', () => {
  it('differs by peer, network and secret, and is the same for the same', () => {
    const keys = [key('bob'), key('carol'), pathKey(secret, 'café', 'bob'), pathKey(Buffer.alloc(32, 8), 'home', 'bob')]
    expect(new Set(keys).size).toBe(4)
    expect(key('bob')).toBe(keys[0])
  })

  it('marks hosts of one IPv6 prefix alike, and one host differently for each peer', () => {
    expect(hostMark(secret, '2001:db8::1', 'bob')).toBe(hostMark(secret, '2001:db8::2', 'bob'))
    expect(hostMark(secret, '203.0.113.1', 'bob')).not.toBe(hostMark(secret, '203.0.113.2', 'bob'))
    expect(hostMark(secret, '203.0.113.1', 'bob')).not.toBe(hostMark(secret, '203.0.113.1', 'carol'))
  })
})

describe('records of paths', () => {
  it('come out as they were written, those proven last at the end', () => {
    const paths = new Map([[key('bob'), record()], [key('alice'), record({ strategy: 'reverse', method: undefined as never, family: 6 })]])
    expect([...decodePaths(encodePaths(paths), today)]).toEqual([...paths])
  })

  it('are read from a text cut anywhere, from any text and any JSON, as none or as those that are valid', () => {
    const text = encodePaths(many(3))
    for (let length = 0; length < text.length - 1; length += 1) expect(decodePaths(text.slice(0, length), today).size).toBe(0)
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), fc.anything().map(paths => JSON.stringify({ version: 1, paths }) ?? '')), garbage => decodePaths(garbage, today).size === 0))
  })

  it('that are no such records are left out, and the others stay', () => {
    const [row] = (JSON.parse(encodePaths(many(1))) as { paths: unknown[][] }).paths
    const spoilt = row!.flatMap((value, index) => [null, 'x', -1, 1.5, {}, [], '203.0.113.1'].filter(bad => !Object.is(bad, value)).map(bad => row!.with(index, bad)))
    const rows = [...spoilt, row!.slice(1), [...row!, 0], row!]
    expect([...decodePaths(JSON.stringify({ version: 1, paths: rows }), today)]).toEqual([...many(1)])
    expect(decodePaths(JSON.stringify({ version: 2, paths: [row] }), today).size).toBe(0)
  })

  it('are at most so many, the eldest forgotten, and fit the file', () => {
    const paths = many(maxPaths + 10)
    expect([...bounded(paths, today).keys()]).toEqual([...paths.keys()].slice(10))
    expect(decodePaths(encodePaths(paths), today).size).toBe(maxPaths)
    expect(encodePaths(bounded(paths, today)).length).toBeLessThan(maxFileBytes)
  })

  it('are forgotten when they are old', () => {
    const paths = new Map([[key('old'), record({ day: today - maxAgeDays - 1 })], [key('young'), record({ day: today - maxAgeDays })]])
    expect([...decodePaths(encodePaths(paths), today).keys()]).toEqual([key('young')])
  })

  it('that a clock ahead of its time has written are as old as the rest from then on', () => {
    const [found] = decodePaths(encodePaths(new Map([[key('bob'), record({ day: today + 5_000 })]])), today).values()
    expect(found?.day).toBe(today)
    expect(isStale(found!, today + maxAgeDays + 1)).toBe(true)
  })
})
