import { lookup } from 'node:dns/promises'
import { ThroughlineError, toFailure } from '../../errors/index.js'
import { startBroker } from '../../net/embedded-broker.js'
import { startSntpResponder } from '../../net/sntp-responder.js'
import { startStunResponder } from '../../net/stun-responder.js'
import { familyOf } from '../../protocol/endpoint.js'
import { usageError } from '../failure.js'
import { servingClock } from './serving-clock.js'

/** Where the services listen; 0 = any free port. */
export interface ServicesOptions {
  /** An address of this machine, a name for one, or a wildcard. */
  readonly host: string
  /** A second address for STUN; then `host` is no wildcard. */
  readonly alternateHost?: string
  readonly port: number
  readonly wsPort?: number
  readonly stunPort: number
  readonly ntpPort: number
}

/** Services that run. Whoever started them closes them. */
export interface Services {
  /** The IP literal they listen on. */
  readonly host: string
  readonly port: number
  readonly wsPort?: number
  readonly stunPort: number
  readonly ntpPort: number
  /** Resolves when every port is free. */
  close(): Promise<void>
}

/**
 * Starts a broker, a STUN responder and a time server in this process. Rejects with ERR_USAGE for addresses that don't go together,
 * else with ERR_PORT_IN_USE, ERR_NO_INTERFACE or ERR_LISTEN that names the service; nothing listens then.
 */
export async function startServices({ port, wsPort, stunPort, ntpPort, ...names }: ServicesOptions): Promise<Services> {
  const host = await addressOf(names.host, '--host')
  const alternateHost = names.alternateHost === undefined ? undefined : await addressOf(names.alternateHost, '--alternate-host')
  if (alternateHost !== undefined) assertPair(host, alternateHost)
  const closers: (() => Promise<void>)[] = []
  const close = async () => void (await Promise.all(closers.map(closeOne => closeOne())))
  const start = async <T extends { close(): Promise<void> }>(what: string, option: string, starting: Promise<T>): Promise<T> => {
    try {
      const service = await starting
      closers.push(() => service.close())
      return service
    } catch (error) {
      await close()
      throw new ServiceError(what, option, error)
    }
  }
  const broker = await start('the broker', wsPort === undefined ? '--port' : '--port or --ws-port', startBroker({ host, port, ...(wsPort !== undefined && { wsPort }) }))
  const stun = await start('the STUN server', '--stun-port', startStunResponder({
    host, port: stunPort, alternatePort: besides(stunPort), ...(alternateHost !== undefined && { alternateHost }),
  }))
  const ntp = await start('the time server', '--ntp-port', startSntpResponder({ host, port: ntpPort, clock: servingClock() }))
  return { host, port: broker.port, stunPort: stun.port, ntpPort: ntp.port, close, ...(broker.wsUrl !== undefined && { wsPort: portOf(broker.wsUrl) }) }
}

/** One service did not start; the others were closed. */
class ServiceError extends ThroughlineError {
  readonly #option: string

  constructor(what: string, option: string, cause: unknown) {
    const { code, message } = toFailure(cause, 'ERR_LISTEN')
    super(code, `${what} did not start: ${message}`, { cause, facts: ThroughlineError.is(cause) ? cause.facts : {} })
    this.#option = option
  }

  override get advice(): string {
    return this.code === 'ERR_PORT_IN_USE' ? `Choose another port with ${this.#option}, or 0 for any.` : super.advice
  }
}

/** The first address of a name; a literal stands for itself. */
async function addressOf(name: string, option: string): Promise<string> {
  try {
    return (await lookup(name)).address
  } catch (cause) {
    throw new ThroughlineError('ERR_USAGE', `${option}: ${name} has no address`, { cause })
  }
}

function assertPair(host: string, alternateHost: string): void {
  if (host === '0.0.0.0' || host === '::') throw usageError('--alternate-host wants --host with an address too: which one answers must be known')
  if (host === alternateHost || familyOf(host) !== familyOf(alternateHost)) throw usageError('--host and --alternate-host have to be two addresses of one family')
}

/** RFC 5780 wants a second port; it is the next one. */
const besides = (port: number): number => (port === 0 ? 0 : port === 65_535 ? port - 1 : port + 1)

/** 80 is not written. */
const portOf = (wsUrl: string): number => Number(new URL(wsUrl).port || 80)
