import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { natKinds, type LabSpec } from '../../support/lab/index.js'
import { modelOf } from '../../support/lab/model.js'
import { userNatOf } from '../../support/lab/nat-spec.js'

const readme = readFileSync(new URL('../../support/lab/README.md', import.meta.url), 'utf8')

describe('a spec of a lab', () => {
  // As JSON gives it: without types.
  it.each<[unknown, string]>([
    [{ sites: { a: { natt: {} } } }, 'site a has no natt'],
    [{ sites: {}, site: {} }, 'a lab has no site'],
    [{ sites: { a: { nat: 'nonsense' } } }, 'the NAT "nonsense"'],
    [{ sites: { a: { nat: { mapping: 'eim' } } } }, 'mapping is "eim", not EIM, ADM, APDM'],
    [{ sites: { a: { nat: { tcp: { idleS: 3 } } } } }, 'a NAT has no idleS here'],
    [{ sites: { a: { nat: { allocation: { sequential: 0 } } } } }, 'sequential is 0'],
    [{ sites: { a: { nat: { allocation: { block: 300 }, ports: [1024, 1100] } } } }, 'block is 300, with 77 ports'],
    [{ sites: { a: { nat: { allocation: 'equal' } } } }, 'allocation is "equal"'],
    [{ sites: { a: { nat: { ports: [5, 4] } } } }, 'ports is [5,4]'],
    [{ sites: { a: { hosts: ['b'] } } }, 'site a needs a nat'],
    [{ sites: { a: { behind: 'isp', nat: 'cone' } } }, 'site a is behind "isp", which is no carrier'],
    [{ sites: { a: { addresses: 2, nat: 'cone' } } }, "site a can't have 2 public addresses"],
    [{ sites: { a: {} }, carriers: { a: { nat: 'carrier' } } }, 'different names'],
    [{ sites: {}, carriers: { isp: { nat: 'firewall' } } }, 'carrier isp must translate'],
    [{ sites: { a: { nat: 'cone' } }, multihomed: { m: { sites: ['a', 'b'] } } }, 'multihomed host m is at "b"'],
    [{ sites: { a: {} }, multihomed: { m: { sites: ['a'] } } }, 'site a needs a nat'],
    [{ sites: { a: { uplinkDelayMs: { up: 1, down: -1 } } } }, 'uplinkDelayMs of a is -1'],
    [{ sites: Object.fromEntries(Array.from({ length: 125 }, (_, index) => [`s${index}`, {}])) }, 'at most 124'],
  ])('is refused with the reason: %j', (spec, message) => {
    expect(() => modelOf(spec as LabSpec)).toThrow(message)
  })

  it('gives every site addresses of its own, up to the last', () => {
    const { sites } = modelOf({ sites: Object.fromEntries(Array.from({ length: 124 }, (_, index) => [`s${index}`, index % 2 === 0 ? {} : { nat: 'cone' }])) })
    expect(new Set(sites.map(({ externalIpv4 }) => externalIpv4)).size).toBe(124)
    expect(new Set(sites.map(({ ipv4 }) => ipv4)).size).toBe(124)
  })

  it('leaves nothing open in a NAT, and lets TCP and UDP differ', () => {
    expect(userNatOf({ mapping: 'ADM', tcp: { mapping: 'APDM' }, udp: 'blocked' })).toEqual({
      ports: [1024, 65_535], udp: 'blocked',
      tcp: { mapping: 'APDM', filtering: 'APDF', allocation: 'preserving', unsolicited: 'drop', hairpin: false, othersPerS: 0, rstEndsMapping: false, transitoryS: 240, establishedS: 7_440, closedS: 10 },
    })
  })
})

describe('the README of the lab', () => {
  it('lists every kind of the catalogue, with its summary', () => {
    for (const [name, { summary }] of Object.entries(natKinds)) expect(readme).toContain(`| \`${name}\` | ${summary} |`)
  })

  it('has an example that is a spec', () => {
    const examples = [...readme.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text ?? '') as LabSpec)
    expect(examples.length).toBeGreaterThan(0)
    for (const example of [...examples, JSON.parse(readFileSync(new URL('../../support/lab/examples/two-homes.json', import.meta.url), 'utf8')) as LabSpec]) expect(() => modelOf(example)).not.toThrow()
  })
})
