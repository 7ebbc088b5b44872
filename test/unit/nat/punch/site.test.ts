import { describe, expect, it } from 'vitest'
import { unknownProfile } from '../../../../src/nat/enumeration/classify.js'
import type { NatProfile } from '../../../../src/nat/nat-profile.js'
import { foretell, portsAround, windowFor } from '../../../../src/nat/punch/aim.js'
import { makeSite, siteNeed, type SiteFacts } from '../../../../src/nat/punch/site.js'

const nat = (given: Partial<NatProfile>): NatProfile => ({ ...unknownProfile, filtering: 'address-and-port-dependent', confidence: 0.9, ...given })
const kept = nat({ mapping: 'endpoint-independent', allocation: 'random' })
const moving = (allocation: NatProfile['allocation'], rest: Partial<NatProfile> = {}): NatProfile =>
  nat({ mapping: 'address-and-port-dependent', allocation, delta: 1, range: [20_000, 50_000], ...rest })

const local = { host: '10.0.0.2', port: 4_000 }
const mapped = { host: '203.0.113.1', port: 30_000 }
const site = (given: Partial<SiteFacts>) => makeSite({ host: '10.0.0.2', family: 4, nat: undefined, external: '203.0.113.1', local, mapped, isSampling: true, ...given })

describe('what a site is made from', () => {
  it.each([
    ['nothing is known of the NAT', undefined, 'mapping', 'mapping'],
    ['there is no NAT', nat({ mapping: 'none' }), 'mapping', 'mapping'],
    ['the mapping is kept', kept, 'mapping', 'mapping'],
    ['any mapping lets everybody in', moving('random', { filtering: 'endpoint-independent' }), 'mapping', 'mapping'],
    ['it counts', moving('sequential'), 'none', 'sample'],
    ['it keeps the port', moving('equal'), 'none', 'freshPort'],
    ['it adds to the port', moving('offset'), 'none', 'freshPort'],
    ['neighbours follow on each other', moving('dependent'), 'none', 'neighbours'],
    ['it draws ports', moving('random'), 'none', 'none'],
    ['nobody knows how it chooses', moving('unknown'), 'none', 'none'],
  ] as const)('depends on the NAT: %s', (_, profile, before, sampling) => {
    expect([siteNeed(profile, false), siteNeed(profile, true)]).toEqual([before, sampling])
  })
})

describe('a site', () => {
  it('states the mapping that is kept', () => {
    expect(site({ nat: kept })).toEqual({
      host: '10.0.0.2', localPorts: [4_000],
      record: { family: 4, local, external: mapped, nat: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', allocation: 'random', delta: 0 } },
    })
  })

  it('is hit a window after the sample of a counter, by one of as many fresh ports', () => {
    const { localPorts, record } = site({ nat: moving('sequential', { delta: -2 }) })
    expect(localPorts).toEqual(Array(8).fill(0))
    expect(record).toMatchObject({ local, external: { host: '203.0.113.1', port: 30_000 - 2 * 8 } })
  })

  it('is hit at the very port, or so far from it, that no server has seen', () => {
    expect(site({ nat: moving('equal', { delta: 0 }) })).toMatchObject({ localPorts: [4_000], record: { external: { host: '203.0.113.1', port: 4_000 } } })
    expect(makeSite({ host: '10.0.0.2', family: 4, nat: moving('offset', { delta: -2_500 }), external: '203.0.113.1', local, isSampling: true }))
      .toMatchObject({ localPorts: [4_000], record: { external: { host: '203.0.113.1', port: 1_500 } } })
  })

  it('is hit one delta after the sample where neighbours follow on each other', () => {
    expect(site({ nat: moving('dependent', { delta: 3 }) })).toMatchObject({ localPorts: [4_001, 4_000], record: { external: { port: 30_003 } } })
  })

  it('tells the address by some port, and the range, where ports are drawn', () => {
    const { mapped: _, ...facts } = { host: '10.0.0.2', family: 4 as const, nat: moving('random'), external: '203.0.113.1', local, mapped, isSampling: true }
    expect(makeSite(facts)).toMatchObject({ localPorts: [0], record: { local, external: { host: '203.0.113.1', port: 20_000 }, range: [20_000, 50_000] } })
  })

  it('tells the address only until it samples, and no range', () => {
    const { localPorts, record } = site({ nat: moving('sequential'), isSampling: false })
    expect(localPorts).toEqual([0])
    expect(record.external).toEqual(mapped)
    expect(record.range).toBeUndefined()
  })

  it('has the local endpoint only where no server told anything', () => {
    expect(makeSite({ host: '10.0.0.2', family: 4, nat: undefined, external: null, local, isSampling: false }))
      .toEqual({ host: '10.0.0.2', localPorts: [4_000], record: { family: 4, local } })
  })

  it('is hit at its own address without NAT, and where that is global and nobody says otherwise', () => {
    const here = { host: '10.0.0.2', family: 4 as const, external: null, local, isSampling: false }
    expect(makeSite({ ...here, nat: nat({ mapping: 'none' }) }).record.external).toEqual(local)
    const global = { host: '2001:db8::5', port: 4_000 }
    expect(makeSite({ host: global.host, family: 6, nat: undefined, external: null, local: global, isSampling: false }).record.external).toEqual(global)
  })

  it('never states port 0', () => {
    const { record } = makeSite({ host: '10.0.0.2', family: 4, nat: moving('random', { range: null }), external: '203.0.113.1', isSampling: true })
    expect(record).toEqual({ family: 4, nat: { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'random', delta: 1 } })
  })
})

describe('foretelling', () => {
  it('takes a wider window where others use the counter', () => {
    expect([1, 0.9, 0.5].map(windowFor)).toEqual([8, 8, 8])
    expect(windowFor(0.05)).toBeGreaterThan(8)
    expect([1e-9, 0].map(windowFor)).toEqual([32, 32])
  })

  it('stays among the ports that NATs use, whichever way it counts', () => {
    expect(foretell(65_530, 8, 1)).toBe(1_026)
    expect(foretell(1_030, 8, -2)).toBe(65_526)
    expect(foretell(500, 8, 1)).toBe(508)
  })

  it('shoots around an aim by half windows at a counter, at the next ports elsewhere', () => {
    expect(portsAround(30_000, { allocation: 'sequential', delta: -2 })).toEqual([30_000, 30_008, 29_992, 29_984, 29_976, 29_968, 29_960, 29_952])
    expect(portsAround(30_000, { allocation: 'equal', delta: 0 })).toEqual([30_000, 29_999, 30_001, 30_002, 30_003, 30_004, 30_005, 30_006])
    expect(portsAround(30_000, { allocation: 'dependent', delta: 5 }).slice(0, 3)).toEqual([30_000, 29_995, 30_005])
  })
})
