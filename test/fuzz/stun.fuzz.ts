/**
 * Mutates valid STUN messages and streams of them: cut, spoofed (transaction, source), oversized, without end. Asserts that the codec and the
 * framing fail by code or not at all, that the client's accept logic takes a reply only from where and for what it asked, that the responder's
 * answers stay small, and that memory stays bounded. Run: `npx tsx test/fuzz/stun.fuzz.ts [--runs N] [--seed N]`.
 */
import { defaults } from '../../src/config/defaults.js'
import { ThroughlineError } from '../../src/errors/index.js'
import type { Endpoint } from '../../src/protocol/endpoint.js'
import { alternateServer, changedAddress, mappedAddress, otherAddress, responseOrigin, sourceAddress, xorMappedAddress } from '../../src/protocol/stun/addresses.js'
import { attribute, readAttribute, unknownRequired, type EncodableAttribute } from '../../src/protocol/stun/attribute.js'
import { answerBinding } from '../../src/protocol/stun/binding-answer.js'
import { encodeBindingRequest, judgeReply } from '../../src/protocol/stun/binding-exchange.js'
import { changeRequest } from '../../src/protocol/stun/change-request.js'
import { errorCode, unknownAttributes } from '../../src/protocol/stun/error-code.js'
import { addFingerprint, verifyFingerprint } from '../../src/protocol/stun/fingerprint.js'
import { shortTermKey, signMessage, verifyIntegrity } from '../../src/protocol/stun/integrity.js'
import { bindingMethod, decodeMessage, encodeMessage, newTransaction, type StunClass } from '../../src/protocol/stun/message.js'
import { StunStreamDecoder } from '../../src/protocol/stun/stream-decoder.js'
import { nonce, realm, software, username } from '../../src/protocol/stun/texts.js'
import { fuzzArguments } from './arguments.js'

const { runs, seed, random } = fuzzArguments()
const { maxMessageBytes } = defaults.stun
const maxGrowth = 64 * 1_024 ** 2

const randomBytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

const server: Endpoint = { host: '192.0.2.1', port: 3_478 }
const other: Endpoint = { host: '192.0.2.2', port: 3_479 }
const mapped: Endpoint = { host: '198.51.100.7', port: 40_000 }
const mapped6: Endpoint = { host: '2001:db8::7', port: 40_000 }
const transaction = newTransaction(Buffer.from('0123456789ab'))
const changing = newTransaction(Buffer.from('ba9876543210'))
const key = shortTermKey('secret')
const pending = new Map([[transaction.toString('hex'), { server }], [changing.toString('hex'), { server, replyFrom: other }]])

const write = (name: StunClass, attributes: readonly EncodableAttribute[], id = transaction) => encodeMessage({ class: name, method: bindingMethod, transaction: id }, attributes)
const replies: readonly Buffer[] = [
  write('success', [attribute(xorMappedAddress, mapped), attribute(otherAddress, other), attribute(responseOrigin, server), attribute(software, 'x')]),
  write('success', [attribute(mappedAddress, mapped), attribute(sourceAddress, server), attribute(changedAddress, other)]),
  write('success', [attribute(xorMappedAddress, mapped6)], changing),
  addFingerprint(signMessage(write('success', [attribute(xorMappedAddress, mapped)]), key)),
  write('error', [attribute(errorCode, { code: 420, reason: 'Unknown Attribute' }), attribute(unknownAttributes, [3, 0x7777])]),
  write('error', [attribute(errorCode, { code: 300, reason: 'Try Alternate' }), attribute(alternateServer, other), attribute(realm, 'r'), attribute(nonce, 'n')], changing),
]
const requests: readonly Buffer[] = [
  encodeBindingRequest(transaction),
  encodeBindingRequest(changing, { change: { address: true, port: true } }),
  encodeBindingRequest(Buffer.from('0123456789abcdef'), { change: { address: false, port: true } }),
  addFingerprint(signMessage(write('request', [attribute(username, 'u')]), key, 'sha256')),
]
const codecs = [
  mappedAddress, xorMappedAddress, sourceAddress, changedAddress, responseOrigin, otherAddress, alternateServer, changeRequest, errorCode, unknownAttributes, username, realm, nonce, software,
]

/** Bytes that decide: types, lengths and families live on them. */
const telling = [0, 1, 2, 3, 4, 8, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xff]

function mutate(source: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(source)
  for (let count = random(4); count > 0 && bytes.length > 0; count--) {
    const at = random(bytes.length)
    const kind = random(8)
    if (kind < 3) bytes[at] = random(2) === 0 ? pick(telling) : random(256)
    else if (kind === 3) bytes = Buffer.from(bytes.subarray(0, at))
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at & ~3), randomBytes(random(40)), bytes.subarray(at & ~3)])
    else if (kind === 5) bytes = Buffer.concat([bytes, bytes.subarray(at & ~3)])
    else if (kind === 6 && random(20) === 0) bytes = Buffer.concat([bytes, Buffer.alloc(random(2 * maxMessageBytes), pick(telling))])
    else bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
  }
  // half of them with a length that fits again, or the rest would never be looked at
  if (bytes.length >= 20 && random(2) === 0) bytes.writeUInt16BE((bytes.length - 20) & 0xffff, 2)
  return bytes
}

const assert = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

const counts = { decoded: 0, refused: 0, success: 0, bad: 0, foreign: 0, answered: 0, streamed: 0 }

function codec(): void {
  const bytes = mutate(pick(random(2) === 0 ? replies : requests))
  const message = decodeMessage(bytes)
  assert(bytes.length <= maxMessageBytes, 'an oversized message was read')
  assert(unknownRequired(message, new Set()).length <= message.attributes.length, 'more unknown attributes than there are')
  verifyIntegrity(message, key, pick(['sha1', 'sha256']))
  verifyFingerprint(message)
  counts.decoded++
  readAttribute(message, pick<(typeof codecs)[number]>(codecs) as typeof mappedAddress)
}

/** What the client accepts. */
function exchange(): void {
  const bytes = mutate(pick(replies))
  const source = pick([server, server, other, { ...server, port: 1 }, { ...other, host: '192.0.2.3' }])
  const verdict = judgeReply(bytes, source, pending)
  if (verdict.outcome === 'foreign') return void counts.foreign++
  const id = bytes.toString('hex', 4, 20)
  assert(pending.get(id) === verdict.asked, 'a reply settled a request of another transaction')
  assert(source === server || (source === other && id === changing.toString('hex')), 'a reply from elsewhere was accepted')
  if (verdict.outcome !== 'success') return void counts.bad++
  counts.success++
  assert(source === (id === changing.toString('hex') ? other : server), 'a success came from the wrong endpoint')
  for (const endpoint of [verdict.reply.mapped, verdict.reply.other ?? mapped, verdict.reply.origin ?? mapped]) assert(endpoint.port > 0 && endpoint.port < 65_536, 'a port out of range')
}

/** What the responder answers. */
function answer(): void {
  const bytes = mutate(pick(requests))
  const transport = pick(['udp', 'tcp'] as const)
  const place = { transport, local: server, other: { host: pick([other.host, undefined]), port: other.port } }
  const answered = answerBinding(bytes, pick([mapped, mapped6]), place, () => random(2) === 0)
  if (answered === undefined) return
  counts.answered++
  assert(answered.bytes.length <= Math.max(transport === 'udp' ? 100 : 108, bytes.length + 40), `an answer of ${answered.bytes.length} bytes to ${bytes.length}`)
  assert(answered.bytes.subarray(4, 20).equals(bytes.subarray(4, 20)), 'an answer to another transaction')
}

/** TCP framing, in pieces; now and then a peer that never stops. */
function stream(): void {
  const bytes = Buffer.concat(Array.from({ length: 1 + random(4) }, () => (random(3) === 0 ? mutate(pick(replies)) : pick(replies))))
  const decoder = new StunStreamDecoder()
  const take = (message: Buffer) => {
    counts.streamed++
    assert(message.length >= 20 && message.length <= maxMessageBytes && message.length % 4 === 0, `a message of ${message.length} bytes`)
    judgeReply(message, server, pending)
  }
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random(random(2) === 0 ? 16 : bytes.length)
    decoder.push(Buffer.from(bytes.subarray(at, at + size)), take)
    at += size
  }
  if (random(500) === 0) for (let sent = 0; sent < 1_000; sent++) decoder.push(pick(replies), take)
}

const targets = [codec, exchange, answer, stream]
const startRss = process.memoryUsage().rss
const started = performance.now()
for (let done = 0; done < runs; done++) {
  try {
    targets[done % targets.length]?.()
  } catch (error) {
    if (ThroughlineError.is(error) && error.code === 'ERR_MALFORMED') {
      counts.refused++
      continue
    }
    console.error(`stun: run ${done} failed; repeat with --seed ${seed} --runs ${done + 1}`)
    throw error
  }
}
const growth = process.memoryUsage().rss - startRss
if (growth > maxGrowth) throw new Error(`memory grew by ${growth} bytes over ${runs} runs`)
console.log(`stun: ${runs} runs with seed ${seed} in ${((performance.now() - started) / 1_000).toFixed(1)} s: ${Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(', ')}, memory ${Math.round(growth / 1_024)} KiB`)
