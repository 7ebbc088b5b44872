import { defaults } from '../../config/defaults.js'
import type { Volley } from '../../nat/punch/volley.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import type { Clock } from '../clock.js'
import { isSelfConnect, type Socket } from '../dial-socket.js'
import { errnoOf } from '../socket-errors.js'
import { connectFrom, listenOn } from './punch-ports.js'
import { repeatWaitMs } from './repeat-wait.js'

/** A socket that came up. */
export interface Arrival {
  readonly socket: Socket
  /** Since the last SYN of its port; undefined where the peer connected to us. */
  readonly rttMs: number | undefined
  /** To be told that the other end hung up in the TLS handshake: the port sends again, as one that was refused. A few times. */
  readonly onHangUp?: () => void
}

/** What firing takes. */
export interface VolleyRequest {
  readonly volley: Volley
  readonly clock: Clock
  readonly random: () => number
  /** Asked before each SYN; false leaves it out. */
  readonly maySend: () => boolean
  /** Takes a socket over; an 'error' of it is already listened to. */
  readonly onSocket: (arrival: Arrival) => void
  /** Nothing more can come up, unless a port sends again whose connection was hung up on. Not told after `stop`. */
  readonly onSpent: () => void
}

/** How many SYNs left (the kernel's repetitions aside), were answered by RST or ICMP, and were not allowed to leave. */
export interface VolleyCounts {
  readonly syns: number
  readonly refused: number
  readonly leftOut: number
}

/** A pair of ports that is tried. */
interface Shot {
  readonly localPort: number
  readonly remotePort: number
  /** Sends again after a refusal. */
  readonly isSteady: boolean
  /** Pending: the kernel sends again by itself. */
  socket?: Socket
  sentAtMs: number
  wasRefused?: boolean
  revivals: number
  /** Ends its wait. */
  cancel?: () => void
}

/** The sockets of one volley (docs/decisions/0015). Holds nothing once it is stopped; bounded by what the volley says. */
export class VolleySockets {
  readonly #request: VolleyRequest
  /** Those that may still come up. */
  readonly #shots = new Set<Shot>()
  readonly #counts = { syns: 0, refused: 0, leftOut: 0 }
  #firstFailureMs: number | undefined
  /** Ends the wait for what is to be sent next. */
  #cancelNext: (() => void) | undefined
  /** `sinceMs`: a SYN left from it last. */
  #listening: { readonly port: number; sinceMs: number; readonly stop: () => void } | undefined
  #isStopped = false

  constructor(request: VolleyRequest) {
    this.#request = request
  }

  get counts(): VolleyCounts {
    return this.#counts
  }

  /** Nothing more can come up, unless a port sends again whose connection was hung up on. */
  get isSpent(): boolean {
    return this.#shots.size === 0 && this.#cancelNext === undefined && this.#listening === undefined
  }

  /** Fires; the first SYNs leave in this turn where the volley does not wait. Once. */
  start(): void {
    const { delayMs } = this.#request.volley
    if (delayMs > 0) this.#next(delayMs, () => this.#begin())
    else this.#begin()
  }

  /** Gives up all sockets that have not come up, and the port. Idempotent. */
  stop(): void {
    this.#isStopped = true
    this.#cancelNext?.()
    this.#cancelNext = undefined
    this.#listening?.stop()
    this.#listening = undefined
    for (const { socket, cancel } of this.#shots) {
      cancel?.()
      socket?.destroy()
    }
    this.#shots.clear()
  }

  #begin(): void {
    const { host, localPorts, remoteHost, remotePorts, listenMs } = this.#request.volley
    const pairs = remotePorts.flatMap(remotePort => localPorts.map(localPort => ({ localPort, remotePort })))
    const [first, ...others] = pairs.filter(({ localPort, remotePort }) => localPort !== remotePort || !isSameHost(host, remoteHost))
    if (first !== undefined) this.#fire(first)
    if (listenMs === undefined || first === undefined) {
      for (const pair of others) this.#fire(pair)
      return this.#scatter()
    }
    this.#listen(first.localPort)
    for (const pair of others) if (pair.localPort !== first.localPort) this.#fire(pair)
    if (!Number.isFinite(listenMs)) return
    this.#next(listenMs, () => {
      this.#listening?.stop()
      this.#listening = undefined
      for (const pair of others) if (pair.localPort === first.localPort) this.#fire(pair)
      this.#scatter()
    })
  }

  /** The random ports, in batches. */
  #scatter(): void {
    const { clock, volley: { random, localPorts, remotePorts } } = this.#request
    const [localPort] = localPorts
    if (random === undefined || localPort === undefined) return this.#look()
    const ports = draw(random, remotePorts, this.#request.random)
    const perBatch = Math.ceil((random.perSecond * batchMs) / 1_000)
    const startedAtMs = clock.now()
    let sent = 0
    const fire = () => {
      for (const remotePort of ports.slice(sent, sent + perBatch)) this.#fire({ localPort, remotePort }, false)
      sent += perBatch
      if (sent >= ports.length) return this.#look()
      // a batch that was late does not delay those after it
      this.#next(Math.max(0, startedAtMs + (sent * 1_000) / random.perSecond - clock.now()), fire)
    }
    fire()
  }

  #listen(port: number): void {
    const { clock, onSocket, volley: { host, remoteHost } } = this.#request
    const stop = listenOn({
      local: { host, port }, remoteHost,
      onSocket: socket => onSocket({ socket: socket.on('error', ignore), rttMs: undefined }),
    })
    this.#listening = { port, sinceMs: clock.now(), stop }
  }

  #fire({ localPort, remotePort }: Pick<Shot, 'localPort' | 'remotePort'>, isSteady = true): void {
    const shot: Shot = { localPort, remotePort, isSteady, sentAtMs: 0, revivals: 0 }
    this.#shots.add(shot)
    this.#send(shot)
  }

  #send(shot: Shot): void {
    const { clock, maySend, volley: { host, remoteHost } } = this.#request
    if (!maySend()) {
      this.#counts.leftOut += 1
      return this.#drop(shot)
    }
    this.#counts.syns += 1
    shot.sentAtMs = clock.now()
    if (shot.localPort === this.#listening?.port) this.#listening.sinceMs = shot.sentAtMs
    const socket = connectFrom({ host, port: shot.localPort }, { host: remoteHost, port: shot.remotePort })
    shot.socket = socket
    socket.once('connect', () => this.#rise(shot, socket))
    // later ones are its next owner's, who listens too
    socket.on('error', error => void (shot.socket === socket && this.#fail(shot, errnoOf(error))))
  }

  #rise(shot: Shot, socket: Socket): void {
    if (this.#isStopped) return
    delete shot.socket
    this.#shots.delete(shot)
    if (isSelfConnect(socket)) socket.destroy()
    else this.#request.onSocket({ socket, rttMs: this.#request.clock.now() - shot.sentAtMs, onHangUp: () => this.#revive(shot) })
    this.#look()
  }

  /** The peer's port may have listened, and been closed before it could accept, as one is that both listens and sends. */
  #revive(shot: Shot): void {
    if (this.#isStopped || !shot.isSteady || shot.revivals >= maxRevivals) return
    shot.revivals += 1
    this.#shots.add(shot)
    this.#repeat(shot)
  }

  #fail(shot: Shot, errno: string): void {
    if (this.#isStopped) return
    delete shot.socket
    const isRefusal = refusals.has(errno)
    if (isRefusal) this.#counts.refused += 1
    if (!shot.isSteady || (!isRefusal && !conflicts.has(errno))) return this.#drop(shot)
    const { random, volley: { refusedWaitMs } } = this.#request
    const isFirst = isRefusal && shot.wasRefused !== true
    shot.wasRefused ||= isRefusal
    if (isFirst && refusedWaitMs !== undefined) this.#repeat(shot, refusedWaitMs)
    else this.#repeat(shot, this.#repeatMs() + (isRefusal ? 0 : random() * conflictWaitMs))
  }

  #repeat(shot: Shot, repeatMs = this.#repeatMs()): void {
    const { clock } = this.#request
    const waitMs = repeatMs + this.#quietMs(shot)
    // a timer would take a millisecond
    if (waitMs === 0) return this.#send(shot)
    shot.cancel = clock.after(waitMs, () => {
      delete shot.cancel
      this.#send(shot)
    })
  }

  #repeatMs(): number {
    const { clock, random, volley: { localPorts, remotePorts } } = this.#request
    this.#firstFailureMs ??= clock.now()
    return repeatWaitMs({ count: this.#counts.refused, sinceMs: clock.now() - this.#firstFailureMs, ports: localPorts.length * remotePorts.length }, random)
  }

  /** So much longer the peer's SYN may find our port listening. */
  #quietMs({ localPort }: Shot): number {
    return localPort === this.#listening?.port ? Math.max(0, this.#listening.sinceMs + listenQuietMs - this.#request.clock.now()) : 0
  }

  #next(delayMs: number, run: () => void): void {
    this.#cancelNext = this.#request.clock.after(delayMs, () => {
      this.#cancelNext = undefined
      run()
    })
  }

  #drop(shot: Shot): void {
    this.#shots.delete(shot)
    this.#look()
  }

  /** In a tick: more may be fired in this turn. */
  #look(): void {
    if (this.isSpent) process.nextTick(() => !this.#isStopped && this.isSpent && this.#request.onSpent())
  }
}

const { batchMs, conflictWaitMs, listenQuietMs, maxRevivals } = defaults.punch

/** What RST and ICMP come to; EACCES is ICMPv6's "administratively prohibited". */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EACCES'])
/** The pair of endpoints is not free yet: an earlier socket of ours still ends, or another listens on the port. */
const conflicts: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL'])

/** Ports of the range, each once, none of those that are sent to anyway. */
function draw({ low, high, count }: NonNullable<Volley['random']>, taken: readonly number[], random: () => number): readonly number[] {
  const ports = Array.from({ length: high - low + 1 }, (_, index) => low + index).filter(port => !taken.includes(port))
  const drawn: number[] = []
  for (let left = ports.length; left > 0 && drawn.length < count; left -= 1) {
    const at = Math.floor(random() * left)
    drawn.push(ports[at] ?? 0)
    ports[at] = ports[left - 1] ?? 0
  }
  return drawn
}

const ignore = () => {}
