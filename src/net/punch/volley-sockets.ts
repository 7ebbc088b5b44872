import { defaults } from '../../config/defaults.js'
import { drawPorts } from '../../nat/punch/draw-ports.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { listenOn } from './punch-ports.js'
import { Shots, type Shot } from './shots.js'
import type { VolleyCounts, VolleyRequest } from './volley-request.js'

/** A local port of the volley, and its first shot. */
interface Row {
  readonly localPort: number
  readonly pairs: readonly number[]
  shot?: Shot
}

/** The sockets of one volley (docs/decisions/0015). Holds nothing once it is stopped; bounded by what the volley says. */
export class VolleySockets {
  readonly #request: VolleyRequest
  readonly #shots: Shots
  /** Ends the wait for what is to be sent next. */
  #cancelNext: (() => void) | undefined
  /** By port; `sinceMs`: a SYN left from it last. */
  readonly #listening = new Map<number, { sinceMs: number; readonly stop: () => void }>()
  /** Ports that listen in the next tick. */
  #opening = 0
  #isStopped = false

  constructor(request: VolleyRequest) {
    this.#request = request
    this.#shots = new Shots(request, { quietMs: port => this.#quietMs(port), onSend: port => this.#noteSyn(port), onEnd: () => this.#look() })
  }

  get counts(): VolleyCounts {
    return this.#shots.counts
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
    this.#shots.stop()
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
    const shot = this.#shots.fire(row.shot?.localPort ?? row.localPort, remotePort, isSteady)
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

  /** So much longer the peer's SYN may find our port listening. */
  #quietMs(port: number): number {
    const listening = this.#listening.get(port)
    return listening === undefined ? 0 : Math.max(0, listening.sinceMs + listenQuietMs - this.#request.clock.now())
  }

  #noteSyn(port: number): void {
    const listening = this.#listening.get(port)
    if (listening !== undefined) listening.sinceMs = this.#request.clock.now()
  }

  #next(delayMs: number, run: () => void): void {
    this.#cancelNext = this.#request.clock.after(delayMs, () => {
      this.#cancelNext = undefined
      run()
    })
  }

  /** In a tick: more may be fired in this turn. */
  #look(): void {
    if (this.isSpent) process.nextTick(() => !this.#isStopped && this.isSpent && this.#request.onSpent())
  }
}

const { batchMs, listenQuietMs } = defaults.punch

const ignore = () => {}
