import fc from 'fast-check'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import type { InterfaceRecord, NatSummary } from '../../../src/protocol/interface-record.js'
import type { SignalMessage } from '../../../src/protocol/signal-message.js'

/** Identities made of one repeated byte, so that failures print as numbers. */
export const alice = identityFromSeed(new Uint8Array(32).fill(1))
export const bob = identityFromSeed(new Uint8Array(32).fill(2))
export const carol = identityFromSeed(new Uint8Array(32).fill(3))

export const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
export const hexId = bytesOf(16).map((bytes) => Buffer.from(bytes).toString('hex'))
export const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const u8 = fc.integer({ min: 0, max: 255 })
const u16 = fc.integer({ min: 0, max: 65_535 })
const port = fc.integer({ min: 1, max: 65_535 })
const range = fc.tuple(port, port).map(([one, other]): [number, number] => (one < other ? [one, other] : [other, one]))
const host4 = bytesOf(4).map((bytes) => bytes.join('.'))
// Written by WHATWG URL, an implementation of RFC 5952 that is not the one under test.
const host6 = fc
  .array(fc.oneof(fc.constant(0), u16), { minLength: 8, maxLength: 8 })
  .filter((groups) => groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff)
  .map((groups) => new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]/`).hostname.slice(1, -1))

const behaviour = fc.constantFrom('unknown', 'none', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent')
export const nat: fc.Arbitrary<NatSummary> = fc.record({
  mapping: behaviour,
  filtering: behaviour,
  allocation: fc.constantFrom('unknown', 'none', 'equal', 'offset', 'sequential', 'dependent', 'random'),
  delta: fc.integer({ min: -32_768, max: 32_767 }),
})

export const interfaceOf = (family: 4 | 6): fc.Arbitrary<InterfaceRecord> => {
  const endpoint = fc.record({ host: family === 4 ? host4 : host6, port })
  return fc.record({ family: fc.constant(family), local: endpoint, external: endpoint, nat, range }, { requiredKeys: ['family'] })
}

export const interfaces: fc.Arbitrary<InterfaceRecord[]> = fc
  .tuple(fc.array(interfaceOf(4), { maxLength: 3 }), fc.array(interfaceOf(6), { maxLength: 3 }))
  .map(([four, six]) => [...four, ...six])

const relayEndpoint = fc.oneof(host4, host6).chain((host) => fc.record({ host: fc.constant(host), port }))
export const relays = fc.array(fc.record({ relayed: relayEndpoint, server: relayEndpoint }), { maxLength: 4 })

const strategies = fc.shuffledSubarray(['direct', 'reverse', 'punch', 'relay'] as const)
const topic = fc.stringMatching(/^tl\/1\/[a-z2-7]{32}$/)
const code = fc.constantFrom('ERR_REFUSED', 'ERR_BUSY')
const protocol = fc.string({ maxLength: 255 })
const common = { session: hexId, attempt: hexId, strategies, interfaces, punch: interfaces, relay: relays, doorKey: bytesOf(16), machineTag: bytesOf(8), brokerRttMs: u16 }
const message = <Type extends string, Shape>(type: Type, shape: { [K in keyof Shape]: fc.Arbitrary<Shape[K]> }, optional: string[] = []) =>
  fc.record({ type: fc.constant(type), ...shape }, { requiredKeys: ['type', ...Object.keys(shape).filter((key) => !optional.includes(key))] as never[] })

/** Every message with every combination of its optional parts. */
export const anyMessage = fc.oneof(
  message('offer', { ...common, protocol, inbox: topic, nonce: bytesOf(16) }, ['nonce']),
  message('answer', { ...common, receivedAtMs: u48, of: hexId }),
  message('update', { of: hexId, attempt: hexId, round: u8, punch: interfaces, relay: relays }),
  message('commit', { of: hexId, attempt: hexId, round: u8, atMs: u48 }),
  message('ack', { of: hexId, address: fc.uint8Array({ maxLength: 1_024 }) }, ['address']),
  message('refuse', { attempt: hexId, of: hexId, code }),
  message('challenge', { of: hexId, nonce: bytesOf(16) }),
  message('cancel', { session: hexId, attempt: hexId, code }, ['code']),
  message('wantPath', { session: hexId }),
  message('lookup', { inbox: topic, doorKey: bytesOf(16), nonce: bytesOf(16) }, ['nonce']),
) as unknown as fc.Arbitrary<SignalMessage>
