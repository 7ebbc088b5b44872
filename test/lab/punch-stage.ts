import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { libraryUrl, requireBuild } from '../../bench/support/library.js'
import { createRequester } from '../../bench/support/requests.js'
import { startLab, type Host, type Lab, type LabSpec, type Site, type SiteSpec } from '../support/lab/index.js'
import { startCoturn } from '../support/lab/services.js'
import { startMosquitto } from '../support/mosquitto.js'
import { queue, startServer } from './processes.js'
import type { NodeMethods, NodeSettings } from './punch-node.process.js'

/** Round trips of the stage in milliseconds: between two sites, of a node and the broker, of a node and a STUN server. */
export const distances = { P: 40, K: 30, S: 40 } as const
/** One way on the uplink of a site, or of its carrier. */
export const siteDelayMs = distances.P / 4
const brokerDelayMs = distances.K / 2 - siteDelayMs
const stunDelayMs = distances.S / 2 - siteDelayMs

/** IPv4 alone, at the distance of the stage. */
export const siteBehind = (nat: SiteSpec['nat'], more: Partial<SiteSpec> = {}): SiteSpec => ({ ...(nat !== undefined && { nat }), ipv6: false, uplinkDelayMs: siteDelayMs, ...more })

/** A method of the process, as the runner calls it. */
type Remote<T> = { readonly [K in keyof T]: T[K] extends (...args: infer P) => infer R ? (...args: P) => Promise<Awaited<R>> : never }

/** A warm node on a host of the lab, in a process of its own. */
export interface StageNode extends Omit<Remote<NodeMethods>, 'start'> {
  readonly name: string
  readonly id: string
  readonly pid: number
  /** From the start of the process until it was warm. */
  readonly startedMs: number
  /** Its process is gone. */
  readonly hasEnded: () => boolean
}

/** What differs from the node of other hosts. */
export interface NodeVariant extends Partial<Pick<NodeSettings, 'birthday' | 'isWatched' | 'seed' | 'stun' | 'turn' | 'isOpen'>> {
  /** Error of its clock. No time server is within reach. */
  readonly clockOffsetMs?: number
}

/** A lab with a Mosquitto and two STUN servers of ours on two addresses each, which dial back. Whoever started it closes it. */
export interface Stage {
  readonly lab: Lab
  /** Starts a node there; resolves when it is warm. A few at a time, whoever asks. It ends with the stage. */
  readonly startNode: (host: Host, variant?: NodeVariant) => Promise<StageNode>
  close(): Promise<void>
}

const requestLimitMs = 60_000
/** With more on two cores their enumerations wait for the processor and learn less. */
const nodesAtOnce = 2
/** Who may relay at `relayUrl`. */
const relayUser = { name: 'alice', password: 'the-password-of-alice' } as const
/** A site whose one host is a TURN server, at the distance of the STUN servers: see `startRelay`. */
export const relaySite: SiteSpec = { uplinkDelayMs: stunDelayMs }

/** A coturn on a `relaySite`; resolves to how nodes name it. It ends with the lab. */
export async function startRelay(site: Site): Promise<string> {
  await startCoturn(site, { user: `${relayUser.name}:${relayUser.password}` })
  return `turn:${relayUser.name}:${relayUser.password}@${site.ipv4}:3478?transport=tcp`
}

export const sourceUrl = new URL('../../src/index.ts', import.meta.url).href
const program = fileURLToPath(new URL('./punch-node.process.ts', import.meta.url))

/** `isSource`: nodes run what is in src/ now, not what was built. */
export async function startStage(spec: LabSpec, { isSource = false }: { readonly isSource?: boolean } = {}): Promise<Stage> {
  if (!isSource) requireBuild()
  const { lab, mqtt, stun, close } = await startInternet(spec)
  const inTurn = queue(nodesAtOnce)
  return {
    lab,
    startNode: (host, variant = {}) => inTurn(() => startNode(host, isSource ? sourceUrl : libraryUrl, { mqtt, stun, seed: seedOf(lab, host) }, variant)),
    close,
  }
}

/** The lab of a stage and what its nodes are told of; whoever started it closes it. */
export async function startInternet(spec: LabSpec): Promise<{ readonly lab: Lab; readonly mqtt: readonly string[]; readonly stun: readonly string[]; close(): Promise<void> }> {
  const servers = { broker: siteBehind('none', { uplinkDelayMs: brokerDelayMs }), stun: stunSite, stun2: stunSite }
  const lab = await startLab({ ...spec, sites: { ...servers, ...spec.sites } })
  try {
    const [broker, stun, stun2] = [lab.sites['broker'], lab.sites['stun'], lab.sites['stun2']] as [Site, Site, Site]
    const [mosquitto, ...stuns] = await Promise.all([startMosquitto({ on: broker }), ...[stun, stun2].map(startStun)])
    const close = async (): Promise<void> => {
      await mosquitto.close()
      await lab.close()
    }
    return { lab, mqtt: [mosquitto.url], stun: stuns.flat(), close }
  } catch (error) {
    await lab.close()
    throw error
  }
}

const stunSite: SiteSpec = { addresses: 2, uplinkDelayMs: stunDelayMs }

/** On both IPv4 addresses, and on the IPv6 address where the kernel has IPv6. */
async function startStun(site: Site): Promise<readonly string[]> {
  const { ipv4, ipv6, secondIpv4 = '' } = site
  await Promise.all([startServer(site, 'responder', [ipv4, secondIpv4]), ...(ipv6 === undefined ? [] : [startServer(site, 'responder', [ipv6])])])
  return [`${ipv4}:3478`, ...(ipv6 === undefined ? [] : [`[${ipv6}]:3478`])]
}

export const seedOf = ({ seed }: Lab, { name }: Host): string => createHash('sha256').update(`${seed} ${name}`).digest('hex')

async function startNode(host: Host, library: string, settings: NodeSettings, { clockOffsetMs = 0, ...variant }: NodeVariant): Promise<StageNode> {
  const startedAtMs = performance.now()
  const env = { ...process.env, THROUGHLINE_TEST_CLOCK_OFFSET_MS: String(clockOffsetMs) }
  const child = host.spawn(process.execPath, ['--expose-gc', '--import', 'tsx', program, library], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
  const request = createRequester(child, host.name, requestLimitMs)
  const id = (await request('start', { ...settings, ...variant } satisfies NodeSettings)) as string
  const methods = new Proxy({}, { get: (_, method) => (params?: unknown) => request(String(method), params) }) as Remote<NodeMethods>
  const { address, network, dial, dialMany, told, held } = methods
  return { name: host.name, id, pid: child.pid ?? 0, startedMs: performance.now() - startedAtMs, hasEnded: () => child.exitCode !== null || child.signalCode !== null, address, network, dial, dialMany, told, held }
}
