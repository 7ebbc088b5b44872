import { familyOf } from '../../protocol/endpoint.js'
import type { Transport } from '../nat-profile.js'
import { mappedOf, slotKey, type Mapped, type ProbeRound } from './probes.js'

/** What the servers hold of us, after those that stand alone were put aside. */
export interface Agreement {
  /** Our external address; null when nobody answered, or they disagree and none has a majority. */
  readonly external: string | null
  /** How many servers vouch for it; see `agree` for what counts as one. */
  readonly voters: number
  /** What counts: the observations of the servers that agree. */
  readonly trusted: readonly Mapped[]
}

/**
 * Finds our external address by vote. The servers that answered by this transport decide; if they are at odds, those of the other
 * transport join, for who lies there is not believed here. One alone is believed when nobody contradicts. Endpoints named to the
 * plan with one address are one voter, and so are a server and its other address.
 */
export function agree(rounds: readonly ProbeRound[], transport: Transport, local: string): Agreement {
  const own = votesOf(mappedOf(rounds, transport).filter(({ mapped }) => familyOf(mapped.host) === familyOf(local)))
  const both = votesOf([...mappedOf(rounds, 'tcp'), ...mappedOf(rounds, 'udp')])
  const external = winnerOf(own) ?? winnerAmong(own, both)
  if (external === null) return { external, voters: 0, trusted: [] }
  const honest = mappedOf(rounds, transport).filter(({ server }) => isSteady(server.host, external, own))
  const trusted = withoutOddPorts(honest)
  const voters = new Set([...trusted.map(voterOf), ...[...(both.get(external) ?? [])].filter(voter => isSteady(voter, external, both))])
  return trusted.length === 0 ? { external: null, voters: 0, trusted } : { external, voters: voters.size, trusted }
}

/** Voters by the address they saw. */
type Votes = ReadonlyMap<string, ReadonlySet<string>>

function votesOf(samples: readonly Mapped[]): Votes {
  const votes = new Map<string, Set<string>>()
  for (const sample of samples) votes.set(sample.mapped.host, (votes.get(sample.mapped.host) ?? new Set()).add(voterOf(sample)))
  return votes
}

/** At least two, and more than for any other address. */
function winnerOf(votes: Votes): string | null {
  const [first, second] = [...votes].sort(([, a], [, b]) => b.size - a.size)
  return first !== undefined && first[1].size >= 2 && first[1].size > (second?.[1].size ?? 0) ? first[0] : null
}

/** The address that wins over both transports, or that nobody contradicts, if somebody saw it by our own. */
function winnerAmong(own: Votes, both: Votes): string | null {
  const winner = winnerOf(both) ?? (both.size === 1 ? [...both.keys()][0] : undefined)
  return winner !== undefined && own.has(winner) ? winner : null
}

/** Who tells now this, now that, is not believed in anything. */
const isSteady = (voter: string, external: string, votes: Votes): boolean =>
  [...votes].every(([address, voters]) => voters.has(voter) === (address === external))

/**
 * Where two servers see one local port at the same external port, its mapping is endpoint-independent, and a server alone with another
 * port errs or lies. Where all differ, each may be right.
 */
function withoutOddPorts(samples: readonly Mapped[]): readonly Mapped[] {
  const odd = new Set<string>()
  for (const group of groupsOf(samples, ({ slot }) => slotKey(slot))) {
    const backers = new Map<number, Set<string>>()
    for (const sample of group) backers.set(sample.mapped.port, (backers.get(sample.mapped.port) ?? new Set()).add(voterOf(sample)))
    const agreeing = new Set([...backers.values()].filter(({ size }) => size >= 2).flatMap(voters => [...voters]))
    if (agreeing.size > 0) for (const sample of group) if (!agreeing.has(voterOf(sample))) odd.add(voterOf(sample))
  }
  return samples.filter(sample => !odd.has(voterOf(sample)))
}

/** Splits a list by a key, in order of first occurrence. */
export function groupsOf<T>(items: readonly T[], keyOf: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return [...groups.values()]
}

const voterOf = ({ server }: Mapped): string => server.host
