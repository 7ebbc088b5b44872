import { defaults } from '../../src/config/defaults.js'
import { toFailure, type Failure } from '../../src/errors/index.js'
import { natProbeSetup } from './nat-probe.setup.js'
import type { ListServersOutput, NatProbePolicy } from './nat-probe.types.js'
import { transportRegion } from './transport.region.js'

const { listTimeoutMs, batchTimeoutMs, refreshMs, settleMs, retryMinMs, retryMaxMs } = defaults.natProbe

/** The numbers of `defaults.natProbe`. */
export const defaultNatProbePolicy: NatProbePolicy = { listLimitMs: listTimeoutMs, batchLimitMs: batchTimeoutMs, refreshMs, settleMs, retryMinMs, retryMaxMs }

/** Where no actor rolled the dice: the whole ceiling. */
const longest = 1

const slowNames: Failure = { code: 'ERR_STUN_TIMEOUT', message: 'the names of the STUN servers were not resolved in time' }

/**
 * Learns and keeps what the network does at one interface and family: which NAT there is, and how it treats TCP and UDP. What it knows is in
 * its context (`profile`, `isStale`). A root actor each; the actors come from `createNatProbeActors`.
 */
export const natProbeMachine = natProbeSetup.createMachine({
  id: 'natProbe',
  description: 'Learns what the network does at one interface and family.',
  context: ({ input: { interfaceName, family, local, policy } }) => ({
    interfaceName,
    family,
    local,
    policy,
    profile: undefined,
    isStale: false,
    servers: [],
    rounds: [],
    failures: 0,
    lastFailure: undefined,
    jitter: 0,
    waitMs: 0,
  }),
  initial: 'sampling',
  on: {
    'network.changed': { target: '.stale', reenter: true, actions: { type: 'recordChange', params: ({ event }) => ({ local: event.local }) } },
    'probe.stop': '.stopped',
  },
  states: {
    sampling: {
      description: 'Asks servers how they see us, by TCP and UDP side by side.',
      entry: 'beginAnew',
      initial: 'listing',
      states: {
        listing: {
          description: 'Looks up the addresses of the servers, which may differ from network to network.',
          invoke: {
            id: 'listServers',
            src: 'listServers',
            input: ({ context }) => ({ family: context.family }),
            onDone: [
              {
                guard: { type: 'isListed', params: ({ event }) => event.output },
                target: 'probing',
                actions: { type: 'recordServers', params: ({ event }) => event.output as Extract<ListServersOutput, { ok: true }> },
              },
              { target: 'sampled', actions: { type: 'recordListFailure', params: ({ event }) => event.output as Extract<ListServersOutput, { ok: false }> } },
            ],
            onError: { target: 'sampled', actions: { type: 'recordListFailure', params: ({ event }) => ({ failure: toFailure(event.error), jitter: longest }) } },
          },
          after: { listLimit: { target: 'sampled', actions: { type: 'recordListFailure', params: { failure: slowNames, jitter: longest } } } },
        },
        probing: {
          description: 'Each transport goes through its batches of probes.',
          type: 'parallel',
          states: { tcp: transportRegion('tcp'), udp: transportRegion('udp') },
          onDone: 'sampled',
        },
        sampled: {
          description: 'Everything that could be asked was asked.',
          type: 'final',
        },
      },
      onDone: 'classifying',
    },
    classifying: {
      description: 'Makes a profile of the observations; without any, what was known goes stale.',
      always: [{ guard: 'hasAnswers', target: 'known', actions: 'recordProfile' }, { target: 'stale', actions: 'recordSilence' }],
    },
    known: {
      description: 'The profile holds, as far as anybody can tell, until it is renewed.',
      after: { refresh: 'sampling' },
    },
    stale: {
      description: 'The network changed, or nobody answered: what was known may be wrong. Samples again after a wait.',
      after: { staleWait: 'sampling' },
    },
    stopped: {
      description: 'Was told to stop.',
      type: 'final',
    },
  },
})
