import type { AnyStateMachine } from 'xstate'
import { attemptMachine } from './attempt/attempt.machine.js'
import { candidateMachine } from './candidate/candidate.machine.js'
import { clockMachine } from './clock/clock.machine.js'
import { connectionMachine } from './connection/connection.machine.js'
import { directMachine } from './direct/direct.machine.js'
import { natProbeMachine } from './nat-probe/nat-probe.machine.js'
import { nodeMachine } from './node/node.machine.js'
import { pipeSessionMachine } from './pipe-session/pipe-session.machine.js'
import { punchMachine } from './punch/punch.machine.js'
import { relayMachine } from './relay/relay.machine.js'
import { reverseMachine } from './reverse/reverse.machine.js'
import { searchMachine } from './search/search.machine.js'
import { signallingMachine } from './signalling/signalling.machine.js'

/** Every machine of the product by its id, for inspectors, visualisers and the generated docs. Actors are not provided. */
export const machines: Readonly<Record<string, AnyStateMachine>> = {
  node: nodeMachine,
  connection: connectionMachine,
  attempt: attemptMachine,
  direct: directMachine,
  reverse: reverseMachine,
  punch: punchMachine,
  relay: relayMachine,
  candidate: candidateMachine,
  search: searchMachine,
  signalling: signallingMachine,
  natProbe: natProbeMachine,
  clock: clockMachine,
  pipeSession: pipeSessionMachine,
}

export { strategyOrder, type AttemptMode, type Strategy } from './strategies.js'
