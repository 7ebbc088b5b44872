import { defaults } from '../config/defaults.js'
import { BirthdayTurns } from './birthday-turns.js'
import type { Clock } from './clock.js'

const limits = defaults.budget

/** How much of a limit is used, for `network$`. */
export interface BudgetUse {
  readonly used: number
  readonly limit: number
}

/**
 * What strangers may cost this node and the networks around it (docs/security.md). One per node. Every rate is over a
 * sliding window; memory is bounded by the windows' limits and `maxRemembered`.
 */
export class Budget {
  /** One birthday punch at a time. */
  readonly birthdays: BirthdayTurns
  readonly #clock: Clock
  readonly #offers: number[] = []
  readonly #lookups: number[] = []
  /** Times of SYNs by address; the eldest address is forgotten first. */
  readonly #syns = new Map<string, number[]>()
  /** Addresses and SYNs by attempt; the eldest attempt is forgotten first, long after its end. */
  readonly #spent = new Map<string, { readonly hosts: Set<string>; syns: number }>()
  /** Running attempts; strangers have places of their own, so that they cannot take those of known peers. */
  readonly #attempts = { known: 0, stranger: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
    this.birthdays = new BirthdayTurns(clock)
  }

  /** A stranger's offer wants an answer and dials: false when this second has had its share. */
  takeStrangerOffer(): boolean {
    return take(this.#offers, this.#clock.now(), offerWindowMs, limits.strangerOffersPerSecond, 1)
  }

  /** A stranger asks for our address: false when this second has had its share. */
  takeStrangerLookup(): boolean {
    return take(this.#lookups, this.#clock.now(), offerWindowMs, limits.strangerLookupsPerSecond, 1)
  }

  /**
   * A connect for a stranger to an address, which shall end within `strangerDialMs`: false when its attempt (any key of
   * it), over all strategies, or this minute there, has had its share of SYNs.
   * `leftSyns` of the attempt's share are left to others.
   */
  takeStrangerDial(attempt: string, host: string, leftSyns = 0): boolean {
    const spent = touch(this.#spent, attempt, () => ({ hosts: new Set<string>(), syns: 0 }))
    const isFar = !spent.hosts.has(host) && spent.hosts.size >= limits.strangerAddressesPerOffer
    if (isFar || spent.syns + limits.synsPerDial > limits.strangerSynsPerOffer - leftSyns) return false
    const times = touch(this.#syns, host, (): number[] => [])
    if (!take(times, this.#clock.now(), synWindowMs, limits.strangerSynsPerAddressPerMinute, limits.synsPerDial)) return false
    spent.hosts.add(host)
    spent.syns += limits.synsPerDial
    return true
  }

  /** Dials that reverse may make of that. */
  get strangerDialsPerOffer(): number {
    return limits.strangerAddressesPerOffer
  }

  /** Enters an attempt that an offer asks for; undefined when too many run, else what leaves it. Idempotent. */
  enterAttempt(whose: 'known' | 'stranger'): (() => void) | undefined {
    const attempts = this.#attempts
    if (attempts[whose] >= limits.knownAttempts) return undefined
    attempts[whose] += 1
    let isInside = true
    return () => {
      if (isInside) attempts[whose] -= 1
      isInside = false
    }
  }

  /** For `network$`. */
  get use(): Readonly<Record<'strangerOffersPerSecond' | 'inboundAttempts' | 'strangerAttempts' | 'birthdayPunches', BudgetUse>> {
    const since = this.#clock.now() - offerWindowMs
    return {
      strangerOffersPerSecond: { used: this.#offers.filter(time => time > since).length, limit: limits.strangerOffersPerSecond },
      inboundAttempts: { used: this.#attempts.known, limit: limits.knownAttempts },
      strangerAttempts: { used: this.#attempts.stranger, limit: limits.knownAttempts },
      birthdayPunches: this.birthdays.use,
    }
  }
}

const offerWindowMs = 1_000
const synWindowMs = 60_000
/** Addresses, and attempts, remembered at once. */
const maxRemembered = 4_096

/** The entry of a key, now the latest, made where there is none. */
function touch<T>(entries: Map<string, T>, key: string, make: () => T): T {
  const entry = entries.get(key) ?? make()
  entries.delete(key)
  entries.set(key, entry)
  const [eldest] = entries.keys()
  if (entries.size > maxRemembered && eldest !== undefined) entries.delete(eldest)
  return entry
}

function take(times: number[], nowMs: number, windowMs: number, limit: number, cost: number): boolean {
  while (times[0] !== undefined && times[0] <= nowMs - windowMs) times.shift()
  if (times.length + cost > limit) return false
  for (let index = 0; index < cost; index++) times.push(nowMs)
  return true
}
