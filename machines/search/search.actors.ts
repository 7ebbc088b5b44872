import { fromPromise } from 'xstate'
import { promptly } from '../shared/promptly.js'
import type { PathPlan, PathPlanInput, PlanPathLogic } from './search.types.js'

/** What planning another path works with. */
export interface SearchResources {
  readonly planPath: (input: PathPlanInput) => PathPlan
}

/** Actors for `searchMachine.provide`. */
export function createSearchActors({ planPath }: SearchResources) {
  const logic: PlanPathLogic = promptly(fromPromise(async ({ input }) => planPath(input)), planPath)
  return { planPath: logic }
}
