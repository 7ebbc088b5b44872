import { describe, expect, it } from 'vitest'
import { readSntpReply } from '../../../src/nat/clock-reply.js'
import { toNtpTime, type SntpPacket } from '../../../src/protocol/sntp.js'
import { epochMs, simulateExchange, type SimulatedExchange } from '../../support/sntp-replies.js'

const nonce = 0x0123_4567_89ab_cdefn

/** The outcome of one exchange for the client that asked. */
function exchange(given: Omit<SimulatedExchange, 'nonce'> = {}) {
  const { bytes, sentAtMs, receivedAtMs } = simulateExchange({ nonce, ...given })
  return readSntpReply(bytes, [{ nonce, sentAtMs }], receivedAtMs)
}

const withFields = (fields: Partial<SntpPacket>) => exchange({ fields })
const kiss = (code: string) => withFields({ stratum: 0, leap: 3, receiveTime: 0n, transmitTime: 0n, referenceId: Buffer.from(code) })
const failed = (code: string, message: RegExp) => expect.objectContaining({ ok: false, failure: { code, message: expect.stringMatching(message) as string } }) as unknown
const unfit = (message: RegExp) => failed('ERR_TIME_SERVER_UNFIT', message)

describe('a reply', () => {
  it('tells the offset, whatever time the server took, and the delay without it', () => {
    const outcome = exchange({ trueOffsetMs: 1_234.5, heldMs: 300 })
    expect(outcome).toMatchObject({ ok: true, reading: { offsetMs: expect.closeTo(1_234.5, 2) as number, delayMs: expect.closeTo(40, 2) as number } })
  })

  it.each([[40, 0], [0, 40], [33, 7]])('is wrong by at most half the delay when it took %i ms forth and %i ms back', (forthMs, backMs) => {
    const outcome = exchange({ forthMs, backMs, trueOffsetMs: -75 })
    if (outcome?.ok !== true) return expect.unreachable()
    const { offsetMs, delayMs, rootDistanceMs } = outcome.reading
    expect(Math.abs(offsetMs - -75)).toBeLessThanOrEqual(delayMs / 2 + rootDistanceMs)
  })

  it('is as far from true time as the server says, its precision included', () => {
    const outcome = withFields({ rootDelayMs: 30, rootDispersionMs: 5, precision: -10 })
    expect(outcome).toMatchObject({ reading: { rootDistanceMs: expect.closeTo(15 + 5 + 1_000 / 1_024, 1) as number } })
  })

  it.each([
    ['in the next era of NTP', Date.UTC(2036, 1, 7, 6, 28, 16) + 5_000, 1_000],
    ['across the change of eras', Date.UTC(2036, 1, 7, 6, 28, 16) - 10, 50],
    ['when our clock was never set', epochMs, epochMs],
  ])('is understood %s', (_when, atMs, trueOffsetMs) => {
    expect(exchange({ atMs, trueOffsetMs })).toMatchObject({ ok: true, reading: { offsetMs: expect.closeTo(trueOffsetMs, 2) as number } })
  })

  it('in version 3 is taken', () => {
    expect(withFields({ version: 3 })).toMatchObject({ ok: true })
  })

  it('is measured from the request it repeats the nonce of', () => {
    const { bytes, sentAtMs, receivedAtMs } = simulateExchange({ nonce })
    const outcome = readSntpReply(bytes, [{ nonce: 7n, sentAtMs: sentAtMs - 500 }, { nonce, sentAtMs }], receivedAtMs)
    expect(outcome).toMatchObject({ ok: true, reading: { delayMs: expect.closeTo(40, 2) as number } })
  })
})

describe('what is no reply to us', () => {
  it.each<[string, Partial<SntpPacket>]>([
    ['repeats another nonce', { originTime: nonce + 1n }],
    ['repeats no nonce', { originTime: 0n }],
    ['is a request', { mode: 3 }],
    ['is a broadcast', { mode: 5 }],
    ['has a version nobody speaks', { version: 7 }],
    ['is a kiss-o\'-death with another nonce', { stratum: 0, referenceId: Buffer.from('DENY'), originTime: 1n }],
  ])('is passed over: it %s', (_what, fields) => {
    expect(withFields(fields)).toBeUndefined()
  })

  it('is passed over when it is truncated', () => {
    const { bytes, sentAtMs, receivedAtMs } = simulateExchange({ nonce })
    for (let length = 0; length < bytes.length; length++) expect(readSntpReply(bytes.subarray(0, length), [{ nonce, sentAtMs }], receivedAtMs)).toBeUndefined()
  })
})

describe('a server that has no usable time', () => {
  it.each<[string, Partial<SntpPacket>, RegExp]>([
    ['leap indicator 3', { leap: 3 }, /not synchronised/],
    ['stratum 16', { stratum: 16 }, /not synchronised/],
    ['no receive time', { receiveTime: 0n }, /missing/],
    ['no transmit time', { transmitTime: 0n }, /missing/],
    ['a root delay of minutes', { rootDelayMs: 120_000 }, /60000 ms off/],
    ['a root dispersion of seconds', { rootDispersionMs: 2_000 }, /2000 ms off/],
    ['a precision of seconds', { precision: 3 }, /8000 ms off/],
    ['an answer before the question', { transmitTime: toNtpTime(epochMs) }, /before it was asked/],
    ['more time taken than the exchange took', { transmitTime: toNtpTime(epochMs + 500) }, /longer than the whole exchange/],
  ])('is told by %s', (_what, fields, message) => {
    expect(withFields(fields)).toEqual(unfit(message))
  })

  it('may count a little too much where its clock is coarse', () => {
    expect(exchange({ forthMs: 0.1, backMs: 0.1, heldMs: 1, fields: { precision: -10, transmitTime: toNtpTime(epochMs + 2) } })).toMatchObject({ ok: true, reading: { delayMs: 0 } })
  })
})

describe("a kiss-o'-death", () => {
  it.each(['DENY', 'RSTR'])('%s is final', code => {
    expect(kiss(code)).toEqual({ ok: false, isFinal: true, failure: { code: 'ERR_TIME_SERVER_REFUSED', message: `it refuses to serve this machine (${code})` } })
  })

  it('RATE is a refusal for now', () => {
    expect(kiss('RATE')).toMatchObject({ isFinal: false, failure: { code: 'ERR_TIME_SERVER_REFUSED' } })
  })

  it('of a server that is about to start is no refusal', () => {
    expect(kiss('INIT')).toEqual(unfit(/INIT/))
  })

  it('shows no control characters', () => {
    expect(kiss('\u001b[2J')).toEqual(unfit(/\(\?\[2J\)/))
  })
})
