import type { AnyEventObject, AnyStateMachine } from 'xstate'
import { directMachine } from '../../../machines/direct/direct.machine.js'
import { punchMachine } from '../../../machines/punch/punch.machine.js'
import { relayMachine } from '../../../machines/relay/relay.machine.js'
import { reverseMachine } from '../../../machines/reverse/reverse.machine.js'
import type { CandidateRecord } from '../../../machines/shared/candidate.types.js'
import type { StrategyInput } from '../../../machines/shared/strategy.types.js'
import type { Strategy } from '../../../machines/strategies.js'
import { FakeActors, run, settled } from './live.js'
import { candidate, endpoints, failure, peerId, policy, punchRecord, reach, record, relayRecord, site, volley } from './samples.js'

/** How a strategy is driven on the side on which it acts. */
interface Drive {
  readonly machine: AnyStateMachine
  /** Where it acts; on the other side it waits for the peer, or does the same. */
  readonly role: StrategyInput['role']
  /** The actor that says what to try, and what it says. */
  readonly planner: string
  plan(ids: readonly string[]): object
  /** Its other actors, besides its candidates. */
  readonly others: readonly string[]
  /** Leads it to its first question to the planner. */
  begin(fakes: FakeActors, send: (event: AnyEventObject) => void): void
  /** What makes it ask again. */
  readonly news: AnyEventObject
}

const dial = (machine: AnyStateMachine, role: StrategyInput['role']): Drive => ({
  machine, role, planner: 'planCandidates', others: [],
  plan: ids => ({ candidates: ids.map(id => candidate(id)), keys: ids }),
  begin: () => {},
  news: { type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50 },
})

/** A new strategy is entered here. */
const drives: Readonly<Record<Strategy, Drive>> = {
  direct: dial(directMachine, 'initiator'),
  reverse: dial(reverseMachine, 'responder'),
  punch: {
    machine: punchMachine, role: 'initiator', planner: 'takeAim', others: ['ports'],
    plan: ids => ({ volleys: ids.map((id, index) => ({ candidate: candidate(id), volley: volley(index + 1) })), keys: ids }),
    begin: (fakes, send) => {
      fakes.last('ports').tell({ type: 'sites.gathered', round: 0, sites: [site(1)] })
      send({ type: 'peer.answered', endpoints: { ...endpoints(1), punch: [punchRecord(1)] }, roundTripMs: 50 })
    },
    news: { type: 'peer.updated', round: 0, punch: [punchRecord(2)], relay: [] },
  },
  relay: {
    machine: relayMachine, role: 'initiator', planner: 'planWays', others: ['relays'],
    plan: ids => ({ candidates: ids.map(id => ({ candidate: candidate(id), relay: reach('dial'), key: id })), keys: ids }),
    begin: (fakes, send) => {
      fakes.last('relays').tell({ type: 'relay.unavailable', failure })
      send({ type: 'peer.answered', endpoints: { ...endpoints(1), relay: [relayRecord(1)] }, roundTripMs: 50 })
    },
    news: { type: 'peer.updated', round: 0, punch: [], relay: [relayRecord(1), relayRecord(2)] },
  },
}

/** All there are, whether or not this version starts them. */
export const allStrategies = Object.keys(drives) as readonly Strategy[]

export const actingRole = (strategy: Strategy): StrategyInput['role'] => drives[strategy].role
export const otherRole = (strategy: Strategy): StrategyInput['role'] => (actingRole(strategy) === 'initiator' ? 'responder' : 'initiator')

/** A strategy with fakes for its actors, not led anywhere yet. Candidates are called by number. */
export function startStrategy(strategy: Strategy, fields: Partial<StrategyInput> = {}) {
  const { machine, role, planner, others, plan: planOf, begin, news } = drives[strategy]
  const fakes = new FakeActors()
  const provided = machine.provide({ actors: fakes.provide({ promises: [planner], callbacks: ['candidate', ...others] }) })
  const input: StrategyInput = {
    strategy, role, peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: endpoints(1), beside: [strategy], awaitsAnswer: false, policy, ...fields,
  }
  const running = run(provided, input)
  const send = (event: AnyEventObject) => running.actor.send(event)
  const id = (number: number) => `${strategy}-${number}`
  const plan = async (numbers: readonly number[], skipped: readonly CandidateRecord[] = []) => {
    fakes.last(planner).resolve({ ...planOf(numbers.map(id)), skipped })
    await settled()
  }
  const idOf = ({ input: given }: { readonly input: never }) => (given as { candidate: { id: string } }).candidate.id
  const started = () => fakes.of('candidate').map(idOf)
  const call = (number: number) => fakes.of('candidate').find(one => idOf(one) === id(number))!
  const fail = (number: number) => call(number).tell({ type: 'candidate.failed', candidate: record(id(number), 'failed', { error: failure }) })
  const secure = (number: number) => call(number).tell({ type: 'candidate.secured', channelId: `channel-${number}`, candidate: record(id(number), 'secured') })
  const told = (type: string) => running.told.filter(event => event.type === type)
  return {
    ...running, fakes, planner, send, id, plan, started, call, fail, secure, told,
    begin: () => begin(fakes, send),
    tellNews: () => send(news),
    failPlan: async () => {
      fakes.last(planner).reject(new Error('a defect'))
      await settled()
    },
    status: () => running.actor.getSnapshot().status,
    output: (): unknown => running.actor.getSnapshot().output,
  }
}
