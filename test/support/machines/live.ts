import { createActor, fromCallback, fromPromise, SimulatedClock, type AnyActorLogic, type AnyEventObject, type AnyMachineSnapshot, type AnyStateMachine, type AnyStateNode } from 'xstate'

/** A call of a faked actor, and what became of it. */
export interface Call {
  readonly src: string
  readonly input: never
  readonly received: readonly AnyEventObject[]
  readonly isStopped: boolean
  resolve(output: unknown): void
  reject(error: unknown): void
  /** What the actor tells its parent. */
  tell(event: AnyEventObject): void
}

/** Fakes for the actors of a machine: they do what the test says, and remember what they were told. */
export class FakeActors {
  readonly calls: Call[] = []

  promise(src: string) {
    return fromPromise<unknown, never>(({ input, signal }) => {
      const { promise, resolve, reject } = withResolvers()
      this.calls.push({ src, input, received: [], get isStopped() { return signal.aborted }, resolve, reject, tell: () => {} })
      return promise
    })
  }

  callback(src: string) {
    return fromCallback<AnyEventObject, never>(({ input, sendBack, receive }) => {
      const received: AnyEventObject[] = []
      let isStopped = false
      receive(event => void received.push(event))
      this.calls.push({ src, input, received, get isStopped() { return isStopped }, resolve: () => {}, reject: () => {}, tell: event => sendBack(event) })
      return () => void (isStopped = true)
    })
  }

  last(src: string): Call {
    const call = this.calls.findLast(one => one.src === src)
    if (call === undefined) throw new Error(`the actor ${src} was not started`)
    return call
  }

  of(src: string): readonly Call[] {
    return this.calls.filter(one => one.src === src)
  }

  /** Fakes by name: those that resolve, and those that tell. */
  provide(names: { readonly promises?: readonly string[]; readonly callbacks?: readonly string[] }): Record<string, never> {
    const promises = (names.promises ?? []).map(name => [name, this.promise(name)])
    const callbacks = (names.callbacks ?? []).map(name => [name, this.callback(name)])
    return Object.fromEntries([...promises, ...callbacks]) as Record<string, never>
  }
}

function withResolvers() {
  let resolve!: (value: unknown) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<unknown>((onResolve, onReject) => ([resolve, reject] = [onResolve, onReject]))
  return { promise, resolve, reject }
}

/** Everything that was promised has arrived. */
export const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** A running machine under a clock of the test, as the child of a parent that remembers what it is told; its states in order. */
export function run(machine: AnyStateMachine, input: object) {
  const clock = new SimulatedClock()
  const told: AnyEventObject[] = []
  const states: string[] = []
  const entered = new Set<AnyStateNode>()
  let failure: unknown
  const parent = createActor(fromCallback(({ receive }) => receive(event => void told.push(event))), {
    clock,
    inspect: event => {
      if (event.type === '@xstate.microstep') for (const node of (event.snapshot as AnyMachineSnapshot)._nodes) entered.add(node as AnyStateNode)
    },
  }).start()
  const actor = createActor(machine, { input: input as never, parent: parent as never, id: 'tested' } as never)
  actor.subscribe({
    next: ({ value }) => {
      const state = JSON.stringify(value)
      if (states.at(-1) !== state) states.push(state)
    },
    error: error => (failure = error),
  })
  actor.start()
  // a child is stopped by its parent; a test has none that could
  const stop = () => (actor as unknown as { _stop(): void })._stop()
  return { actor, clock, states, told, entered, stop, get failure() { return failure } }
}

/** An actor of a machine as the child of a parent that remembers what it is told. */
export function runActor(logic: AnyActorLogic, input: object) {
  const told: AnyEventObject[] = []
  const parent = createActor(fromCallback(({ receive }) => receive(event => void told.push(event)))).start()
  const actor = createActor(logic, { input: input as never, parent: parent as never } as never).start()
  return { told, send: (event: AnyEventObject) => actor.send(event), stop: () => (actor as unknown as { _stop(): void })._stop() }
}

/** Lets time pass in steps: a jump would fire only the first of several chained time-outs. */
export async function pass(clock: SimulatedClock, ms: number, stepMs = 250): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.increment(Math.min(stepMs, ms - passed))
    await Promise.resolve()
  }
}
