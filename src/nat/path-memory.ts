import { createHmac } from 'node:crypto'
import { Address4, Address6 } from 'ip-address'
import { defaults } from '../config/defaults.js'
import { familyOf, type Family } from '../protocol/endpoint.js'
import { strategyNames, type StrategyName } from '../protocol/strategy.js'
import type { OwnAddress } from './dial-plan.js'
import type { PunchMethod } from './punch/volley.js'

/** How a pipe came up. */
export interface ProvenPath {
  readonly strategy: StrategyName
  readonly method?: PunchMethod
  readonly family: Family
}

/** What is kept of a peer, for one network of ours. */
export interface PathRecord extends ProvenPath {
  /** Stands for the network the peer was in: `hostMark`. */
  readonly peerNetwork: string
  /** When it was proven, in days of the Unix epoch. */
  readonly day: number
}

/** Records by `pathKey`, those proven last at the end. */
export type Paths = ReadonlyMap<string, PathRecord>

/** An address of ours, and the one by which the world sees it; null where that is not known. */
export interface SeenAddress extends Pick<OwnAddress, 'interfaceName' | 'cidr'> {
  readonly external: string | null
}

/** Texts that stand for where we are, the most telling first: by our external addresses, if any is known, and by our interfaces with their prefixes. */
export function networkNames(own: readonly SeenAddress[]): readonly string[] {
  const seen = own.flatMap(({ external }) => (external === null ? [] : [networkOf(external)]))
  const links = own.map(({ interfaceName, cidr }) => `${interfaceName} ${prefixOf(cidr)}`)
  return [...(seen.length > 0 ? [seen] : []), links].map(names => JSON.stringify([...new Set(names)].sort()))
}

/** Stands for a peer and a network of ours; without the secret it tells neither, and can't be guessed at. */
export const pathKey = (secret: Uint8Array, network: string, peerId: string): string => mark(secret, keyBytes, ['path', network, peerId])

/** Stands for the network of an address of that peer's, in the same way. */
export const hostMark = (secret: Uint8Array, host: string, peerId: string): string => mark(secret, hostBytes, ['host', networkOf(host), peerId])

/** True when a record has to be proven anew. */
export const isStale = ({ day }: PathRecord, today: number): boolean => today - day > defaults.memory.maxAgeDays

/** The records that may be kept: none that is stale, and the youngest where there are too many. */
export function bounded(paths: Paths, today: number): Map<string, PathRecord> {
  return new Map([...paths].filter(([, record]) => !isStale(record, today)).slice(-defaults.memory.maxPaths))
}

/** Writes what `decodePaths` reads. */
export const encodePaths = (paths: Paths): string =>
  `${JSON.stringify({ version, paths: [...paths].map(([key, { strategy, method = '', family, peerNetwork, day }]) => [key, strategy, method, family, peerNetwork, day]) })}\n`

/** Reads as much as is valid, whatever the text is; bounded. A day that is still to come, for a clock was wrong, becomes `today`. */
export function decodePaths(text: string, today: number): Map<string, PathRecord> {
  const rows = rowsOf(text).flatMap(row => (isRow(row) ? [toRecord(row, today)] : []))
  return bounded(new Map(rows), today)
}

const version = 1
const keyBytes = 16
const hostBytes = 8
const methods = ['mapping', 'listen', 'predicted', 'birthday', 'hairpin'] as const satisfies readonly PunchMethod[]

type Row = readonly [key: string, strategy: StrategyName, method: PunchMethod | '', family: Family, peerNetwork: string, day: number]

function rowsOf(text: string): readonly unknown[] {
  try {
    const { version: found, paths } = Object(JSON.parse(text)) as { readonly version?: unknown; readonly paths?: unknown }
    return found === version && Array.isArray(paths) ? paths : []
  } catch {
    return []
  }
}

function isRow(row: unknown): row is Row {
  if (!Array.isArray(row) || row.length !== 6) return false
  const [key, strategy, method, family, peerNetwork, day] = row as readonly unknown[]
  return isMark(key, keyBytes) && isMark(peerNetwork, hostBytes) && isAmong(strategyNames, strategy) && isAmong(['', ...methods], method) && isAmong([4, 6], family)
    && Number.isSafeInteger(day)
}

const toRecord = ([key, strategy, method, family, peerNetwork, day]: Row, today: number): [string, PathRecord] =>
  [key, { strategy, ...(method !== '' && { method }), family, peerNetwork, day: Math.min(day, today) }]

const isAmong = (values: readonly unknown[], value: unknown): boolean => values.includes(value)

const isMark = (value: unknown, bytes: number): boolean => typeof value === 'string' && value.length === Math.ceil((bytes * 4) / 3) && /^[\w-]*$/.test(value)

const mark = (secret: Uint8Array, bytes: number, facts: readonly string[]): string =>
  createHmac('sha256', secret).update(JSON.stringify(facts)).digest().subarray(0, bytes).toString('base64url')

/** IPv6 hosts change their address every day, and keep the prefix (RFC 8981). */
function networkOf(host: string): string {
  const [bare = ''] = host.split('%')
  return familyOf(bare) === 6 ? prefixOf(`${bare}/64`) : bare
}

function prefixOf(cidr: string): string {
  const prefix = familyOf(cidr.split('/')[0] ?? '') === 6 ? new Address6(cidr) : new Address4(cidr)
  return `${prefix.startAddress().correctForm()}/${prefix.subnetMask}`
}
