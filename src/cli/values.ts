import { strategyOrder, type Strategy } from '../../machines/strategies.js'
import { ThroughlineError, toFailure, type ErrorCode } from '../errors/index.js'
import { parseBrokerUrl } from '../protocol/broker-url.js'
import { decodePeerId } from '../protocol/peer-id.js'
import { parseTurnUrl } from '../protocol/turn-url.js'
import { parseDuration } from './duration.js'
import { isHost, parseHostPort, parsePort } from './host-port.js'
import { redactServer } from './redact.js'
import type { Settings } from './settings.js'

/** Where a value was written; `label` names it in messages. Wrong values in a file are ERR_CONFIG (exit code 1), others usage. */
export interface Source {
  readonly label: string
  readonly kind: 'flag' | 'env' | 'file'
}

/** The texts given for one option, and where. */
type Reader<T> = (texts: readonly string[], source: Source) => T
type Readers = { readonly [K in keyof Settings]-?: Reader<Exclude<Settings[K], undefined>> }

function fail(source: Source, what: string, code: ErrorCode = 'ERR_USAGE'): never {
  throw new ThroughlineError(source.kind === 'file' ? 'ERR_CONFIG' : code, `${source.label}: ${what}`)
}

const last = (texts: readonly string[]): string => texts[texts.length - 1] ?? ''

const text: Reader<string> = (texts, source) => last(texts) || fail(source, 'the value is empty')

const duration: Reader<number> = (texts, source) => parseDuration(last(texts)) ?? fail(source, `"${last(texts)}" is not a time such as 30s, 500ms or 2m`)

const choice =
  <T extends string>(...words: readonly T[]): Reader<T> =>
  (texts, source) =>
    words.find(word => word === last(texts)) ?? fail(source, `"${last(texts)}" is not one of ${words.join(', ')}`)

const switchOn: Reader<boolean> = (texts, source) => {
  if (/^(true|1|yes|on)$/i.test(last(texts))) return true
  return /^(false|0|no|off)$/i.test(last(texts)) ? false : fail(source, `"${last(texts)}" is neither true nor false`)
}

const port: Reader<number> = (texts, source) => parsePort(last(texts), { anyPort: true }) ?? fail(source, `"${last(texts)}" is not a port from 0 to 65535`)

/** Splits at commas, and for URLs only at commas before another URL: passwords may contain some. */
const items = (texts: readonly string[], source: Source, comma: RegExp = /,/): readonly string[] => {
  const found = texts.flatMap(one => one.split(comma)).map(one => one.trim()).filter(one => one !== '')
  return found.length > 0 ? [...new Set(found)] : fail(source, 'the list is empty')
}

/** A list of servers; `check` says what is wrong with one, without its secrets. */
function servers(check: (text: string) => string | undefined, code: ErrorCode, comma?: RegExp): Reader<readonly string[]> {
  return (texts, source) => {
    const list = items(texts, source, comma)
    if (list.includes('none')) return list.length === 1 ? [] : fail(source, '`none` stands alone', code)
    for (const server of list) {
      const wrong = check(server)
      if (wrong !== undefined) fail(source, wrong, code)
    }
    return list
  }
}

const unless = (isServer: (text: string) => boolean, wanted: string) => (text: string) =>
  isServer(text) ? undefined : `"${redactServer(text)}" is not ${wanted}`

/** Why a check throws, if it does. */
const complaint = (check: (text: string) => unknown) => (text: string): string | undefined => {
  try {
    check(text)
    return undefined
  } catch (error) {
    return toFailure(error).message
  }
}

const isNtpServer = (server: string): boolean => isHost(server.replace(/^\[(.+:.+)\]$/, '$1')) || parseHostPort(server) !== undefined

function strategies(texts: readonly string[], source: Source): readonly Strategy[] {
  return items(texts, source).map(name => {
    const known = strategyOrder.find(strategy => strategy === name)
    if (known !== undefined) return known
    return fail(source, `the strategy "${name}" is unknown; there are ${strategyOrder.join(', ')}`, 'ERR_STRATEGY_UNKNOWN')
  })
}

function allow(texts: readonly string[], source: Source): readonly string[] | 'any' {
  const ids = items(texts, source)
  if (ids.includes('any')) return ids.length === 1 ? 'any' : fail(source, '`any` stands alone: it lets everybody in')
  for (const id of ids) {
    if (id.startsWith('tl1')) fail(source, 'that is an address; give the id, which `throughline identity` prints there')
    const wrong = complaint(decodePeerId)(id)
    if (wrong !== undefined) fail(source, `"${id.slice(0, 64)}" is no id: ${wrong}`)
  }
  return ids
}

const host: Reader<string> = (texts, source) => (isHost(last(texts)) ? last(texts) : fail(source, `"${last(texts)}" is not a host`))

function protocol(texts: readonly string[], source: Source): string {
  return Buffer.byteLength(last(texts)) <= 255 ? last(texts) : fail(source, 'a protocol name has at most 255 bytes', 'ERR_PROTOCOL_NAME')
}

/** Reads and checks the value of each option; each throws an error that names the value and where it was written. */
export const readers: Readers = {
  identity: text,
  config: text,
  name: text,
  mqtt: servers(complaint(parseBrokerUrl), 'ERR_BROKER_URL', /,(?=(?:mqtts?|wss?):\/\/|none$)/i),
  stun: servers(unless(server => parseHostPort(server) !== undefined, 'HOST:PORT'), 'ERR_SERVER_URL'),
  turn: servers(complaint(parseTurnUrl), 'ERR_SERVER_URL', /,(?=turns?:|none$)/),
  ntp: servers(unless(isNtpServer, 'HOST or HOST:PORT'), 'ERR_SERVER_URL'),
  interfaces: items,
  listenPort: port,
  portMapping: (texts, source) => !switchOn(texts, source),
  allow,
  birthday: choice('auto', 'off'),
  strategies,
  mode: choice('race', 'sequence'),
  timeoutMs: duration,
  suspendMs: (texts, source) => (/^0(ms|s|m)?$/.test(last(texts)) ? 0 : duration(texts, source)),
  protocol,
  json: switchOn,
  report: text,
  echo: switchOn,
  exec: text,
  forward: (texts, source) => items(texts, source).map(target => parseHostPort(target) ?? fail(source, `"${target}" is not HOST:PORT`)),
  once: switchOn,
  count: (texts, source) => (/^\d{1,9}$/.test(last(texts)) ? Number(last(texts)) : fail(source, `"${last(texts)}" is not a number of pings`)),
  host,
  alternateHost: host,
  port,
  wsPort: port,
  stunPort: port,
  ntpPort: port,
}
