/**
 * Mutates what TURN servers send: replies, indications, ChannelData, streams of them, and the URLs people write. Asserts that codecs and framing
 * fail by code or not at all, that a reply counts as success only when it is signed with the password, that nothing longer than allowed is
 * taken, and that memory stays bounded. Run: `npx tsx test/fuzz/turn.fuzz.ts [--runs N] [--seed N]`.
 */
import { defaults } from '../../src/config/defaults.js'
import { ThroughlineError } from '../../src/errors/index.js'
import { alternateServer, xorMappedAddress } from '../../src/protocol/stun/addresses.js'
import { attribute, readAttribute, type AttributeCodec, type EncodableAttribute } from '../../src/protocol/stun/attribute.js'
import { errorCode } from '../../src/protocol/stun/error-code.js'
import { signMessage, verifyIntegrity } from '../../src/protocol/stun/integrity.js'
import { decodeMessage, encodeMessage, newTransaction, type StunClass } from '../../src/protocol/stun/message.js'
import { nonce, realm } from '../../src/protocol/stun/texts.js'
import { xorPeerAddress, xorRelayedAddress } from '../../src/protocol/turn/addresses.js'
import { channelNumber, decodeChannelData, encodeChannelData, isChannelData } from '../../src/protocol/turn/channel.js'
import { requestedFamily, requestedTransport } from '../../src/protocol/turn/choices.js'
import { data } from '../../src/protocol/turn/data.js'
import { encodeTurnRequest, judgeTurnReply } from '../../src/protocol/turn/exchange.js'
import { readRealm, signingKey, type TurnRealm } from '../../src/protocol/turn/long-term.js'
import { turnMethods } from '../../src/protocol/turn/methods.js'
import { connectionId, lifetime } from '../../src/protocol/turn/numbers.js'
import { passwordAlgorithm, passwordAlgorithms } from '../../src/protocol/turn/password-algorithms.js'
import { TurnStreamDecoder } from '../../src/protocol/turn/stream-decoder.js'
import { formatTurnUrl, parseTurnUrl } from '../../src/protocol/turn-url.js'
import { fuzzArguments } from './arguments.js'

const { runs, seed, random } = fuzzArguments()
const { maxMessageBytes } = defaults.turn
const maxGrowth = 64 * 1_024 ** 2

const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
const randomBytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))

const credentials = { username: 'user', password: 'hunter2' }
const known: readonly TurnRealm[] = [{ realm: 'r', nonce: 'n' }, { realm: 'r', nonce: 'obMatJos2gAAAn', algorithms: [2, 1] }]
const transaction = newTransaction(Buffer.from('0123456789ab'))
const peer = { host: '192.0.2.7', port: 4_000 }
const peer6 = { host: '2001:db8::7', port: 4_000 }

const write = (name: StunClass, method: number, attributes: readonly EncodableAttribute[]) => encodeMessage({ class: name, method, transaction }, attributes, maxMessageBytes)
const sign = (message: Buffer, by: TurnRealm): Buffer => {
  const { key, kind } = signingKey(credentials, by)
  return signMessage(message, key, kind)
}
const challenge = [attribute(realm, 'r'), attribute(nonce, 'obMatJos2gAAAn'), attribute(passwordAlgorithms, [2, 1])]
const success = write('success', turnMethods.allocate, [attribute(xorRelayedAddress, peer), attribute(xorMappedAddress, peer6), attribute(lifetime, 600)])
const replies: readonly Buffer[] = [
  success, ...known.map(by => sign(success, by)),
  write('error', turnMethods.allocate, [attribute(errorCode, { code: 401, reason: 'Unauthorized' }), ...challenge]),
  write('error', turnMethods.allocate, [attribute(errorCode, { code: 300, reason: 'Try Alternate' }), attribute(alternateServer, peer)]),
  write('success', turnMethods.connect, [attribute(connectionId, 7), attribute(channelNumber, 0x4001), attribute(requestedFamily, 6), attribute(requestedTransport, 'tcp'), attribute(passwordAlgorithm, 2)]),
  write('indication', turnMethods.connectionAttempt, [attribute(xorPeerAddress, peer), attribute(connectionId, 7)]),
  write('indication', turnMethods.data, [attribute(xorPeerAddress, peer6), attribute(data, Buffer.from('datagram'))]),
  ...known.map(by => encodeTurnRequest(turnMethods.refresh, transaction, [attribute(lifetime, 0)], credentials, by).bytes),
]
const channels: readonly Buffer[] = [encodeChannelData(0x4000, Buffer.from('abcde'), true), encodeChannelData(0x4fff, Buffer.alloc(0), true)]
const codecs = [xorPeerAddress, xorRelayedAddress, xorMappedAddress, alternateServer, lifetime, connectionId, channelNumber, requestedFamily, requestedTransport, data, realm, nonce, passwordAlgorithm, passwordAlgorithms]

/** Bytes that decide: types, lengths and families live on them. */
const telling = [0, 1, 2, 4, 8, 0x20, 0x3f, 0x40, 0x4f, 0x50, 0x80, 0xff]

function mutate(source: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(source)
  for (let count = random(4); count > 0 && bytes.length > 0; count--) {
    const at = random(bytes.length)
    const kind = random(7)
    if (kind < 3) bytes[at] = random(2) === 0 ? pick(telling) : random(256)
    else if (kind === 3) bytes = Buffer.from(bytes.subarray(0, at))
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at & ~3), randomBytes(random(40)), bytes.subarray(at & ~3)])
    else if (kind === 5) bytes = Buffer.concat([bytes, bytes.subarray(at & ~3)])
    else bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
  }
  // half of them with a length that fits again, or the rest would never be looked at
  if (bytes.length >= 20 && random(2) === 0) bytes.writeUInt16BE((bytes.length - 20) & 0xffff, 2)
  return bytes
}

const assert = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

const counts = { decoded: 0, refused: 0, success: 0, challenge: 0, other: 0, channel: 0, streamed: 0, urls: 0 }

function codec(): void {
  const message = decodeMessage(mutate(pick(replies)), maxMessageBytes)
  counts.decoded++
  if (random(4) === 0) return void readRealm(message)
  readAttribute(message, pick<(typeof codecs)[number]>(codecs) as AttributeCodec<unknown>)
}

/** What counts as a reply. */
function exchange(): void {
  const { key, kind } = signingKey(credentials, pick(known))
  const signed = random(3) === 0 ? undefined : { key, kind }
  const message = decodeMessage(mutate(pick(replies)), maxMessageBytes)
  const verdict = judgeTurnReply(message, { method: random(4) === 0 ? pick(Object.values(turnMethods)) : turnMethods.allocate, ...(signed !== undefined && { signed }) })
  if (verdict.outcome === 'success') {
    counts.success++
    assert(message.class === 'success', 'no success was taken for one')
    assert(signed === undefined || verifyIntegrity(message, key, kind) === 'valid', 'a success without signature was taken')
  } else if (verdict.outcome === 'challenge') {
    counts.challenge++
    assert(verdict.error.code === 401 || verdict.error.code === 438, 'another error was taken for a challenge')
    // it can be answered
    encodeTurnRequest(turnMethods.allocate, transaction, [], credentials, verdict.realm)
  } else counts.other++
}

function channel(): void {
  const bytes = mutate(pick(channels))
  const { channel, bytes: payload } = decodeChannelData(bytes)
  counts.channel++
  assert(channel >= 0x4000 && channel <= 0x4fff && payload.length <= bytes.length - 4, 'ChannelData that cannot be')
}

/** TCP framing, in pieces; now and then a server that never stops. */
function stream(): void {
  const whole = [...replies, ...channels]
  const bytes = Buffer.concat(Array.from({ length: 1 + random(4) }, () => (random(3) === 0 ? mutate(pick(whole)) : pick(whole))))
  const limit = random(2) === 0 ? maxMessageBytes : defaults.stun.maxMessageBytes
  const decoder = new TurnStreamDecoder(limit)
  const take = (message: Buffer) => {
    counts.streamed++
    assert(message.length >= 4 && message.length <= limit && message.length % 4 === 0, `a message of ${message.length} bytes`)
    if (isChannelData(message)) decodeChannelData(message)
    else decodeMessage(message, limit)
  }
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random(random(2) === 0 ? 16 : bytes.length)
    decoder.push(Buffer.from(bytes.subarray(at, at + size)), take)
    at += size
  }
  if (random(500) === 0) for (let sent = 0; sent < 1_000; sent++) decoder.push(pick(channels), take)
}

const urlParts = ['turn:', 'turns:', 'stun:', 'user', 'hunter2', ':', '@', '[', ']', '::1', 'host', '.example', '3478', '65536', '?transport=', 'udp', 'tcp', '%', '%3A', '%zz', '/', '+', '=', ' ', '1790000000', 'ü']

/** What people write; complaints never quote the password. */
function url(): void {
  const text = `${random(3) > 0 ? pick(['turn:', 'turns:']) : ''}${random(2) > 0 ? 'user:hunter2@' : ''}${Array.from({ length: random(8) }, () => pick(urlParts)).join('')}`
  try {
    const shown = formatTurnUrl(parseTurnUrl(text))
    assert(/^turns?:(\[[0-9a-f:.]+\]|[a-z0-9._-]+):\d+\?transport=(tcp|udp)$/.test(shown), `${shown} is shown`)
    counts.urls++
  } catch (error) {
    if (!ThroughlineError.is(error) || error.code !== 'ERR_SERVER_URL') throw error
    const host = /@([^@]*)$/.exec(text)?.[1] ?? ''
    assert(host.includes('hunter2') || !error.message.includes('hunter2'), 'a complaint names the password')
    counts.refused++
  }
}

const targets = [codec, exchange, channel, stream, url]
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
    console.error(`turn: run ${done} failed; repeat with --seed ${seed} --runs ${done + 1}`)
    throw error
  }
}
const growth = process.memoryUsage().rss - startRss
if (growth > maxGrowth) throw new Error(`memory grew by ${growth} bytes over ${runs} runs`)
console.log(`turn: ${runs} runs with seed ${seed} in ${((performance.now() - started) / 1_000).toFixed(1)} s: ${Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(', ')}, memory ${Math.round(growth / 1_024)} KiB`)
