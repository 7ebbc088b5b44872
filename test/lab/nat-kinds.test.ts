import { afterAll, beforeAll, expect, it } from 'vitest'
import { claimsOf } from '../support/lab/claims.js'
import { labMissing, natKindNames, natKinds, startLab, type Lab, type NatKindName, type Site } from '../support/lab/index.js'
import { proberMissing, proberSites, startProber, type Findings } from '../support/lab/prober/prober.js'
import { contradictions } from '../support/lab/prober/verdict.js'
import type { RunResult } from '../support/lab/types.js'
import { describeIf } from '../support/requirements.js'

/** One of each feature. All kinds: THROUGHLINE_TEST_LONG=1, half a minute on 2 cores. */
const slice: readonly NatKindName[] = [
  'masquerade-icmp', 'random', 'full-cone-rst', 'firewall', 'cone-hairpin', 'restricted-rst', 'cone-per-port-backwards', 'carrier-restricted', 'symmetric-backwards-5', 'symmetric-busy', 'symmetric-restricted', 'tcp-symmetric', 'cone-no-udp', 'fragile', 'forgetful',
]
const names = process.env['THROUGHLINE_TEST_LONG'] === '1' ? natKindNames : slice

it('lists at least 40 kinds', () => {
  expect(natKindNames.length).toBeGreaterThanOrEqual(40)
})

describeIf('all kinds of NAT', labMissing(), () => {
  it('come up together', async () => {
    await using lab = await startLab({ sites: sitesOf(natKindNames) })
    expect(Object.keys(lab.sites)).toEqual(natKindNames)
  })
})

/** What coturn's turnutils_natdiscovery says of UDP, in the words of RFC 4787. */
const words = { EIM: 'Endpoint Independent Mapping', ADM: 'Address Dependent Mapping', APDM: 'Address and Port Dependent Mapping', EIF: 'Endpoint Independent Filtering', ADF: 'Address Dependent Filtering', APDF: 'Address and Port Dependent Filtering' } as const
const crossChecked: readonly NatKindName[] = ['random', 'full-cone', 'cone', 'restricted', 'address-dependent', 'symmetric-backwards', 'symmetric-open']

// All at once: most of the time a prober waits for what must not come.
describeIf('a NAT, probed from inside by who does not know what it should be,', proberMissing(), () => {
  let lab: Lab
  const probed = new Map<string, Promise<Findings>>()
  const told = new Map<string, Promise<RunResult>>()
  beforeAll(async () => {
    const forTool = Object.entries(sitesOf(crossChecked)).map(([name, site]) => [`tool-${name}`, site] as const)
    lab = await startLab({ sites: { ...proberSites, public: {}, ...sitesOf(names), ...Object.fromEntries(forTool) } })
    const prober = await startProber(lab)
    for (const name of ['public', ...names]) probed.set(name, prober.probe(lab.sites[name] as Site))
    for (const name of crossChecked) told.set(name, (lab.sites[`tool-${name}`] as Site).run('turnutils_natdiscovery', ['-m', '-f', (lab.sites['stun'] as Site).ipv4], { timeoutMs: 60_000 }))
    for (const result of [...probed.values(), ...told.values()]) result.catch(() => {}) // told by its test
  })
  afterAll(() => lab?.close())

  it.each(names)('is what it claims: %s', async name => {
    const { nat } = natKinds[name]
    expect(contradictions(claimsOf(nat), (await probed.get(name)) as Findings)).toEqual([])
  }, 120_000)

  it('is not there where a host is public', async () => {
    const { tcp, udp } = (await probed.get('public')) as Findings
    for (const found of [tcp, udp]) expect(found).toMatchObject({ mapping: 'none', filtering: 'EIF', unsolicited: 'refused' })
  })

  it('is refuted when it claims something else', async () => {
    const findings = (await probed.get('symmetric-busy')) as Findings
    const claims = claimsOf({ mapping: 'ADM', filtering: 'EIF', allocation: { sequential: 2 }, unsolicited: 'rst' })
    const refuted = contradictions(claims, findings).map(text => text.split(' ').slice(0, 2).join(' '))
    expect(refuted).toEqual([
      ...['mapping', 'filtering', 'allocation', 'unsolicited', 'filtered', 'rstEndsMapping', 'othersPerS'].map(field => `tcp ${field}`),
      ...['mapping', 'filtering', 'allocation', 'filtered', 'othersPerS'].map(field => `udp ${field}`),
    ])
  })

  it.each(crossChecked)("is the same to coturn's turnutils_natdiscovery: %s", async name => {
    const { stdout } = (await told.get(name)) as RunResult
    const [mapping, filtering] = [...stdout.matchAll(/NAT with (.*)!/g)].map(([, said]) => said)
    const udp = claimsOf(natKinds[name].nat).udp as { mapping: keyof typeof words; filtering: keyof typeof words }
    expect({ mapping, filtering }).toEqual({ mapping: words[udp.mapping], filtering: words[udp.filtering] })
  }, 60_000)
})

function sitesOf(kinds: readonly NatKindName[]): Record<string, { nat: NatKindName; ipv6: false }> {
  return Object.fromEntries(kinds.map(nat => [nat, { nat, ipv6: false }]))
}
