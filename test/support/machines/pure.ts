import { createActor, createEmptyActor, fromCallback, type AnyEventObject, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate'

/**
 * A machine as a pure function of its state and an event: nothing it wants done is done. XState's own `transition` does
 * not know of parents and throws where a machine tells its parent something, so this gives it one that hears nothing.
 */
export function pure(machine: AnyStateMachine) {
  const self = createActor(fromCallback(() => {}), { parent: createEmptyActor() })
  const scope = () =>
    ({ self, id: '', sessionId: '', system: self.system, logger: () => {}, defer: () => {}, stopChild: () => {}, emit: () => {}, actionExecutor: () => {} }) as never
  return {
    initial: (input: unknown): AnyMachineSnapshot => machine.getInitialSnapshot(scope(), input) as AnyMachineSnapshot,
    next: (snapshot: AnyMachineSnapshot, event: AnyEventObject): AnyMachineSnapshot => machine.transition(snapshot as never, event, scope()) as AnyMachineSnapshot,
  }
}
