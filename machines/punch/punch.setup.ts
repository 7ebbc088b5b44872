import { assign, enqueueActions, sendParent, sendTo, setup } from 'xstate'
import { needsManyPorts, needsSampling } from '../../src/nat/punch/plan-volleys.js'
import { candidateMachine } from '../candidate/candidate.machine.js'
import type { StrategyInput, StrategyOutput } from '../shared/strategy.types.js'
import type { Aim, PortsLogic, PunchContext, PunchEvent, TakeAimLogic } from './punch.types.js'

const records = ({ sites }: PunchContext) => sites.map(({ record }) => record)

/** The named parts of the punch: what its states may ask, wait for and do. The states are in punch.machine.ts. */
export const punchSetup = setup({
  types: {
    context: {} as PunchContext,
    events: {} as PunchEvent,
    input: {} as StrategyInput,
    output: {} as StrategyOutput,
    children: {} as { ports: 'ports'; aim: 'takeAim' },
  },
  actors: { candidate: candidateMachine } as { ports: PortsLogic; takeAim: TakeAimLogic; candidate: typeof candidateMachine },
  guards: {
    isInitiator: ({ context }) => context.role === 'initiator',
    isForRound: ({ context, event }) => event.type === 'sites.gathered' && event.round === context.round,
    areMappingsKnown: ({ context }) => context.sites.length > 0 && context.peer.length > 0,
    needsSampling: ({ context }) => needsSampling(context.sites, context.peer),
    isMomentPast: ({ context }) => context.isMomentPast,
    /** After a commit both sides state their sites anew. */
    hasPeerAim: ({ context }) => context.peerRound >= context.round,
    isNextRound: ({ context, event }) => event.type === 'peer.committed' && event.round > context.round && event.round <= context.policy.punch.rounds,
    hasNews: ({ context }) => context.hasNews && !context.isHeld,
    isHeld: ({ context }) => context.isHeld,
    /** The initiator leads from round to round. */
    mayGoOn: ({ context }) => context.role === 'initiator' && !context.isHeld && context.round < context.policy.punch.rounds,
    hasRoundLeft: ({ context }) => context.round < context.policy.punch.rounds,
    isIdle: ({ context }) => context.live.length === 0 && !context.isHeld,
    /** No pair of endpoints is worth a SYN. */
    hasFired: ({ context }) => context.hasFired,
  },
  delays: {
    gatherTimeout: ({ context }) => context.policy.punch.gatherMs,
    answerTimeout: ({ context: { policy } }) => policy.attempt.ackTimeoutMs + policy.attempt.answerTimeoutMs,
    updateTimeout: ({ context }) => context.policy.punch.updateMs,
    punchTimeout: ({ context }) => context.policy.punch.timeoutMs,
    moment: ({ context }) => context.momentMs,
    lateness: ({ context }) => context.momentMs + context.policy.punch.lateMs,
    roundTimeout: ({ context: { sites, peer, policy: { punch } } }) => (needsManyPorts(sites, peer) ? punch.birthdayRoundMs : punch.roundMs),
    aimTimeout: ({ context }) => context.policy.punch.updateMs,
  },
  actions: {
    // sites and messages
    gather: sendTo('ports', ({ context }) => ({ type: 'ports.gather', round: context.round, isSampling: context.round > 0 })),
    noteSites: assign({ sites: ({ context, event }) => (event.type === 'sites.gathered' ? event.sites : context.sites), hasNews: true }),
    tellSites: sendParent(({ context, event }) => ({
      type: 'punch.gathered', round: event.type === 'sites.gathered' ? event.round : context.round, records: records(context),
    })),
    commit: enqueueActions(({ context, enqueue }) => {
      const { policy, roundTripMs } = context
      const round = context.round + 1
      // there and back, and the time it takes to sample
      const inMs = roundTripMs + policy.punch.sampleMs
      enqueue.assign({ round, momentMs: inMs, isMomentPast: false })
      enqueue(sendParent({ type: 'punch.committed', round, inMs }))
    }),
    noteCommit: assign(({ event }) => (event.type === 'peer.committed' ? { round: event.round, momentMs: event.inMs, isMomentPast: false } : {})),
    noteAnswer: assign(({ event }) =>
      event.type === 'peer.answered'
        ? { peer: event.endpoints.punch, isSameMachine: event.endpoints.isSameMachine, roundTripMs: event.roundTripMs, isMomentPast: true, hasNews: true }
        : {}),
    noteAlignment: assign(({ event }) => (event.type === 'answer.sent' ? { momentMs: event.alignMs } : {})),
    noteMoment: assign({ isMomentPast: true }),
    noteUpdate: assign(({ context, event }) =>
      event.type === 'peer.updated' && event.round >= context.peerRound ? { peer: event.punch, peerRound: event.round, hasNews: true } : {}),

    // volleys
    noteNews: assign({ hasNews: true }),
    noteAiming: assign({ hasNews: false }),
    noteAim: assign(({ context }, { aim }: { aim: Aim }) => ({ planned: [...context.planned, ...aim.keys] })),
    fire: enqueueActions(({ context, enqueue }, { aim }: { aim: Aim }) => {
      const { peerId, role, sessionKey, sessionId, attemptId, policy } = context
      for (const candidate of aim.skipped) enqueue(sendParent({ type: 'candidate.changed', candidate }))
      for (const { candidate, volley } of aim.volleys) {
        enqueue.spawnChild('candidate', { id: candidate.id, input: { candidate, volley, peerId, role, sessionKey, sessionId, attemptId, policy } })
      }
      enqueue.assign({ live: [...context.live, ...aim.volleys.map(({ candidate }) => candidate.id)] })
      if (aim.volleys.length === 0) return
      enqueue.assign({ hasFired: true })
      enqueue.sendTo('ports', { type: 'ports.used' })
    }),
    noteEnd: assign({
      live: ({ context, event }) => {
        const ended = 'candidate' in event ? event.candidate.id : 'actorId' in event ? event.actorId : undefined
        return context.live.filter(id => id !== ended)
      },
    }),
    noteElection: assign({ isHeld: true }),
    noteElectionOver: assign({ isHeld: false }),
    passOn: sendParent(({ event }) => event),
    handOver: sendParent(({ event }) => ({ ...event, type: 'channel.secured' })),
    tellExhausted: sendParent({ type: 'strategy.exhausted', strategy: 'punch' }),
  },
})
