import type { Claim, Claims } from '../claims.js'
import type { Answer } from '../nat-spec.js'
import type { Answered, Findings, Found } from './prober.js'

/** In what a NAT is not what it claims, in words; empty when all that could be found out agrees. */
export function contradictions(claims: Claims, findings: Findings): string[] {
  const { tcp, udp } = findings
  if (udp === null || claims.udp === null) return [...ofProtocol('tcp', claims.tcp, tcp), ...(udp === claims.udp ? [] : [`udp is ${udp === null ? '' : 'not '}blocked`])]
  return [...ofProtocol('tcp', claims.tcp, tcp), ...ofProtocol('udp', claims.udp, udp)]
}

const answers: Record<'tcp' | 'udp', Record<Answer, Answered>> = {
  tcp: { drop: 'silent', rst: 'refused', icmp: 'unreachable' },
  udp: { drop: 'silent', rst: 'silent', icmp: 'unreachable' },
}

function ofProtocol(protocol: 'tcp' | 'udp', claim: Claim, found: Found): string[] {
  const answer = answers[protocol][claim.unsolicited]
  const checks: [field: keyof Found, agrees: boolean, claimed: unknown][] = [
    ['mapping', found.mapping === claim.mapping, claim.mapping],
    ['filtering', found.filtering === claim.filtering, claim.filtering],
    ['allocation', found.mapping === 'none' || isAllocation(claim, found.allocation), claim.allocation],
    ['unsolicited', found.unsolicited === answer, answer],
    ['filtered', found.filtered === (claim.filtering === 'EIF' ? null : answer), answer],
    // Null: not to be told from inside.
    ['hairpin', found.hairpin === null ? claim.mapping !== 'EIM' : found.hairpin === claim.hairpin, claim.hairpin],
    ['rstEndsMapping', found.rstEndsMapping === null ? protocol === 'udp' || claim.mapping === 'APDM' : found.rstEndsMapping === claim.rstEndsMapping, claim.rstEndsMapping],
    ['idleS', isIdleTime(claim.idleS ?? Infinity, found.idleS), claim.idleS],
    // A Poisson process watched for a second.
    ['othersPerS', Math.abs((found.othersPerS ?? 0) - claim.othersPerS) <= 5 * Math.sqrt(claim.othersPerS), claim.othersPerS],
  ]
  return checks.filter(([, agrees]) => !agrees).map(([field, , claimed]) => `${protocol} ${field} is ${JSON.stringify(found[field])}, claimed ${JSON.stringify(claimed)}`)
}

function isAllocation({ allocation, portCount }: Claim, found: Found['allocation']): boolean {
  if (typeof found === 'object' && 'within' in found) {
    const width = allocation === 'random' ? portCount : typeof allocation === 'object' && 'block' in allocation ? allocation.block : 0
    // 24 ports at random: less than half of their range in one of a million runs.
    return found.within <= width && found.within > width / 2
  }
  return JSON.stringify(found) === JSON.stringify(allocation)
}

const isIdleTime = (idleS: number, [survived, forgotten]: Found['idleS']): boolean => survived < idleS && (forgotten === null || forgotten >= idleS)
