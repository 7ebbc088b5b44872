import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { startSntpResponder, type SntpResponder } from '../../../src/net/sntp-responder.js'
import { decodeSntp, encodeSntpRequest, fromNtpTime } from '../../../src/protocol/sntp.js'
import { FakeClock } from '../../support/fake-clock.js'

const clock = new FakeClock()
const request = (number = 1) => encodeSntpRequest(Buffer.from(number.toString(16).padStart(16, '0'), 'hex'))

let responder: SntpResponder
let socket: Socket
let answers: Buffer[]
beforeEach(async () => {
  responder = await startSntpResponder({ host: '127.0.0.1', port: 0, clock })
  socket = createSocket('udp4').bind(0, '127.0.0.1')
  answers = []
  socket.on('message', bytes => answers.push(bytes))
  await once(socket, 'listening')
})
afterEach(async () => {
  vi.restoreAllMocks()
  socket.close()
  await responder.close()
})

const send = (bytes: Buffer) => socket.send(bytes, responder.port, '127.0.0.1')
const answered = (count: number) => vi.waitFor(() => expect(answers.length).toBeGreaterThanOrEqual(count), { timeout: 5_000, interval: 5 })

describe('the SNTP responder', () => {
  it('answers with the wall clock of its node, as long as the request', async () => {
    send(request(7))
    await answered(1)
    expect(answers[0]).toHaveLength(48)
    const answer = decodeSntp(answers[0]!)
    expect(answer).toMatchObject({ leap: 0, version: 4, mode: 4, stratum: 10, originTime: 7n })
    expect(fromNtpTime(answer.transmitTime, clock.startMs)).toBeCloseTo(clock.wallNow(), 2)
    expect(answer.receiveTime).toBe(answer.transmitTime)
  })

  it('says the stratum it is given, and answers old versions in their own', async () => {
    const other = await startSntpResponder({ host: '127.0.0.1', port: 0, clock, stratum: 3 })
    const old = request()
    old[0] = (1 << 3) | 3
    socket.send(old, other.port, '127.0.0.1')
    await answered(1)
    expect(decodeSntp(answers[0]!)).toMatchObject({ stratum: 3, version: 1 })
    await other.close()
  })

  it.each([
    ['answers, which two of them could send each other for ever', Buffer.concat([Buffer.from([0x24]), Buffer.alloc(47)])],
    ['versions nobody speaks', Buffer.concat([Buffer.from([0x3b]), Buffer.alloc(47)])],
    ['shorter messages', Buffer.alloc(47, 0x23)],
    ['longer messages', Buffer.alloc(68, 0x23)],
    ['empty messages', Buffer.alloc(0)],
  ])('drops %s', async (_what, bytes) => {
    send(bytes)
    send(request(9))
    await answered(1)
    expect(answers.map(answer => decodeSntp(answer).originTime)).toEqual([9n])
  })

  it('answers a bounded number of requests a second, and goes on in the next', async () => {
    const { answersPerSecond } = defaults.clock
    const reads = vi.spyOn(clock, 'wallNow')
    // the clock is read once for a request and once for an answer; what is sent at once overflows the socket's buffer
    const read = (number: number) => vi.waitFor(() => expect(reads.mock.calls.length).toBe(number + Math.min(number, answersPerSecond)), { timeout: 5_000, interval: 1 })
    for (let number = 1; number <= answersPerSecond + 50; number++) {
      send(request(number))
      if (number % 50 === 0) await read(number)
    }
    clock.advance(1_000)
    send(request(0xffff))
    await vi.waitFor(() => expect(decodeSntp(answers.at(-1)!).originTime).toBe(0xffffn), { timeout: 5_000, interval: 5 })
    expect(answers).toHaveLength(answersPerSecond + 1)
  })

  it('tells when its port is taken', async () => {
    await expect(startSntpResponder({ host: '127.0.0.1', port: responder.port, clock })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
  })

  it('tells when it cannot listen at all', async () => {
    await expect(startSntpResponder({ host: '192.0.2.1', port: 0, clock })).rejects.toMatchObject({ code: 'ERR_LISTEN' })
  })

  it('closes once and frees its port', async () => {
    await Promise.all([responder.close(), responder.close()])
    await expect(startSntpResponder({ host: '127.0.0.1', port: responder.port, clock }).then(again => again.close())).resolves.toBeUndefined()
  })
})
