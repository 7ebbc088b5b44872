import { describe, expect, it } from 'vitest'
import type { NatProfile } from '../../../../src/nat/nat-profile.js'
import type { Allocation, Filtering, Mapping, NatKind } from './simulated-nat.js'
import { enumerate } from './simulated-network.js'

const runs = 20
const seeds = Array.from({ length: runs }, (_, place) => 1_000 + place * 7_919)

const mappings = { EIM: 'endpoint-independent', ADM: 'address-dependent', APDM: 'address-and-port-dependent' } as const
const filterings = { EIF: 'endpoint-independent', ADF: 'address-dependent', APDF: 'address-and-port-dependent' } as const

const allocations: readonly (readonly [Allocation, Pick<NatProfile, 'allocation' | 'delta'>])[] = [
  ['preserving', { allocation: 'equal', delta: 0 }],
  [{ offset: 5_000 }, { allocation: 'offset', delta: 5_000 }],
  [{ offset: -7 }, { allocation: 'offset', delta: -7 }],
  ...[1, 2, 7, 100, -1, -3].map(delta => [{ sequential: delta }, { allocation: 'sequential', delta }] as const),
  ...[1, 3, -2].map(delta => [{ perPort: delta }, { allocation: 'dependent', delta }] as const),
  [{ linear: 1 }, { allocation: 'offset', delta: 777 }],
  [{ linear: 2 }, { allocation: 'dependent', delta: 2 }],
  ['random', { allocation: 'random', delta: 0 }],
  [{ block: 64 }, { allocation: 'random', delta: 0 }],
  [{ block: 512 }, { allocation: 'random', delta: 0 }],
  [{ ordered: 64 }, { allocation: 'sequential', delta: 1 }],
]

const kinds = Object.entries(mappings).flatMap(([mapping, mappingName]) =>
  allocations.map(([allocation, found]) => [`${mapping}, ${JSON.stringify(allocation)}`, { mapping: mapping as Mapping, allocation }, { mapping: mappingName, ...found }] as const),
)

const of = ({ mapping, filtering, allocation, delta }: NatProfile) => ({ mapping, filtering, allocation, delta })

describe('an enumeration', () => {
  it.each(kinds)(`knows a quiet NAT of the kind %s in ${runs} of ${runs} runs, by TCP and by UDP`, (_name, kind, found) => {
    for (const [place, seed] of seeds.entries()) {
      const [name, filtering] = Object.entries(filterings)[place % 3] as [Filtering, NatProfile['filtering']]
      const nat: NatKind = { ...kind, filtering: name }
      const { profile } = enumerate({ seed, nats: [nat] })
      expect(profile.external).toBe('203.0.113.5')
      expect(of(profile.udp), `udp, seed ${seed}`).toEqual({ ...found, filtering })
      expect(of(profile.tcp), `tcp, seed ${seed}`).toEqual({ ...found, filtering })
      expect(profile.tcp.confidence).toBeGreaterThan(0.75)
    }
  })
})
