import { toFailure, type Failure } from '../../src/errors/index.js'
import { nextBatch } from '../../src/nat/enumeration/plan.js'
import type { Transport } from '../../src/nat/nat-profile.js'
import { natProbeSetup } from './nat-probe.setup.js'
import type { NatProbeContext, RunBatchInput, RunBatchOutput } from './nat-probe.types.js'

const silence: Failure = { code: 'ERR_STUN_TIMEOUT', message: 'the probes did not end in time' }

/** The batches of one transport, one after the other, as long as the plan has more. */
export const transportRegion = (transport: Transport) =>
  natProbeSetup.createStateConfig({
    description: `The enumeration by ${transport.toUpperCase()}.`,
    initial: 'planning',
    states: {
      planning: {
        description: 'Decides, by what both transports have learnt so far, whether another batch can teach anything.',
        always: [{ guard: { type: 'hasNextBatch', params: { transport } }, target: 'asking' }, { target: 'asked' }],
      },
      asking: {
        description: 'A batch of probes is out.',
        invoke: {
          id: `${transport}Batch`,
          src: 'runBatch',
          input: ({ context }) => batchInput(context, transport),
          onDone: [
            {
              guard: { type: 'isAnswered', params: ({ event }) => event.output },
              target: 'planning',
              actions: { type: 'recordRound', params: ({ event }) => event.output as Extract<RunBatchOutput, { ok: true }> },
            },
            { target: 'asked', actions: { type: 'recordFailure', params: ({ event }) => event.output as Extract<RunBatchOutput, { ok: false }> } },
          ],
          onError: { target: 'asked', actions: { type: 'recordFailure', params: ({ event }) => ({ failure: toFailure(event.error) }) } },
        },
        after: { batchLimit: { target: 'asked', actions: { type: 'recordFailure', params: { failure: silence } } } },
      },
      asked: {
        description: 'This transport has nothing more to teach.',
        type: 'final',
      },
    },
  })

/** The guard of `planning` has just found a batch; the plan is a function of the context. */
function batchInput({ interfaceName, family, local, servers, rounds }: NatProbeContext, transport: Transport): RunBatchInput {
  const batch = nextBatch({ transport, local, servers, rounds })
  if (batch === undefined) throw new Error('the plan has no further batch')
  return { interfaceName, family, local, batch }
}
