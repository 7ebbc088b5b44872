import { randomBytes } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { systemClock } from '../../../src/net/clock.js'
import { askTimeServer } from '../../../src/net/sntp-client.js'
import { decodeSntp } from '../../../src/protocol/sntp.js'
import { simulateExchange, type SimulatedExchange } from '../../support/sntp-replies.js'

const clock = systemClock()
const sockets: Socket[] = []
afterEach(() => sockets.splice(0).forEach(socket => socket.close()))

async function open(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  sockets.push(socket)
  await once(socket, 'listening')
  return socket
}

interface Question {
  readonly bytes: Buffer
  readonly sender: RemoteInfo
  /** Counts from 0. */
  readonly number: number
  /** A right answer, or one with other fields. */
  answer(given?: Omit<SimulatedExchange, 'nonce'>): Buffer
  send(bytes: Buffer): void
}

/** A server that does what the test says with each request. */
async function serve(onQuestion: (question: Question) => void) {
  const socket = await open()
  const questions: Question[] = []
  socket.on('message', (bytes, sender) => {
    const answer = (given = {}) => simulateExchange({ nonce: decodeSntp(bytes).transmitTime, atMs: clock.wallNow(), forthMs: 0, heldMs: 0, ...given }).bytes
    const question: Question = { bytes, sender, number: questions.length, answer, send: reply => socket.send(reply, sender.port, sender.address) }
    questions.push(question)
    onQuestion(question)
  })
  const { port } = socket.address()
  return { server: `127.0.0.1:${port}`, port, questions, socket }
}

const ask = (server: string, signal = new AbortController().signal) => askTimeServer({ server, clock, random: randomBytes, signal })

describe('asking a time server', () => {
  it('takes a burst, whose least delayed answer counts', async () => {
    const { server, questions } = await serve(({ answer, send, number }) => void setTimeout(() => send(answer()), number === 2 ? 0 : 60))
    const given = await ask(server)
    if (!given.ok) return expect.unreachable(given.failure.message)
    expect(questions).toHaveLength(defaults.clock.burst)
    expect(given.sample.delayMs).toBeLessThan(50)
    expect(Math.abs(given.sample.offsetMs)).toBeLessThanOrEqual(given.sample.delayMs / 2 + given.sample.rootDistanceMs)
  })

  it('tells nothing of this machine but a nonce, another one each time', async () => {
    const { server, questions } = await serve(({ answer, send }) => send(answer()))
    await ask(server)
    for (const { bytes } of questions) expect(bytes.subarray(0, 40).toString('hex')).toBe(`23${'00'.repeat(39)}`)
    expect(new Set(questions.map(({ bytes }) => bytes.toString('hex'))).size).toBe(questions.length)
  })

  it('asks again when a request is lost, and measures from the request that was answered', async () => {
    const { server, questions } = await serve(({ answer, send, number }) => void (number > 0 && send(answer())))
    const given = await ask(server)
    expect(questions.length).toBe(defaults.clock.burst + 1)
    expect(given).toMatchObject({ ok: true })
    if (given.ok) expect(given.sample.delayMs).toBeLessThan(defaults.clock.repeatMs)
  })

  it('takes an answer that comes after the request was repeated', async () => {
    const { server } = await serve(({ answer, send, number }) => void (number === 0 && setTimeout(() => send(answer()), defaults.clock.repeatMs + 100)))
    const given = await ask(server)
    expect(given).toMatchObject({ ok: true, sample: { delayMs: expect.closeTo(defaults.clock.repeatMs + 100, -2) as number } })
  })

  it('keeps the answers it has when the server says no more', async () => {
    const { server } = await serve(({ answer, send, number }) => send(number === 0 ? answer() : answer({ fields: { stratum: 0, referenceId: Buffer.from('RATE') } })))
    expect(await ask(server)).toMatchObject({ ok: true })
  })

  it('gives up a server that stays silent, after three requests', async () => {
    const { server, questions } = await serve(() => {})
    expect(await ask(server)).toMatchObject({ ok: false, isFinal: false, failure: { code: 'ERR_TIME_SERVER_UNREACHABLE', message: 'no answer in 1500 ms' } })
    expect(questions).toHaveLength(defaults.clock.tries)
  })

  it('learns at once that nobody is there', async () => {
    const { server, socket } = await serve(() => {})
    sockets.splice(sockets.indexOf(socket), 1)
    socket.close()
    expect(await ask(server)).toMatchObject({ ok: false, failure: { code: 'ERR_TIME_SERVER_UNREACHABLE', message: expect.stringMatching(/ECONNREFUSED/) as string } })
  })

  it('passes on why a server has no time, and that it wants never to be asked again', async () => {
    const refusing = await serve(({ answer, send }) => send(answer({ fields: { stratum: 0, referenceId: Buffer.from('DENY') } })))
    const starting = await serve(({ answer, send }) => send(answer({ fields: { leap: 3 } })))
    expect(await ask(refusing.server)).toMatchObject({ ok: false, isFinal: true, failure: { code: 'ERR_TIME_SERVER_REFUSED' } })
    expect(await ask(starting.server)).toMatchObject({ ok: false, isFinal: false, failure: { code: 'ERR_TIME_SERVER_UNFIT' } })
    expect(refusing.questions).toHaveLength(1)
  })

  it('hears nobody but the server it asked, even with the right nonce', async () => {
    const stranger = await open()
    const { server } = await serve(({ answer, sender, send }) => {
      stranger.send(answer({ lieMs: 10_000 }), sender.port, sender.address)
      setTimeout(() => send(answer()), 30)
    })
    const given = await ask(server)
    if (!given.ok) return expect.unreachable(given.failure.message)
    expect(Math.abs(given.sample.offsetMs)).toBeLessThan(1_000)
  })

  it('passes over garbage and waits for the answer', async () => {
    const { server } = await serve(({ answer, send }) => {
      for (const junk of [Buffer.alloc(0), Buffer.alloc(47), Buffer.alloc(48, 0xff), randomBytes(1_400), answer({ fields: { originTime: 3n } })]) send(junk)
      setTimeout(() => send(answer()), 20)
    })
    expect(await ask(server)).toMatchObject({ ok: true })
  })

  it('ends when its signal fires, and leaves no socket', async () => {
    const controller = new AbortController()
    const { server } = await serve(() => controller.abort())
    expect(await ask(server, controller.signal)).toMatchObject({ ok: false, failure: { code: 'ERR_CANCELLED' } })
    await vi.waitFor(() => expect(udpSockets()).toBe(sockets.length), { timeout: 5_000, interval: 5 })
  })

  it('does not begin when its signal has fired', async () => {
    const { server, questions } = await serve(() => {})
    expect(await ask(server, AbortSignal.abort())).toMatchObject({ ok: false, failure: { code: 'ERR_CANCELLED' } })
    expect(questions).toHaveLength(0)
  })

  it('never rejects, whatever it is told to ask', async () => {
    expect(await ask('no:server:at all')).toMatchObject({ ok: false, failure: { code: 'ERR_SERVER_URL' } })
    expect(await ask('nobody.invalid')).toMatchObject({ ok: false, failure: { code: 'ERR_TIME_SERVER_UNREACHABLE' } })
  })
})

const udpSockets = (): number => process.getActiveResourcesInfo().filter(kind => kind.startsWith('UDP')).length
