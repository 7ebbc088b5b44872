/**
 * Mutates valid envelopes, message bodies and addresses and asserts that decoding drops them or fails by code, and that memory stays
 * bounded. Run: `npx tsx test/fuzz/envelope.fuzz.ts [--runs N] [--seed N]`.
 */
import { ThroughlineError } from '../../src/errors/index.js'
import { decodeAddress, decodeAddressBytes, encodeAddress, encodeAddressBytes } from '../../src/protocol/address.js'
import { peerIdOfCertificate } from '../../src/protocol/certificate.js'
import { openEnvelope, sealEnvelope } from '../../src/protocol/envelope.js'
import { newSealingKey } from '../../src/net/sealing-key.js'
import { identityFromSeed, importSealingKey } from '../../src/protocol/identity.js'
import { decodeSignalBody, encodeSignalBody, type OfferMessage, type SignalMessage, signalTypeCode } from '../../src/protocol/signal-message.js'
import { fuzzArguments } from './arguments.js'

const { runs, seed, random } = fuzzArguments()

const randomBytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))

const sender = identityFromSeed(new Uint8Array(32).fill(1))
const recipient = identityFromSeed(new Uint8Array(32).fill(2))
const offer: OfferMessage = {
  type: 'offer',
  session: '1'.repeat(32),
  attempt: '2'.repeat(32),
  protocol: 'chat',
  strategies: ['direct', 'reverse'],
  interfaces: [
    { family: 4, local: { host: '10.0.0.1', port: 1 }, nat: { mapping: 'none', filtering: 'none', allocation: 'equal', delta: 0 } },
    { family: 6, external: { host: '2001:db8::1', port: 2 } },
  ],
  punch: [{ family: 4, external: { host: '203.0.113.1', port: 3 }, range: [1_024, 65_535] }],
  relay: [
    { relayed: { host: '198.51.100.1', port: 4 }, server: { host: '198.51.100.1', port: 3_478 } },
    { relayed: { host: '2001:db8::2', port: 5 }, server: { host: '198.51.100.1', port: 5_349 } },
  ],
  inbox: `tl/1/${'a'.repeat(32)}`,
  doorKey: sender.doorKey,
  machineTag: new Uint8Array(8),
  brokerRttMs: 9,
}
const bound = { of: '4'.repeat(32), attempt: offer.attempt, round: 1 }
const messages: readonly SignalMessage[] = [
  offer, { type: 'update', ...bound, punch: [...offer.punch, ...offer.interfaces], relay: offer.relay }, { type: 'commit', ...bound, atMs: 1_700_000_000_000 },
]
const record = { sequence: 1, brokers: ['mqtt://b:1883'], doorKey: sender.doorKey, machineTag: new Uint8Array(8), interfaces: offer.interfaces }
const sealing = { message: offer, sender, recipient: recipient.publicKey, messageId: '3'.repeat(32), timeMs: 1, ephemeralKey: importSealingKey(new Uint8Array(32).fill(3)) }

/** Flips, overwrites, cuts, inserts, repeats or replaces. */
function mutate(source: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(source)
  for (let count = 1 + random(4); count > 0 && bytes.length > 0; count--) {
    const at = random(bytes.length)
    const kind = random(6)
    if (kind === 0) bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random(8)), at)
    else if (kind === 1) bytes.writeUInt8(random(256), at)
    else if (kind === 2) bytes = Buffer.from(bytes.subarray(0, at))
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), randomBytes(random(40)), bytes.subarray(at)])
    else if (kind === 4) bytes = Buffer.concat([bytes, bytes.subarray(at)])
    else bytes = randomBytes(random(600))
  }
  return bytes
}

const bodies = messages.map((message) => ({ type: signalTypeCode(message), body: encodeSignalBody(message) }))
const address = encodeAddressBytes(record, sender)
const addressText = encodeAddress(record, sender)
const envelopes = messages.flatMap((message) => [sealEnvelope({ ...sealing, message }), sealEnvelope({ ...sealing, message, doorKey: recipient.doorKey })])

/** One of them; lists of this file are never empty. */
const oneOf = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item

/** Each target may throw coded errors only, and opens nothing that was changed. */
const targets: readonly (() => void)[] = [
  () => {
    const envelope = oneOf(envelopes)
    const changed = mutate(envelope)
    if (!changed.equals(envelope) && openEnvelope(changed, recipient) !== undefined) throw new Error('A changed envelope was opened.')
  },
  () => {
    // A hostile sender: properly signed and sealed, with odd values inside.
    const message = { ...offer, protocol: randomBytes(random(80)).toString('utf8') }
    const envelope = sealEnvelope({ ...sealing, message, ephemeralKey: newSealingKey() })
    if (openEnvelope(envelope, recipient) === undefined) throw new Error('A valid envelope was dropped.')
  },
  () => {
    // Under its own type as often as under any other.
    const { type, body } = oneOf(bodies)
    decodeSignalBody(random(2) === 0 ? type : random(12), mutate(body))
  },
  () => {
    const changed = mutate(address)
    decodeAddressBytes(changed)
    if (!changed.equals(address)) throw new Error('A changed address was accepted.')
  },
  () => void decodeAddress(mutate(Buffer.from(addressText)).toString('latin1')),
  () => void peerIdOfCertificate(mutate(address)),
]

const megabytesUsed = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}

const started = performance.now()
let opened = 0
let refused = 0
let baseline = 0
for (let run = 0; run < runs; run++) {
  try {
    targets[run % targets.length]?.()
    opened++
  } catch (error) {
    if (!ThroughlineError.is(error)) {
      console.error(`seed ${seed}, run ${run}:`, error)
      process.exit(1)
    }
    refused++
  }
  // After a tenth of the runs the caches are full and the code is compiled.
  if (run === Math.floor(runs / 10)) baseline = megabytesUsed()
}
const growth = megabytesUsed() - baseline
console.log(`seed ${seed}: ${runs} runs in ${((performance.now() - started) / 1_000).toFixed(1)} s, ${opened} passed, ${refused} refused by code, heap grew ${growth.toFixed(1)} MB`)
// Without --expose-gc garbage counts too: 64 MB is what V8 may leave lying about, far below a leak of 1 kB per run at 100,000 runs.
if (growth > 64) {
  console.error('Memory grew.')
  process.exit(1)
}
