import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { decodeSntp, encodeSntp, sntpBytes, sntpModes, toNtpTime } from '../protocol/sntp.js'
import type { Clock } from './clock.js'
import { errnoOf } from './socket-errors.js'

/** Where to answer, and with which time. */
export interface SntpResponderOptions {
  /** An address of this machine. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly clock: Clock
  /** 1 to 15; default 10, behind every server that has its time from elsewhere. */
  readonly stratum?: number
}

/** A time server of this process; whoever started it closes it. */
export interface SntpResponder {
  readonly port: number
  /** Stops answering. Idempotent. */
  close(): Promise<void>
}

/**
 * Answers SNTP requests with the wall clock of this node. Each answer is as long as its request, so it amplifies nothing, and there are at
 * most `defaults.clock.answersPerSecond`; anything else is dropped. Rejects with ERR_PORT_IN_USE or ERR_LISTEN.
 */
export async function startSntpResponder({ host, port, clock, stratum = 10 }: SntpResponderOptions): Promise<SntpResponder> {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host.includes(':') && host !== '::' })
  await bind(socket, host, port)
  const startedAt = toNtpTime(clock.wallNow())
  let second = 0
  let answers = 0
  const mayAnswer = (): boolean => {
    const now = Math.floor(clock.now() / 1_000)
    if (now !== second) answers = 0
    second = now
    return ++answers <= defaults.clock.answersPerSecond
  }
  socket.on('message', (bytes: Buffer, sender: RemoteInfo) => {
    const receiveTime = toNtpTime(clock.wallNow())
    if (bytes.length !== sntpBytes) return
    const { mode, version, poll, transmitTime } = decodeSntp(bytes)
    if (mode !== sntpModes.client || version < 1 || version > 4 || !mayAnswer()) return
    const answer = encodeSntp({
      leap: 0, version, mode: sntpModes.server, stratum, poll, precision, rootDelayMs: 0, rootDispersionMs: 0,
      referenceId, referenceTime: startedAt, originTime: transmitTime, receiveTime, transmitTime: toNtpTime(clock.wallNow()),
    })
    socket.send(answer, sender.port, sender.address, ignore)
  })
  let closing: Promise<void> | undefined
  const close = () => new Promise<void>(resolve => void socket.close(resolve))
  return { port: socket.address().port, close: () => (closing ??= close()) }
}

/** A microsecond: what the wall clock of a process resolves. */
const precision = -20

/** RFC 5905 section 7.3: a clock that has its time from nowhere else. */
const referenceId = Buffer.from('LOCL')

function bind(socket: Socket, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => {
      socket.close()
      const isTaken = errnoOf(cause) === 'EADDRINUSE'
      const why = isTaken ? 'is taken by another process' : `cannot be opened: ${errnoOf(cause) || String(cause)}`
      reject(new ThroughlineError(isTaken ? 'ERR_PORT_IN_USE' : 'ERR_LISTEN', `UDP port ${port} ${why}`, { cause, facts: { port } }))
    }
    socket.once('error', onError).bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', onError).on('error', ignore)
      resolve()
    })
  })
}

const ignore = () => {}
