import { createSocket, type Socket } from 'node:dgram'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../errors/index.js'
import type { TimeSample } from '../nat/clock-estimate.js'
import type { TimeReading } from '../nat/clock-reply.js'
import { familyOf, type Endpoint } from '../protocol/endpoint.js'
import { bounded } from './bounded.js'
import { exchangeSntp, unreachable, type SntpExchange } from './sntp-exchange.js'
import { parseTimeServer, resolveTimeServer } from './sntp-host.js'

/** Which server to ask: `HOST`, `HOST:PORT`, `[V6]:PORT`; the port is 123 unless told. */
export interface TimeServerRequest extends Pick<SntpExchange, 'clock' | 'random' | 'signal'> {
  readonly server: string
}

/** What came of it. */
export type TimeServerAnswer =
  | { readonly ok: true; readonly server: string; readonly sample: TimeSample }
  /** `isFinal`: the server wants never to be asked again. */
  | { readonly ok: false; readonly server: string; readonly failure: Failure; readonly isFinal: boolean }

/**
 * Asks one server a few times and keeps the answer with the least delay, by its IPv6 and then its IPv4 address (or the
 * other way round, as the system prefers). Never rejects: failures are ERR_SERVER_URL, ERR_TIME_SERVER_* or ERR_CANCELLED.
 * Takes about a second, at most 10 s.
 */
export async function askTimeServer(request: TimeServerRequest): Promise<TimeServerAnswer> {
  const { server, signal } = request
  const failed = (error: unknown): TimeServerAnswer => ({ ok: false, server, failure: toFailure(error), isFinal: false })
  try {
    const endpoints = await resolveTimeServer(parseTimeServer(server), { timeoutMs: defaults.clock.resolveTimeoutMs, signal })
    let answer: TimeServerAnswer | undefined
    for (const endpoint of endpoints) {
      answer = await askEndpoint(endpoint, request).catch(failed)
      if (answer.ok || answer.failure.code !== 'ERR_TIME_SERVER_UNREACHABLE') break
    }
    return answer ?? failed(unreachable('no address'))
  } catch (error) {
    return failed(error)
  }
}

async function askEndpoint(endpoint: Endpoint, { server, clock, random, signal }: TimeServerRequest): Promise<TimeServerAnswer> {
  const { burst, burstGapMs, burstLimitMs } = defaults.clock
  const startedAtMs = clock.now()
  const socket = await openSocket(endpoint, signal)
  const exchange = (delayMs: number) => exchangeSntp({ socket, clock, random, signal, delayMs })
  const toSample = (reading: TimeReading): TimeSample => ({ ...reading, server, atMs: clock.now() })
  try {
    const first = await exchange(0)
    if (!first.ok) return { ok: false, server, failure: first.failure, isFinal: first.isFinal }
    let best = toSample(first.reading)
    for (let count = 1; count < burst && clock.now() - startedAtMs < burstLimitMs; count++) {
      // one answer is enough: some servers limit how often they are asked
      const later = await exchange(burstGapMs).catch(() => undefined)
      if (later?.ok !== true) break
      if (later.reading.delayMs < best.delayMs) best = toSample(later.reading)
    }
    return { ok: true, server, sample: best }
  } finally {
    socket.close()
  }
}

/** A socket that hears nobody but the server, on a port nobody can guess. The caller closes it. */
function openSocket({ host, port }: Endpoint, signal: AbortSignal): Promise<Socket> {
  const timeoutMs = defaults.clock.repeatMs
  const onTimeout = () => new ThroughlineError('ERR_TIME_SERVER_UNREACHABLE', `no socket in ${timeoutMs} ms`)
  return bounded({ signal, timeoutMs, what: 'asking for the time', onTimeout }, ({ resolve, reject }) => {
    const socket = createSocket(familyOf(host) === 6 ? 'udp6' : 'udp4')
    let isHandedOver = false
    const onConnect = () => {
      isHandedOver = true
      resolve(socket)
    }
    const onError = (cause: Error) => reject(unreachable(cause))
    socket.once('connect', onConnect).on('error', onError)
    socket.connect(port, host)
    return () => {
      socket.off('connect', onConnect).off('error', onError).on('error', ignore)
      if (!isHandedOver) socket.close()
    }
  })
}

const ignore = () => {}
