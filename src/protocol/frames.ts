import { ThroughlineError } from '../errors/index.js'
import { strategyCodes, strategiesOfCodes, type StrategyName } from './strategy.js'

/** Side of a peer in one session. */
export type Role = 'initiator' | 'responder'

/** First frame of a channel in each direction. Ids are 32 hex digits. */
export interface Hello {
  readonly type: 'hello'
  readonly version: number
  readonly role: Role
  readonly session: string
  readonly attempt: string
}

/** Asks to carry a session on this channel (protocol 5). */
export interface Open {
  readonly type: 'open'
  readonly epoch: number
  readonly established: boolean
  readonly receivedOffset: number
  readonly maxOffset: number
  readonly protocol: string
  readonly reason: string
}

/** A frame as received. A DATA frame arrives in one or more pieces, in order, without copies. */
export type Frame =
  | Hello
  | Open
  | { readonly type: 'accept'; readonly epoch: number; readonly receivedOffset: number; readonly maxOffset: number }
  | { readonly type: 'pending'; readonly epoch: number }
  | { readonly type: 'refuse'; readonly epoch: number; readonly code: string }
  | { readonly type: 'data'; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: 'ack'; readonly receivedOffset: number; readonly maxOffset: number }
  | { readonly type: 'fin'; readonly offset: number }
  | { readonly type: 'abort'; readonly code: string }
  | { readonly type: 'ping' | 'pong'; readonly token: number }
  /** Asks the initiator for another path; no strategy named: by any. */
  | { readonly type: 'wantPath'; readonly strategies: readonly StrategyName[] }

/** A frame that is not DATA. */
export type ControlFrame = Exclude<Frame, { type: 'data' }>

/** Type bytes of protocol 5; from `firstIgnorable` up an unknown frame is skipped. */
export const frameTypes = {
  hello: 1, open: 2, accept: 3, pending: 4, refuse: 5, data: 6, ack: 7, fin: 8, abort: 9, ping: 10, pong: 11, wantPath: 12,
  firstIgnorable: 128,
} as const

/** Sizes of protocol 5, in bytes. */
export const frameSizes = { header: 3, offset: 6, dataHeader: 9, maxData: 16_384, maxControl: 1_024, id: 16 } as const

const roles = ['initiator', 'responder'] as const

const violation = (message: string) => new ThroughlineError('ERR_PROTOCOL_VIOLATION', message)

/** Writes any frame but DATA (see `encodeData`). */
export function encodeFrame(frame: ControlFrame): Buffer {
  const writer = new BodyWriter(frameTypes[frame.type])
  switch (frame.type) {
    case 'hello':
      return writer.u8(frame.version).u8(roles.indexOf(frame.role) + 1).id(frame.session).id(frame.attempt).finish()
    case 'open':
      return writer.u32(frame.epoch).u8(frame.established ? 1 : 0).u48(frame.receivedOffset).u48(frame.maxOffset)
        .text(frame.protocol).text(frame.reason).finish()
    case 'accept':
      return writer.u32(frame.epoch).u48(frame.receivedOffset).u48(frame.maxOffset).finish()
    case 'pending':
      return writer.u32(frame.epoch).finish()
    case 'refuse':
      return writer.u32(frame.epoch).text(frame.code).finish()
    case 'ack':
      return writer.u48(frame.receivedOffset).u48(frame.maxOffset).finish()
    case 'fin':
      return writer.u48(frame.offset).finish()
    case 'abort':
      return writer.text(frame.code).finish()
    case 'ping':
    case 'pong':
      return writer.u32(frame.token).finish()
    case 'wantPath':
      return writer.codes(strategyCodes(frame.strategies)).finish()
  }
}

/** Reads the body of a control frame; undefined for one to be skipped. Throws ERR_PROTOCOL_VIOLATION. */
export function decodeControl(type: number, body: Buffer): ControlFrame | undefined {
  const reader = new BodyReader(body)
  const frame = readControl(type, reader)
  if (frame !== undefined) reader.assertEnd()
  return frame
}

function readControl(type: number, reader: BodyReader): ControlFrame | undefined {
  switch (type) {
    case frameTypes.hello: {
      const version = reader.u8()
      const role = roles[reader.u8() - 1]
      if (role === undefined) throw violation('HELLO names no role')
      return { type: 'hello', version, role, session: reader.id(), attempt: reader.id() }
    }
    case frameTypes.open:
      return {
        type: 'open', epoch: reader.u32(), established: (reader.u8() & 1) === 1, receivedOffset: reader.u48(), maxOffset: reader.u48(),
        protocol: reader.text(), reason: reader.text(),
      }
    case frameTypes.accept:
      return { type: 'accept', epoch: reader.u32(), receivedOffset: reader.u48(), maxOffset: reader.u48() }
    case frameTypes.pending:
      return { type: 'pending', epoch: reader.u32() }
    case frameTypes.refuse:
      return { type: 'refuse', epoch: reader.u32(), code: reader.text() }
    case frameTypes.ack:
      return { type: 'ack', receivedOffset: reader.u48(), maxOffset: reader.u48() }
    case frameTypes.fin:
      return { type: 'fin', offset: reader.u48() }
    case frameTypes.abort:
      return { type: 'abort', code: reader.text() }
    case frameTypes.ping:
      return { type: 'ping', token: reader.u32() }
    case frameTypes.pong:
      return { type: 'pong', token: reader.u32() }
    case frameTypes.wantPath:
      return { type: 'wantPath', strategies: strategiesOfCodes(reader.codes()) }
    default:
      if (type >= frameTypes.firstIgnorable) return undefined
      throw violation(`unknown frame type ${type}`)
  }
}

/** One frame is written at a time, and copied out. */
const scratch = Buffer.allocUnsafeSlow(frameSizes.header + frameSizes.maxControl)

class BodyWriter {
  readonly #bytes = scratch
  #at: number = frameSizes.header

  constructor(type: number) {
    this.#bytes[0] = type
  }

  u8(value: number): this {
    this.#at = this.#bytes.writeUInt8(value, this.#at)
    return this
  }

  u32(value: number): this {
    this.#at = this.#bytes.writeUInt32BE(value, this.#at)
    return this
  }

  u48(value: number): this {
    this.#at = this.#bytes.writeUIntBE(value, this.#at, 6)
    return this
  }

  id(hex: string): this {
    this.#at += this.#bytes.write(hex, this.#at, frameSizes.id, 'hex')
    return this
  }

  text(value: string): this {
    const length = Buffer.byteLength(value)
    if (length > 255) throw violation('a text in a frame is longer than 255 bytes')
    this.u8(length)
    this.#at += this.#bytes.write(value, this.#at)
    return this
  }

  codes(values: Uint8Array): this {
    this.u8(values.length)
    this.#bytes.set(values, this.#at)
    this.#at += values.length
    return this
  }

  finish(): Buffer {
    this.#bytes.writeUInt16BE(this.#at - frameSizes.header, 1)
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }
}

class BodyReader {
  readonly #body: Buffer
  #at = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  u8(): number {
    return this.#body.readUInt8(this.#take(1))
  }

  u32(): number {
    return this.#body.readUInt32BE(this.#take(4))
  }

  u48(): number {
    return this.#body.readUIntBE(this.#take(6), 6)
  }

  id(): string {
    const at = this.#take(frameSizes.id)
    return this.#body.toString('hex', at, at + frameSizes.id)
  }

  text(): string {
    const length = this.u8()
    const at = this.#take(length)
    return this.#body.toString('utf8', at, at + length)
  }

  codes(): Uint8Array {
    const length = this.u8()
    const at = this.#take(length)
    return this.#body.subarray(at, at + length)
  }

  assertEnd(): void {
    if (this.#at !== this.#body.length) throw violation('a frame is longer than its content')
  }

  #take(length: number): number {
    const at = this.#at
    if (at + length > this.#body.length) throw violation('a frame is shorter than its content')
    this.#at += length
    return at
  }
}
