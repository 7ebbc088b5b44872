import { defaults } from '../../config/defaults.js'
import { drawPorts } from '../../nat/punch/draw-ports.js'
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
  /** 0 until the kernel has chosen. */
  localPort: number
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

/** A local port of the volley, and its first shot. */
interface Row {
  readonly localPort: number
  readonly pairs: readonly number[]
  shot?: Shot
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
  /** By port; `sinceMs`: a SYN left from it last. */
  readonly #listening = new Map<number, { sinceMs: number; readonly stop: () => void }>()
  /** Ports that listen in the next tick. */
  #opening = 0
  #isStopped = false

  constructor(request: VolleyRequest) {
    this.#request = request
  }

  get counts(): VolleyCounts {
    return this.#counts
  }

  /** Nothing more can come up, unless a port sends again whose connection was hung up on. */
  get isSpent(): boolean {
    return this.#shots.size === 0 && this.#cancelNext === undefined && this.#opening === 0 && this.#listening.size === 0
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
    this.#stopListening()
    for (const { socket, cancel } of this.#shots) {
      cancel?.()
      socket?.destroy()
    }
    this.#shots.clear()
  }

  #begin(): void {
    const { localPorts, remotePorts, listenMs } = this.#request.volley
    const rows = localPorts.map((localPort): Row => ({ localPort, pairs: remotePorts.filter(remotePort => !this.#isOwn(localPort, remotePort)) }))
    if (listenMs === undefined) {
      for (const remotePort of remotePorts) for (const row of rows) if (row.pairs.includes(remotePort)) this.#fireFrom(row, remotePort)
      return this.#scatterSoon(rows.at(-1))
    }
    for (const row of rows) {
      const [first] = row.pairs
      if (first !== undefined) this.#fireFrom(row, first)
      this.#listenSoon(row)
    }
    if (!Number.isFinite(listenMs)) return
    this.#next(listenMs, () => {
      this.#stopListening()
      for (const row of rows) for (const remotePort of row.pairs.slice(1)) this.#fireFrom(row, remotePort)
      this.#scatter(rows.at(-1))
    })
  }

  #isOwn(localPort: number, remotePort: number): boolean {
    const { host, remoteHost } = this.#request.volley
    return localPort === remotePort && isSameHost(host, remoteHost)
  }

  /** One local port; a fresh one is the same from its first SYN on. */
  #fireFrom(row: Row, remotePort: number, isSteady = true): void {
    const shot = this.#fire(row.shot?.localPort ?? row.localPort, remotePort, isSteady)
    row.shot ??= shot
  }

  /** The kernel chooses a fresh port as the SYN leaves, one tick later. */
  #scatterSoon(row: Row | undefined): void {
    if (this.#request.volley.random === undefined || row?.localPort !== 0) return this.#scatter(row)
    this.#next(0, () => this.#scatter(row))
  }

  /** The random ports, in batches. */
  #scatter(row: Row | undefined): void {
    const { clock, volley: { random, remotePorts } } = this.#request
    if (random === undefined || row === undefined) return this.#look()
    const { low, high, count, perSecond } = random
    const ports = drawPorts(low, high, count + remotePorts.length, this.#request.random).filter(port => !remotePorts.includes(port)).slice(0, count)
    const perBatch = Math.ceil((perSecond * batchMs) / 1_000)
    const startedAtMs = clock.now()
    let sent = 0
    const fire = () => {
      for (const remotePort of ports.slice(sent, sent + perBatch)) this.#fireFrom(row, remotePort, false)
      sent += perBatch
      if (sent >= ports.length) return this.#look()
      // a batch that was late does not delay those after it
      this.#next(Math.max(0, startedAtMs + (sent * 1_000) / perSecond - clock.now()), fire)
    }
    fire()
  }

  /** At once where no SYN goes first, else right behind it. */
  #listenSoon(row: Row): void {
    if (row.shot === undefined) return this.#listen(row.localPort)
    this.#opening += 1
    process.nextTick(() => {
      this.#opening -= 1
      if (!this.#isStopped) this.#listen(row.shot?.localPort ?? row.localPort)
      this.#look()
    })
  }

  #listen(port: number): void {
    if (port === 0) return
    const { clock, onSocket, volley: { host, remoteHost } } = this.#request
    const stop = listenOn({
      local: { host, port }, remoteHost,
      onSocket: socket => onSocket({ socket: socket.on('error', ignore), rttMs: undefined }),
    })
    this.#listening.set(port, { sinceMs: clock.now(), stop })
  }

  #stopListening(): void {
    for (const { stop } of this.#listening.values()) stop()
    this.#listening.clear()
  }

  #fire(localPort: number, remotePort: number, isSteady: boolean): Shot {
    const shot: Shot = { localPort, remotePort, isSteady, sentAtMs: 0, revivals: 0 }
    this.#shots.add(shot)
    this.#send(shot)
    return shot
  }

  #send(shot: Shot): void {
    const { clock, maySend, volley: { host, remoteHost } } = this.#request
    if (!maySend()) {
      this.#counts.leftOut += 1
      return this.#drop(shot)
    }
    this.#counts.syns += 1
    shot.sentAtMs = clock.now()
    const listening = this.#listening.get(shot.localPort)
    if (listening !== undefined) listening.sinceMs = shot.sentAtMs
    const socket = connectFrom({ host, port: shot.localPort }, { host: remoteHost, port: shot.remotePort })
    shot.socket = socket
    if (shot.localPort === 0) process.nextTick(() => (shot.localPort = socket.localPort ?? 0))
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
    const listening = this.#listening.get(localPort)
    return listening === undefined ? 0 : Math.max(0, listening.sinceMs + listenQuietMs - this.#request.clock.now())
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

const ignore = () => {}
