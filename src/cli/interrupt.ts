import { setMaxListeners } from 'node:events'
import { defaults } from '../config/defaults.js'
import { interruptedExit } from './failure.js'

/** The part of `process` that signals come from. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
  exit(code: number): unknown
}

/** How the command is told to end. */
export interface Interruption {
  /** Aborted by the first signal, or by `cancel`. */
  readonly signal: AbortSignal
  /** True after a signal; `cancel` does not count. */
  readonly isInterrupted: boolean
  /** Ends the command as a signal would, without its exit code and its limit. */
  cancel(): void
  /** Removes listeners and timer. */
  stop(): void
}

/** Signals that end a command gently. */
export const endSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM']

/**
 * Turns signals into an abort. A second signal ends the process at once; so does the end of the time a command has for
 * leaving.
 */
export function watchSignals(source: SignalSource, signals = endSignals, leaveAfterMs: number = defaults.session.leaveAfterMs): Interruption {
  const controller = new AbortController()
  // every pipe and dial of a command listens
  setMaxListeners(0, controller.signal)
  let isInterrupted = false
  let timer: NodeJS.Timeout | undefined
  const onSignal = () => {
    if (isInterrupted) return void source.exit(interruptedExit)
    isInterrupted = true
    timer = setTimeout(() => source.exit(interruptedExit), leaveAfterMs)
    controller.abort()
  }
  for (const signal of signals) source.on(signal, onSignal)
  return {
    signal: controller.signal,
    get isInterrupted() {
      return isInterrupted
    },
    cancel: () => controller.abort(),
    stop() {
      clearTimeout(timer)
      for (const signal of signals) source.off(signal, onSignal)
    },
  }
}

/** Resolves when the signal is aborted, and never else. The listener lives as long as the signal, or until `over` is aborted. */
export const aborted = (signal: AbortSignal, over?: AbortSignal): Promise<void> =>
  new Promise(resolve => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true, ...(over !== undefined && { signal: over }) })))

/** Waits, or less when the signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', settle)
      resolve()
    }
    const timer = setTimeout(settle, ms)
    if (signal?.aborted === true) settle()
    else signal?.addEventListener('abort', settle)
  })
}
