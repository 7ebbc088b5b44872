import type { defaults } from '../../src/config/defaults.js'

type Numbers<T> = { readonly [K in keyof T]: number }

/** The numbers a connection's machines wait by; `defaults` unless a test says otherwise. Milliseconds. */
export interface ConnectionPolicy {
  readonly attempt: Numbers<typeof defaults.attempt>
  readonly dial: Numbers<typeof defaults.dial>
  readonly punch: Numbers<typeof defaults.punch>
  readonly recovery: Numbers<typeof defaults.recovery>
  readonly relay: Numbers<typeof defaults.relay>
}
