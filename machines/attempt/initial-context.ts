import type { AttemptContext, AttemptInput } from './attempt.types.js'

/** What an attempt knows before anything has happened. */
export const initialContext = (input: AttemptInput): AttemptContext => ({
  ...input,
  known: input.target,
  round: 0,
  running: [],
  deferred: [],
  punch: undefined,
  punchRound: 0,
  relay: undefined,
  relayFailure: undefined,
  isGraceOver: false,
  candidates: {},
  ready: [],
  electing: undefined,
  elected: undefined,
  signalling: { published: false, acknowledged: false, answered: false, gaveUp: false, failure: undefined },
  failure: undefined,
})
