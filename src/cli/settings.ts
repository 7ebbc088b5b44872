import type { AttemptMode, Strategy } from '../../machines/strategies.js'
import type { DialOptions, NodeOptions } from '../node/types.js'
import type { HostPort } from './host-port.js'

/** Everything a command may be told, read and checked; what is absent has the library's default. */
export interface Settings {
  readonly identity?: string
  readonly config?: string
  readonly name?: string
  readonly mqtt?: readonly string[]
  readonly stun?: readonly string[]
  readonly turn?: readonly string[]
  readonly ntp?: readonly string[]
  readonly interfaces?: readonly string[]
  readonly listenPort?: number
  readonly portMapping?: boolean
  readonly allow?: readonly string[] | 'any'
  readonly birthday?: 'auto' | 'off'
  readonly suspendMs?: number
  readonly strategies?: readonly Strategy[]
  readonly mode?: AttemptMode
  readonly timeoutMs?: number
  readonly protocol?: string
  readonly json?: boolean
  readonly report?: string
  readonly echo?: boolean
  readonly exec?: string
  readonly forward?: readonly HostPort[]
  readonly once?: boolean
  readonly count?: number
  readonly host?: string
  readonly alternateHost?: string
  readonly port?: number
  readonly wsPort?: number
  readonly stunPort?: number
  readonly ntpPort?: number
}

/** The part of the settings `createNode` takes. */
export function nodeOptionsOf(settings: Settings): NodeOptions {
  const { identity, name, mqtt, stun, turn, ntp, interfaces, listenPort, portMapping, allow, birthday, suspendMs } = settings
  return defined({ identity, name, mqtt, stun, turn, ntp, interfaces, listenPort, portMapping, allow, birthday, suspendMs })
}

/** The part of the settings `dial` takes. */
export function dialOptionsOf(settings: Settings): DialOptions {
  const { strategies, mode, timeoutMs, protocol } = settings
  return defined({ strategies, mode, timeoutMs, protocol })
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Drops what is undefined, as `exactOptionalPropertyTypes` wants it. */
export const defined = <T extends object>(object: T): Defined<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
