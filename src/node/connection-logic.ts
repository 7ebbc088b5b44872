import { assign, emit, fromCallback, setup } from 'xstate'
import { toFailure, type Failure } from '../errors/index.js'
import type { ConnectionState, DialOptions, Node, Pipe } from './types.js'

/** What an embedding machine passes to `connectionLogic`. */
export interface ConnectionLogicInput {
  readonly peer: string
  readonly options?: DialOptions
}

/** What `connectionLogic` emits: the pipe, once it is open. The listener owns it. */
export interface PipeOpened {
  readonly type: 'pipe.opened'
  readonly pipe: Pipe
}

type LogicEvent =
  | { readonly type: 'state.changed'; readonly state: ConnectionState }
  | { readonly type: 'pipe.ready'; readonly pipe: Pipe }
  | { readonly type: 'attempt.failed'; readonly failure: Failure }

/**
 * A connection as a machine that an application's own machine invokes as a child: its context tells the state, its
 * output how it ended (`failure` undefined = cleanly), and it emits `pipe.opened`. Stopping it before cancels the
 * attempt; an open pipe stays with whoever took it.
 */
export function connectionLogic(node: Pick<Node, 'dial'>) {
  const dial = fromCallback<LogicEvent, ConnectionLogicInput>(({ input, sendBack }) => {
    const stop = new AbortController()
    const attempt = node.dial(input.peer, { ...input.options, signal: joined(stop.signal, input.options?.signal) })
    const states = attempt.state$.subscribe(state => sendBack({ type: 'state.changed', state }))
    attempt.pipe.then(
      pipe => sendBack({ type: 'pipe.ready', pipe }),
      (error: unknown) => sendBack({ type: 'attempt.failed', failure: toFailure(error) }),
    )
    return () => {
      states.unsubscribe()
      stop.abort()
    }
  })
  return setup({
    types: {
      context: {} as ConnectionLogicInput & { readonly state: ConnectionState; readonly failure: Failure | undefined },
      events: {} as LogicEvent,
      input: {} as ConnectionLogicInput,
      output: {} as { readonly failure: Failure | undefined },
      emitted: {} as PipeOpened,
    },
    actors: { dial },
    actions: {
      noteState: assign({ state: ({ context, event }) => (event.type === 'state.changed' ? event.state : context.state) }),
      noteFailure: assign((_, { failure }: { failure: Failure }) => ({ failure })),
      showPipe: emit((_, { pipe }: { pipe: Pipe }): PipeOpened => ({ type: 'pipe.opened', pipe })),
    },
    guards: {
      isClosed: (_, { state }: { state: ConnectionState }) => state === 'closed',
      isFailed: (_, { state }: { state: ConnectionState }) => state === 'failed',
    },
  }).createMachine({
    id: 'throughline',
    description: 'One connection to a peer, for machines that invoke it.',
    context: ({ input }) => ({ ...input, state: 'resolving', failure: undefined }),
    output: ({ context }) => ({ failure: context.failure }),
    invoke: {
      id: 'dial',
      src: 'dial',
      input: ({ context }) => context,
      onError: { target: '.failed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: toFailure(event.error) }) } },
    },
    on: { 'state.changed': { actions: 'noteState' } },
    initial: 'attempting',
    states: {
      attempting: {
        description: 'Looks for a path; `context.state` says how far it is.',
        on: {
          'pipe.ready': { target: 'connected', actions: { type: 'showPipe', params: ({ event }) => ({ pipe: event.pipe }) } },
          'attempt.failed': { target: 'failed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
        },
      },
      connected: {
        description: 'The pipe is open.',
        on: {
          'state.changed': [
            { guard: { type: 'isClosed', params: ({ event }) => event }, target: 'closed', actions: 'noteState' },
            {
              guard: { type: 'isFailed', params: ({ event }) => event }, target: 'failed',
              actions: ['noteState', { type: 'noteFailure', params: { failure: { code: 'ERR_CONNECTION_LOST', message: 'the pipe broke' } } }],
            },
            { actions: 'noteState' },
          ],
        },
      },
      closed: { type: 'final', description: 'Both sides ended the pipe.' },
      failed: { type: 'final', description: 'There is no pipe, or it broke.' },
    },
  })
}

const joined = (own: AbortSignal, given: AbortSignal | undefined): AbortSignal => (given === undefined ? own : AbortSignal.any([own, given]))
