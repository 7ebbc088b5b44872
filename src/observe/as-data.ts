import { toFailure } from '../errors/index.js'

/** More than any event of ours has. */
const maxDepth = 12

/**
 * A value as JSON can hold it, whatever it is: errors become code and message, bytes and functions are named and never
 * shown, what refers to itself or lies too deep is cut. Never throws.
 */
export function asData(value: unknown, depth = 0): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || value === undefined) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object') return `[${typeof value}]`
  if (depth >= maxDepth) return '[cut]'
  if (value instanceof Error) return toFailure(value)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) return value.map(item => asData(item, depth + 1))
  if (!isPlain(value)) return `[${value.constructor?.name ?? 'object'}]`
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asData(item, depth + 1)]))
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
