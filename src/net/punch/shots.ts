import { defaults } from '../../config/defaults.js'
import { isSelfConnect, type Socket } from '../dial-socket.js'
import { errnoOf } from '../socket-errors.js'
import { connectFrom } from './punch-ports.js'
import { repeatWaitMs } from './repeat-wait.js'
import type { VolleyCounts, VolleyRequest } from './volley-request.js'

/** A pair of ports that is tried. */
export interface Shot {
  /** 0 until the kernel has chosen. */
  localPort: number
  readonly remotePort: number
  /** Sends again after a refusal. */
  readonly isSteady: boolean
  /** Pending: the kernel sends again by itself. */
  socket?: Socket
  sentAtMs: number
  revivals: number
  /** Ends its wait. */
  cancel?: () => void
}

/** What the rest of a volley has to do with its shots. */
interface ShotHooks {
  /** So long a refused port waits besides. */
  readonly quietMs: (localPort: number) => number
  readonly onSend: (localPort: number) => void
  /** One that does not send again by itself. */
  readonly onRefused: (localPort: number) => void
  /** One is over, without a connection or with one. */
  readonly onEnd: () => void
}

/** The shots of a volley that may still come up: each connects, and after a refusal again. */
export class Shots {
  readonly #request: VolleyRequest
  readonly #hooks: ShotHooks
  readonly #shots = new Set<Shot>()
  readonly #counts = { syns: 0, refused: 0, leftOut: 0 }
  #firstFailureMs: number | undefined
  #isStopped = false

  constructor(request: VolleyRequest, hooks: ShotHooks) {
    this.#request = request
    this.#hooks = hooks
  }

  get counts(): VolleyCounts {
    return this.#counts
  }

  get size(): number {
    return this.#shots.size
  }

  fire(localPort: number, remotePort: number, isSteady: boolean): Shot {
    const shot: Shot = { localPort, remotePort, isSteady, sentAtMs: 0, revivals: 0 }
    this.#shots.add(shot)
    this.#send(shot)
    return shot
  }

  /** Gives up all sockets that have not come up. */
  stop(): void {
    this.#isStopped = true
    for (const { socket, cancel } of this.#shots) {
      cancel?.()
      socket?.destroy()
    }
    this.#shots.clear()
  }

  #send(shot: Shot): void {
    const { clock, maySend, volley: { host, remoteHost } } = this.#request
    if (!maySend()) {
      this.#counts.leftOut += 1
      return this.#drop(shot)
    }
    this.#counts.syns += 1
    shot.sentAtMs = clock.now()
    this.#hooks.onSend(shot.localPort)
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
    this.#hooks.onEnd()
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
    if (isRefusal && !shot.isSteady) this.#hooks.onRefused(shot.localPort)
    if (!shot.isSteady || (!isRefusal && !conflicts.has(errno))) return this.#drop(shot)
    this.#repeat(shot, this.#repeatMs() + (isRefusal ? 0 : this.#request.random() * conflictWaitMs))
  }

  #repeat(shot: Shot, repeatMs = this.#repeatMs()): void {
    const { clock } = this.#request
    const waitMs = repeatMs + this.#hooks.quietMs(shot.localPort)
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

  #drop(shot: Shot): void {
    this.#shots.delete(shot)
    this.#hooks.onEnd()
  }
}

const { conflictWaitMs, maxRevivals } = defaults.punch

/** What RST and ICMP come to; EACCES is ICMPv6's "administratively prohibited". */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EACCES'])
/** The pair of endpoints is not free yet: an earlier socket of ours still ends, or another listens on the port. */
const conflicts: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL'])
