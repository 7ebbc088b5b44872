import type { InterfaceRecord } from '../../protocol/interface-record.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { unknownProfile } from '../enumeration/classify.js'
import { mobility, pairOutcome, type Mobility, type PairOutcome } from '../nat-compatibility.js'

/** For people; sentences. */
export interface PairExplanation {
  readonly text: string
  readonly advice: string
}

/**
 * Why a punch between the two networks did not come through, by the most promising pair of interfaces, and what would help. From what both
 * sides stated; undefined where one of them stated nothing.
 */
export function explainPair(mine: readonly InterfaceRecord[], theirs: readonly InterfaceRecord[]): PairExplanation | undefined {
  if (mine.length === 0 || theirs.length === 0) return undefined
  const pairs = mine.flatMap(one => theirs.filter(({ family }) => family === one.family).map(other => pairOf(one, other)))
  const [best] = pairs.sort((a, b) => chances.indexOf(a.outcome.punch) - chances.indexOf(b.outcome.punch))
  return best === undefined ? noCommonFamily(mine) : explain(best)
}

const chances: readonly PairOutcome['punch'][] = ['yes', 'likely', 'unknown', 'no']

interface Pair {
  readonly one: InterfaceRecord
  readonly other: InterfaceRecord
  readonly outcome: PairOutcome
}

/** Without an external endpoint there is nothing to shoot at, whatever the NAT. */
function pairOf(one: InterfaceRecord, other: InterfaceRecord): Pair {
  const outcome = pairOutcome(one.nat ?? unknownProfile, other.nat ?? unknownProfile)
  return { one, other, outcome: isUnknown(one) || isUnknown(other) ? { ...outcome, punch: 'unknown' } : outcome }
}

const isUnknown = ({ nat, external }: InterfaceRecord): boolean => external === undefined || (nat?.mapping ?? 'unknown') === 'unknown'

function explain({ one, other, outcome }: Pair): PairExplanation {
  if (isBehindOneNat(one, other)) {
    return {
      text: 'Both sides are behind one NAT. It does not connect them by its external address, and no way by the local network was found.',
      advice: 'Let the two reach each other on the local network (guest networks keep their devices apart); else a relay would help.',
    }
  }
  if (isUnknown(one) || isUnknown(other)) return unknownNat(isUnknown(one), isUnknown(other))
  const kinds = [kindOf(one), kindOf(other)] as const
  if (outcome.method === 'birthday') {
    const [random, filtering] = kinds[0] === 'random' ? [here, there] : [there, here]
    return {
      text: `The NAT of ${random} chooses random ports per destination, and that of ${filtering} lets in only endpoints it has sent to. Many ports were tried at once, which is a matter of chance.`,
      advice: `Try again; ${relay}`,
    }
  }
  if (outcome.method === 'predicted') return { text: missed(kinds), advice: `Try again; ${relay}` }
  if (outcome.method !== undefined) {
    return {
      text: 'By what is known of both networks a punch comes through, and yet none did: a firewall may block connections to unusual ports.',
      advice: `Look for a firewall on the two sides that limits outgoing connections; ${relay}`,
    }
  }
  return {
    text: kinds[0] === kinds[1]
      ? 'Both NATs choose random ports per destination.'
      : `The NAT of ${kinds[0] === 'random' ? here : there} chooses random ports per destination; that of ${kinds[0] === 'random' ? there : here} uses another port for each endpoint, and lets in only that endpoint.`,
    advice: 'A relay would help.',
  }
}

const here = 'this side'
const there = 'the peer'
const relay = 'a relay would help for good.'

const kindOf = ({ nat = unknownProfile }: InterfaceRecord): Mobility => mobility(nat)

/** An equal address without a NAT is one machine. */
const isBehindOneNat = (one: InterfaceRecord, other: InterfaceRecord): boolean =>
  one.external !== undefined && other.external !== undefined && isSameHost(one.external.host, other.external.host) && one.nat?.mapping !== 'none' && other.nat?.mapping !== 'none'

function missed(kinds: readonly [Mobility, Mobility]): string {
  const whose = kinds[0] === kinds[1] ? undefined : kinds[0] === 'predictable' ? here : there
  return whose === undefined
    ? 'Both NATs use another port for each destination. These had to be foretold, and connections of others through them may have come in between.'
    : `The NAT of ${whose} uses another port for each destination. It had to be foretold, and connections of others through that NAT may have come in between.`
}

function unknownNat(isOneUnknown: boolean, isOtherUnknown: boolean): PairExplanation {
  const whose = isOneUnknown && isOtherUnknown ? 'both sides' : isOneUnknown ? here : there
  return {
    text: `Too little is known about the NAT of ${whose}: no STUN server told enough, so nothing better than a guess could be tried.`,
    advice: `Name STUN servers with --stun on ${whose === there ? 'the side of the peer' : whose}; throughline nat shows which of them answer.`,
  }
}

const noCommonFamily = (mine: readonly InterfaceRecord[]): PairExplanation => {
  const ours = mine.some(({ family }) => family === 4) ? 4 : 6
  return { text: `This side has IPv${ours} only, the peer has IPv${10 - ours} only.`, advice: 'Give both sides the same family, best IPv6; a relay that has both would help too.' }
}
