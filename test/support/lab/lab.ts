import { randomInt } from 'node:crypto'
import { startAnchor } from './anchor.js'
import { requireTools } from './availability.js'
import { createHost, createLauncher } from './host.js'
import { planLab } from './topology.js'
import type { Lab, LabSpec } from './types.js'

/**
 * Builds sites in network namespaces, joined by an internet of their own; nothing outside them is touched. Throws when this machine can't
 * (ask `labAvailable` first). Labs don't know of each other: any number may run at once. The caller owns the lab.
 */
export async function startLab(spec: LabSpec): Promise<Lab> {
  const startedAt = performance.now()
  const tools = requireTools()
  const seed = spec.seed ?? randomInt(2 ** 31)
  const plan = planLab(spec, seed, tools.python)
  const anchor = await startAnchor(tools, plan)
  const launcher = createLauncher(tools, anchor)
  // An anchor killed by others takes the children along.
  void anchor.ended.then(() => launcher.killAll())
  const close = async (): Promise<void> => {
    await Promise.all([anchor.stop(), launcher.killAll()])
  }
  process.stderr.write(`lab: ${Object.keys(spec.sites).join(', ')}; seed ${seed}; up in ${Math.round(performance.now() - startedAt)} ms\n`)
  return {
    sites: Object.fromEntries(plan.sites.map(site => [site.name, createHost(site, launcher)])),
    internet: createHost(plan.internet, launcher),
    seed,
    anchorPid: anchor.pid,
    close,
    [Symbol.asyncDispose]: close,
  }
}
