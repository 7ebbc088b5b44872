import { createHash } from 'node:crypto'
import { ThroughlineError } from '../../errors/index.js'
import { attribute, readAttribute, type AttributeSource, type EncodableAttribute } from '../stun/attribute.js'
import { shortTermKey, type IntegrityKind } from '../stun/integrity.js'
import { nonce, realm, username } from '../stun/texts.js'
import { passwordAlgorithm, passwordAlgorithmNumbers, passwordAlgorithms } from './password-algorithms.js'

/** User and password of a server, as they are. */
export interface TurnCredentials {
  readonly username: string
  readonly password: string
}

/** What a server told about itself: with it the next allocation needs one round trip less. Valid for one server and user. */
export interface TurnRealm {
  readonly realm: string
  readonly nonce: string
  /** Numbers of password algorithms, where the server states them: SHA-256 is used then (RFC 8489 section 9.2). */
  readonly algorithms?: readonly number[]
}

/** What requests are signed with, and replies are checked with. */
export interface SigningKey {
  readonly key: Buffer
  readonly kind: IntegrityKind
}

/** RFC 8489 section 9.2.2; both hashes over the same text. */
export function signingKey({ username, password }: TurnCredentials, { realm, algorithms }: TurnRealm): SigningKey {
  const hash = chosen(algorithms) === passwordAlgorithmNumbers.sha256 ? 'sha256' : 'md5'
  const text = Buffer.concat([shortTermKey(`${username}:${realm}:`), shortTermKey(password)])
  return { key: createHash(hash).update(text).digest(), kind: algorithms === undefined ? 'sha1' : 'sha256' }
}

/** What a signed request says besides (RFC 8489 section 9.2.3.2). */
export const credentialAttributes = (user: string, known: TurnRealm): readonly EncodableAttribute[] => [
  attribute(username, user),
  attribute(realm, known.realm),
  attribute(nonce, known.nonce),
  ...(known.algorithms === undefined
    ? []
    : [attribute(passwordAlgorithms, known.algorithms), attribute(passwordAlgorithm, chosen(known.algorithms) ?? passwordAlgorithmNumbers.md5)]),
]

/** Realm and nonce of an error 401 or 438; undefined where one is missing. Throws ERR_MALFORMED, also for a list of algorithms that somebody took out on the way. */
export function readRealm(message: AttributeSource): TurnRealm | undefined {
  const name = readAttribute(message, realm)
  const number = readAttribute(message, nonce)
  if (name === undefined || number === undefined) return undefined
  if (!hasAlgorithms(number)) return { realm: name, nonce: number }
  const algorithms = readAttribute(message, passwordAlgorithms)
  if (chosen(algorithms) === undefined) throw new ThroughlineError('ERR_MALFORMED', 'a nonce promises password algorithms, and no known one came with it')
  return { realm: name, nonce: number, ...(algorithms !== undefined && { algorithms }) }
}

/** RFC 8489 section 9.2: a cookie, then 24 flags in base64; the first of them stands for PASSWORD-ALGORITHMS. */
function hasAlgorithms(nonce: string): boolean {
  const [, flags] = /^obMatJos2([A-Za-z0-9+/]{4})/.exec(nonce) ?? []
  return flags !== undefined && ((Buffer.from(flags, 'base64')[0] ?? 0) & 0x80) !== 0
}

/** The stronger one, whatever the server prefers. */
const chosen = (algorithms: readonly number[] = []): number | undefined =>
  [passwordAlgorithmNumbers.sha256, passwordAlgorithmNumbers.md5].find(number => algorithms.includes(number))
