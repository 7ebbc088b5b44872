import { randomInt } from 'node:crypto'
import { startAnchor } from './anchor.js'
import { requireTools } from './availability.js'
import { createHost, createLauncher, type Launcher } from './host.js'
import type { PlannedMultihomed, PlannedSite } from './model.js'
import { planLab } from './topology.js'
import type { Host, Lab, LabSpec, MultihomedHost, Site } from './types.js'

/**
 * Builds sites in network namespaces, joined by an internet of their own; nothing outside them is touched. Throws when this machine can't
 * (ask `labAvailable` first) or the spec is wrong. Labs don't know of each other: any number may run at once. The caller owns the lab.
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
  const sites = plan.sites.map(site => createSite(site, launcher))
  const multihomed = plan.multihomed.map(host => createMultihomed(host, launcher))
  const internet = createSite(plan.internet, launcher)
  return {
    sites: byName(sites),
    multihomed: byName(multihomed),
    internet,
    hosts: new Map([internet, ...sites.flatMap(site => [site, ...Object.values(site.hosts)]), ...multihomed].map(host => [host.name, host])),
    seed,
    anchorPid: anchor.pid,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const byName = <H extends Host>(hosts: readonly H[]): Record<string, H> => Object.fromEntries(hosts.map(host => [host.name, host]))

function createSite(planned: PlannedSite, launcher: Launcher): Site {
  const { secondIpv4, hosts } = planned
  const further = Object.entries(hosts).map(([name, host]) => [name, createHost(host, launcher)] as const)
  return { ...createHost(planned, launcher), ...(secondIpv4 === undefined ? {} : { secondIpv4 }), hosts: Object.fromEntries(further) }
}

function createMultihomed(planned: PlannedMultihomed, launcher: Launcher): MultihomedHost {
  const uplinks = planned.uplinks.map(({ ipv6, ...uplink }) => ({ ...uplink, ...(ipv6 === undefined ? {} : { ipv6 }) }))
  return { ...createHost(planned, launcher), uplinks }
}
