import { defaults } from '../../config/defaults.js'
import { drawPorts } from '../../nat/punch/draw-ports.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { Bursts } from './bursts.js'
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
  readonly #bursts: Bursts
  /** What the next SYNs of the bursts are sent from or to. */
  #fireNext: () => void = () => {}
  /** Ends the wait for what is to be sent next. */
  #cancelNext: (() => void) | undefined
  /** By port; `sinceMs`: a SYN left from it last. */
  readonly #listening = new Map<number, { sinceMs: number; readonly stop: () => void }>()
  /** Ports that listen in the next tick. */
  #opening = 0
  #isStopped = false

  constructor(request: VolleyRequest) {
    this.#request = request
    this.#shots = new Shots(request, { quietMs: port => this.#quietMs(port), onSend: port => this.#noteSyn(port), onRefused: port => this.#leaveOpen(port), onEnd: () => this.#look() })
    this.#bursts = new Bursts(request, { fire: count => this.#fireMany(count), onOver: () => this.#look() })
  }

  get counts(): VolleyCounts {
    return this.#shots.counts
  }

  /** Nothing more can come up, unless a port sends again whose connection was hung up on. */
  get isSpent(): boolean {
    return this.#shots.size === 0 && this.#cancelNext === undefined && !this.#bursts.isPending && this.#opening === 0 && this.#listening.size === 0
  }

  /** Others of the node send in bursts, so that this one has to wait. */
  get isWaiting(): boolean {
    return this.#bursts.isWaiting
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
    this.#bursts.stop()
    this.#stopListening()
    this.#shots.stop()
  }

  #begin(): void {
    const { localPorts, remotePorts, listenMs } = this.#request.volley
    const rows = localPorts.map((localPort): Row => ({ localPort, pairs: remotePorts.filter(remotePort => !this.#isOwn(localPort, remotePort)) }))
    if (listenMs === undefined) {
      for (const remotePort of remotePorts) for (const row of rows) if (row.pairs.includes(remotePort)) this.#fireFrom(row, remotePort)
      return this.#burstSoon(rows.at(-1))
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
      this.#burst(rows.at(-1))
    })
  }

  #isOwn(localPort: number, remotePort: number): boolean {
    const { host, remoteHost } = this.#request.volley
    return localPort === remotePort && isSameHost(host, remoteHost)
  }

  /** One local port; a fresh one is the same from its first SYN on. */
  #fireFrom(row: Row, remotePort: number): void {
    const shot = this.#shots.fire(row.shot?.localPort ?? row.localPort, remotePort, this.#request.volley.bursts === undefined)
    row.shot ??= shot
  }

  /** The kernel chooses a fresh port as the SYN leaves, one tick later. */
  #burstSoon(row: Row | undefined): void {
    if (this.#request.volley.random === undefined || row?.localPort !== 0) return this.#burst(row)
    this.#next(0, () => this.#burst(row))
  }

  #burst(row: Row | undefined): void {
    const { random, volley: { bursts, random: range, remotePorts } } = this.#request
    const [first] = remotePorts
    if (bursts === undefined || row === undefined) return this.#look()
    if (range === undefined) {
      if (first === undefined) return this.#look()
      this.#fireNext = () => void this.#shots.fire(0, first, false)
    } else {
      const count = bursts.reduce((sum, size) => sum + size, remotePorts.length)
      const ports = drawPorts(range.low, range.high, count, random).filter(port => !remotePorts.includes(port)).values()
      this.#fireNext = () => {
        const { value } = ports.next()
        if (value !== undefined) this.#fireFrom(row, value)
      }
    }
    this.#bursts.start(bursts)
    if (range !== undefined) this.#listenSoon(row)
  }

  /** A NAT may keep a mapping for some seconds after a refusal: the peer's SYN would come to a port without a socket, and be refused in turn. */
  #leaveOpen(port: number): void {
    this.#request.onRefusal()
    if (this.#request.volley.random === undefined) this.#listen(port)
  }

  #fireMany(count: number): void {
    for (let fired = 0; fired < count; fired += 1) this.#fireNext()
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
    if (port === 0 || this.#listening.has(port)) return
    const { clock, onSocket, volley: { host, remoteHost } } = this.#request
    const stop = listenOn({
      local: { host, port }, remoteHost,
      onSocket: socket => onSocket({ socket: socket.on('error', ignore), rttMs: undefined, isByChance: this.#bursts.hasBegun }),
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

const { listenQuietMs } = defaults.punch

const ignore = () => {}
