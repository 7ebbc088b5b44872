const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** The longest time a Node timer can wait. */
const longestMs = 2 ** 31 - 1

/** Reads `500ms`, `30s`, `1.5m`, `1h` as milliseconds; undefined for anything else, zero and more than 24 days included. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (match === null) return undefined
  const ms = Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs])
  return ms >= 1 && ms <= longestMs ? ms : undefined
}
