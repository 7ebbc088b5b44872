import type { Measured } from './result.js'

/** How a bench run was asked to be. */
export interface Settings {
  /** Rounds of each measurement, before a measurement scales them by its own cost. */
  readonly runs: number
  /** Small sizes: to see that it works, not to compare. */
  readonly isQuick: boolean
  /** Folder for CPU profiles of both sides. */
  readonly profileFolder: string | undefined
}

/** A measurement by name. */
export interface Measurement {
  readonly name: string
  readonly about: string
  readonly run: (settings: Settings) => Promise<readonly Measured[]>
}
