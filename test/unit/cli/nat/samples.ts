import type { Findings } from '../../../../src/cli/nat/findings.js'
import type { Screen } from '../../../../src/cli/screen.js'
import { unknownProfile } from '../../../../src/nat/enumeration/classify.js'
import { classicName } from '../../../../src/nat/nat-classic.js'
import type { NatProfile } from '../../../../src/nat/nat-profile.js'
import type { NetworkInterface } from '../../../../src/node/types.js'

/** A stream that is no terminal. */
export const plain: Screen = { paint: (_colour, text) => text, wrap: text => text }

/** A profile that was measured well; `unknownProfile` where nothing is given. */
export function profileOf(traits: Partial<NatProfile>): NatProfile {
  const profile = { ...unknownProfile, range: [40_000, 40_015] as const, confidence: 0.94, ...traits }
  return { ...profile, classic: classicName(profile) }
}

/** NATs and firewalls by P2PD's names. */
export const profiles = {
  open: profileOf({ mapping: 'none', filtering: 'none', allocation: 'none' }),
  untested: profileOf({ mapping: 'none', filtering: 'unknown', allocation: 'none' }),
  firewall: profileOf({ mapping: 'none', filtering: 'address-and-port-dependent', allocation: 'none' }),
  portRestricted: profileOf({ mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', allocation: 'equal' }),
  predictable: profileOf({ mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'sequential', delta: -2 }),
  random: profileOf({ mapping: 'address-and-port-dependent', filtering: 'unknown', allocation: 'random', confidence: 0.4 }),
  blocked: { ...unknownProfile, blocked: true, confidence: 0.8, classic: 'blocked' },
} as const satisfies Record<string, NatProfile>

/** What is known at eth0 over IPv4, behind a NAT unless told otherwise. */
export const networkInterface = (fields: Partial<NetworkInterface> = {}): NetworkInterface => ({
  name: 'eth0', family: 4, local: '192.168.1.7', external: '203.0.113.9', hairpin: { tcp: null, udp: null }, cgnatSuspected: false, state: 'known',
  tcp: profiles.portRestricted, udp: profiles.portRestricted, ...fields,
})

/** Everything answered. */
export const findings = (fields: Partial<Findings> & { readonly interfaces?: readonly NetworkInterface[] } = {}): Findings => {
  const { interfaces = [networkInterface()], ...others } = fields
  return {
    summary: { interfaces, relays: [], clock: { offsetMs: 12.34, uncertaintyMs: 4.5, source: 'ntp.example' } },
    brokers: [{ url: 'mqtt://broker.example:1883', state: 'online', rttMs: 20 }],
    stun: [{ server: 'stun.example:3478', tcp: { rttMs: 21 }, udp: { rttMs: 20 } }],
    timeServers: ['ntp.example'],
    ...others,
  }
}
