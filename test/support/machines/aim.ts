import { fromPromise } from 'xstate'
import type { Aim, AimInput, TakeAimLogic } from '../../../machines/punch/punch.types.js'
import { promptly } from '../../../machines/shared/promptly.js'
import { candidate, counting, volley } from './samples.js'

/** One volley to each port the peer states, once; to a foretold one in each round. */
function aimAt({ peer, round, planned }: AimInput): Aim {
  const shots = peer
    .map(({ external, nat }) => ({ port: external?.port ?? 0, key: nat === counting ? `${external?.port} ${round}` : `${external?.port}` }))
    .filter(({ key }) => !planned.includes(key))
  return {
    volleys: shots.map(({ port }, index) => ({ candidate: candidate(`punch-${planned.length + index + 1}`), volley: volley(port) })),
    skipped: [],
    keys: shots.map(({ key }) => key),
  }
}

/** Takes aim in the turn in which it is asked, as the real one does; tells what it was asked. */
export function promptAim(asked: (input: AimInput) => void = () => {}): TakeAimLogic {
  return promptly<Aim, AimInput>(fromPromise(({ input }) => Promise.resolve(aimAt(input))), input => {
    asked(input)
    return aimAt(input)
  })
}
