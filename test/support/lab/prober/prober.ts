import { fileURLToPath } from 'node:url'
import type { Requirement } from '../../requirements.js'
import { labMissing, requireTools } from '../availability.js'
import { coturnMissing, says, startCoturn, type Coturn } from '../services.js'
import type { Host, Lab, Site } from '../types.js'

/** What a prober found out about one protocol, from inside; null is what can't be told from there. */
export interface Found {
  readonly mapping: 'none' | 'EIM' | 'ADM' | 'APDM' | 'mixed'
  readonly external: string
  readonly filtering: 'EIF' | 'ADF' | 'APDF'
  /** `within`: at random, in a range at most so wide. */
  readonly allocation: 'none' | 'preserving' | { readonly offset: number } | { readonly sequential: number } | { readonly perPort: number } | { readonly within: number }
  /** Of a sequence: how many ports others take per second. */
  readonly othersPerS: number | null
  /** What an external port that nobody uses answers, and one whose filter refuses. */
  readonly unsolicited: Answered
  readonly filtered: Answered | null
  readonly hairpin: boolean | null
  readonly rstEndsMapping: boolean | null
  /** The longest idle time that was survived, and the shortest that was not, of those tried. */
  readonly idleS: readonly [survived: number, forgotten: number | null]
}

/** As sockets tell it: a reset (or of UDP "port unreachable") is `refused`, other ICMP errors are `unreachable`. */
export type Answered = 'silent' | 'refused' | 'unreachable' | 'connected' | 'sent'

/** What a site's NAT does; `udp` is null where no UDP comes back. */
export interface Findings {
  readonly tcp: Found
  readonly udp: Found | null
}

/** For `describeIf`. */
export const proberMissing = (): Requirement => labMissing() ?? coturnMissing

export interface Prober {
  /** Takes about 6 s and much of a core for the first. Whoever asks for many at once gets them in turns, `lanes` at a time. */
  probe(host: Host): Promise<Findings>
  readonly coturn: Coturn
}

/** The sites a lab needs for its prober. */
export const proberSites = { stun: { addresses: 2 }, far: {} } as const

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const helperPort = 7_000
const probeTimeoutMs = 40_000
const lanes = 16

/** Starts coturn and the helpers on a lab with `proberSites`; they end with the lab. */
export async function startProber(lab: Lab): Promise<Prober> {
  const { python } = requireTools()
  const [stun, far] = [lab.sites['stun'], lab.sites['far']] as [Site, Site]
  const startHelper = async (site: Site): Promise<readonly [string, number]> => {
    await says(site.spawn(python, ['-ISB', program('./helper.py'), site.ipv4, String(helperPort)], { stdio: ['ignore', 'pipe', 'inherit'] }), 'listens')
    return [site.ipv4, helperPort]
  }
  const [coturn, nearHelper, farHelper] = await Promise.all([startCoturn(stun), startHelper(stun), startHelper(far)])
  const spec = { stun: coturn.endpoints.map(({ address, port }) => [address, port]), near: nearHelper, far: farHelper, seed: lab.seed }
  let busy: Promise<unknown>[] = []
  return {
    coturn,
    async probe(host) {
      while (busy.length >= lanes) await Promise.race(busy)
      const probed = host.run(python, ['-ISB', program('./probe.py'), JSON.stringify(spec)], { timeoutMs: probeTimeoutMs })
      const settled = probed.then(() => {}, () => {}).then(() => { busy = busy.filter(one => one !== settled) })
      busy.push(settled)
      const { code, stdout, stderr } = await probed
      if (code !== 0) throw new Error(`the prober at ${host.name} failed: ${stderr}`)
      return JSON.parse(stdout) as Findings
    },
  }
}
