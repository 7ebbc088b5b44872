import { createActor, createEmptyActor, fromCallback, type AnyEventObject, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate'
import { statesOf } from '../../../scripts/docs/edges.js'

/**
 * A machine as a pure function of its state and an event: nothing it wants done is done. XState's own `transition` does
 * not know of parents and throws where a machine tells its parent something, so this gives it one that hears nothing;
 * likewise for actors that are not provided.
 */
export function pure(bare: AnyStateMachine) {
  const machine = withSilentActors(bare)
  const self = createActor(fromCallback(() => {}), { parent: createEmptyActor() })
  const scope = () =>
    ({ self, id: '', sessionId: '', system: self.system, logger: () => {}, defer: () => {}, stopChild: () => {}, emit: () => {}, actionExecutor: () => {} }) as never
  return {
    initial: (input: unknown): AnyMachineSnapshot => machine.getInitialSnapshot(scope(), input) as AnyMachineSnapshot,
    next: (snapshot: AnyMachineSnapshot, event: AnyEventObject): AnyMachineSnapshot => machine.transition(snapshot as never, event, scope()) as AnyMachineSnapshot,
  }
}

function withSilentActors(machine: AnyStateMachine): AnyStateMachine {
  const invoked = statesOf(machine.root).flatMap(({ invoke }) => invoke.map(({ src }) => src as string))
  const missing = invoked.filter(src => !(src in machine.implementations.actors))
  // a machine with other actors is another machine, with states of its own
  return missing.length === 0 ? machine : machine.provide({ actors: Object.fromEntries(missing.map(src => [src, fromCallback(() => {})])) as never })
}
