import { and, fromPromise, not, setup } from 'xstate'

/** One of everything a diagram must show. */
export const smallMachine = setup({
  types: { events: {} as { type: 'peer.connect' } | { type: 'peer.leave' } | { type: 'note.taken' } | { type: 'dial.again' } | { type: 'jump' } },
  actors: { dial: fromPromise(() => Promise.resolve()) },
  guards: { hasRoundLeft: () => true, isWarm: () => true },
  delays: { dialWindow: 10 },
  actions: { recordNote: () => undefined },
}).createMachine({
  id: 'small-one',
  description: 'Decides little.',
  initial: 'resting',
  on: { 'peer.leave': '.failed', 'note.taken': { actions: 'recordNote' } },
  states: {
    resting: { description: 'Waits.', on: { 'peer.connect': 'working' } },
    working: {
      description: 'Works.',
      type: 'parallel',
      onDone: 'choosing',
      states: {
        dialling: {
          description: 'Dials.',
          initial: 'trying',
          states: {
            trying: {
              description: 'Tries.',
              invoke: { id: 'dial', src: 'dial', onDone: 'dialled', onError: { target: 'waiting' } },
              after: { dialWindow: { target: '#small-one.failed', guard: not('hasRoundLeft') } },
            },
            waiting: { description: 'Waits.', on: { 'dial.again': { target: '#small-one.working.dialling', reenter: true } } },
            dialled: { description: 'Dialled.', type: 'final' },
          },
        },
        asking: { description: 'Asks.', initial: 'asked', states: { asked: { description: 'Asked.', type: 'final' } } },
      },
    },
    choosing: {
      description: 'Passes through.',
      always: [{ guard: and(['hasRoundLeft', 'isWarm']), target: 'connected' }, { target: 'failed' }],
    },
    connected: { description: 'Done.', type: 'final' },
    failed: { description: 'Not done.', type: 'final' },
  },
})
