import { ThroughlineError } from '../errors/index.js'
import { decodeFields, encodeFields, type FieldEntry } from './fields.js'
import type { InterfaceRecord } from './interface-record.js'
import type { RelayRecord } from './relay-record.js'
import { type FieldCodec, type ListCodec, recordLists, signalCodecs, signalTable } from './signal-fields.js'
import type { StrategyName } from './strategy.js'

/** Asks a peer for a path. Ids of sessions, attempts and messages are 32 lower-case hexadecimal digits throughout. */
export interface OfferMessage {
  readonly type: 'offer'
  readonly session: string
  readonly attempt: string
  /** At most 255 bytes of UTF-8. */
  readonly protocol: string
  readonly strategies: readonly StrategyName[]
  readonly interfaces: readonly InterfaceRecord[]
  /** Where the sender can be hit by a punch, at most 3 per family; none where it does not punch. */
  readonly punch: readonly InterfaceRecord[]
  /** Where the sender can be reached through a relay, at most 4. */
  readonly relay: readonly RelayRecord[]
  /** The topic where the sender awaits answers. */
  readonly inbox: string
  readonly doorKey: Uint8Array
  readonly machineTag: Uint8Array
  /** To the broker this copy travels by; whole milliseconds, at most 65,535. */
  readonly brokerRttMs: number
  /** The pipe is there already; who does not know it refuses with ERR_SESSION_UNKNOWN. */
  readonly established?: true
  /** 16 bytes of an earlier challenge. */
  readonly nonce?: Uint8Array
}

/** Answers an offer with the responder's own endpoints. */
export interface AnswerMessage {
  readonly type: 'answer'
  readonly session: string
  readonly attempt: string
  readonly strategies: readonly StrategyName[]
  readonly interfaces: readonly InterfaceRecord[]
  /** As in an offer. */
  readonly punch: readonly InterfaceRecord[]
  readonly relay: readonly RelayRecord[]
  readonly doorKey: Uint8Array
  readonly machineTag: Uint8Array
  readonly brokerRttMs: number
  /** When the offer arrived, by the responder's clock: ms of the Unix epoch. */
  readonly receivedAtMs: number
  readonly of: string
}

/** Replaces where the sender can be hit by a punch, and where it can be reached through a relay (protocol sections 4.3 and 7). */
export interface UpdateMessage {
  readonly type: 'update'
  /** The offer, from the responder; the answer, from the initiator. */
  readonly of: string
  readonly attempt: string
  /** 0 to 255: the `commit` for which the records were gathered, 0 before the first. */
  readonly round: number
  readonly punch: readonly InterfaceRecord[]
  readonly relay: readonly RelayRecord[]
}

/** Names the moment at which both sides fire. */
export interface CommitMessage {
  readonly type: 'commit'
  /** The answer: only the initiator commits. */
  readonly of: string
  readonly attempt: string
  /** 1 to 255, counted up; 0 is left to what offer and answer say. */
  readonly round: number
  /** By the recipient's wall clock: whole ms of the Unix epoch. */
  readonly atMs: number
}

/** Says that a message arrived and was opened; for a look-up it carries an address record. */
export interface AckMessage {
  readonly type: 'ack'
  readonly of: string
  /** At most 1,024 bytes; check with `decodeAddressBytes`. */
  readonly address?: Uint8Array
}

/** Refuses an attempt. */
export interface RefuseMessage {
  readonly type: 'refuse'
  readonly attempt: string
  readonly of: string
  /** Of the form ERR_…; perhaps a code of a later version. */
  readonly code: string
}

/** Asks for a message again, with a nonce that proves its freshness. */
export interface ChallengeMessage {
  readonly type: 'challenge'
  readonly of: string
  readonly nonce: Uint8Array
}

/** Withdraws an offer. */
export interface CancelMessage {
  readonly type: 'cancel'
  readonly session: string
  readonly attempt: string
  readonly code?: string
}

/** Asks the initiator of a pipe for another path, when there is no channel to ask it by. */
export interface WantPathMessage {
  readonly type: 'wantPath'
  readonly session: string
}

/** Asks a node for its address. */
export interface LookupMessage {
  readonly type: 'lookup'
  readonly inbox: string
  readonly doorKey: Uint8Array
  readonly nonce?: Uint8Array
}

/** What nodes say to each other through brokers (protocol section 4.3). */
export type SignalMessage =
  | OfferMessage
  | AnswerMessage
  | UpdateMessage
  | CommitMessage
  | AckMessage
  | RefuseMessage
  | ChallengeMessage
  | CancelMessage
  | WantPathMessage
  | LookupMessage

type Property = keyof typeof signalTable

interface Layout {
  readonly code: number
  readonly required: readonly Property[]
  readonly optional?: readonly Property[]
}

/** Which fields a message consists of, by its type. */
const layouts: Readonly<Record<SignalMessage['type'], Layout>> = {
  offer: {
    code: 1,
    required: ['session', 'attempt', 'protocol', 'strategies', 'interfaces', 'punch', 'relay', 'inbox', 'doorKey', 'machineTag', 'brokerRttMs'],
    optional: ['established', 'nonce'],
  },
  answer: {
    code: 2,
    required: ['session', 'attempt', 'strategies', 'interfaces', 'punch', 'relay', 'doorKey', 'machineTag', 'brokerRttMs', 'receivedAtMs', 'of'],
  },
  update: { code: 3, required: ['of', 'attempt', 'round', 'punch', 'relay'] },
  commit: { code: 4, required: ['of', 'attempt', 'round', 'atMs'] },
  ack: { code: 5, required: ['of'], optional: ['address'] },
  refuse: { code: 6, required: ['attempt', 'of', 'code'] },
  challenge: { code: 7, required: ['of', 'nonce'] },
  cancel: { code: 8, required: ['session', 'attempt'], optional: ['code'] },
  wantPath: { code: 9, required: ['session'] },
  lookup: { code: 10, required: ['inbox', 'doorKey'], optional: ['nonce'] },
}

const typeOfCode = new Map(Object.entries(layouts).map(([type, { code }]) => [code, type as SignalMessage['type']]))

/** The number by which a letter names the type of its message. */
export const signalTypeCode = (message: SignalMessage): number => layouts[message.type].code

/** Writes the body of a letter; throws ERR_MALFORMED for values that have no encoding. */
export function encodeSignalBody(message: SignalMessage): Buffer {
  const { required, optional = [] } = layouts[message.type]
  const values = message as unknown as Readonly<Partial<Record<Property, unknown>>>
  const entries = [...required, ...optional].flatMap((property): FieldEntry<Property>[] => {
    const value = values[property]
    if (isRecordList(property)) return listOf(property).encode(value as readonly unknown[]).map((record) => [property, record])
    return value === undefined ? [] : [[property, codecOf(property).encode(value)]]
  })
  return encodeFields(signalTable, entries)
}

/**
 * Reads the body of a letter of the given type number; throws ERR_MALFORMED, also for reserved and unknown types. Fields
 * that do not belong to the type are skipped.
 */
export function decodeSignalBody(type: number, body: Uint8Array): SignalMessage {
  const name = typeOfCode.get(type)
  if (name === undefined) throw new ThroughlineError('ERR_MALFORMED', `There is no message type ${type}.`)
  const { required, optional = [] } = layouts[name]
  const fields = decodeFields<Property>(signalTable, body)
  const message: Record<string, unknown> = { type: name }
  for (const property of required) {
    message[property] = isRecordList(property) ? listOf(property).decode(fields.list(property)) : codecOf(property).decode(fields.required(property))
  }
  for (const property of optional) {
    const value = fields.optional(property)
    if (value !== undefined) message[property] = codecOf(property).decode(value)
  }
  // The layout of a type names exactly the properties of its interface; the round-trip tests hold both together.
  return message as unknown as SignalMessage
}

const isRecordList = (property: Property): property is keyof typeof recordLists => Object.hasOwn(recordLists, property)

const listOf = (property: keyof typeof recordLists): ListCodec<unknown> => recordLists[property] as ListCodec<unknown>

const codecOf = (property: Property): FieldCodec<unknown> => signalCodecs[property as keyof typeof signalCodecs] as FieldCodec<unknown>
