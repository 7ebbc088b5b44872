import type { Host, Lab } from '../support/lab/index.js'

/** A way to break the path of a host. `heal` undefined: it heals by itself, at once. */
export interface Cut {
  readonly name: string
  readonly apply: () => Promise<void>
  readonly heal?: () => Promise<void>
}

const limitMs = 10_000

/** Runs a shell line on a host; throws when it fails. */
async function sh(host: Host, line: string): Promise<string> {
  const { code, stdout, stderr } = await host.run('sh', ['-ec', line], { timeoutMs: limitMs })
  if (code !== 0) throw new Error(`${line} on ${host.name} ended with ${code}: ${stderr}`)
  return stdout.trim()
}

/** In the namespace of the router before a host. */
const onRouter = (lab: Lab, host: Host, line: string): Promise<string> =>
  sh(host, `nsenter --net=/proc/${lab.anchorPid}/root/run/netns/router-${host.name} sh -ec '${line}'`)

/** Its interface goes down, and up again with the same address; the routes are gone meanwhile. */
export async function linkDown(host: Host): Promise<Cut> {
  const routes = await sh(host, 'ip -4 route show; ip -4 neigh show nud permanent | sed s/^/NEIGH/')
  const again = routes.split('\n').map(line => (line.startsWith('NEIGH') ? `ip neigh replace ${line.slice(5).replace('PERMANENT', 'nud permanent')}` : `ip route replace ${line}`))
  return { name: `${host.name}: link down`, apply: async () => void (await sh(host, 'ip link set eth0 down')), heal: async () => void (await sh(host, ['ip link set eth0 up', ...again].join('\n'))) }
}

/** Every packet is dropped without a word, both ways. */
export const silence = (host: Host): Cut => ({
  name: `${host.name}: packets dropped`,
  apply: async () => void (await sh(host, 'nft "add table inet cut; add chain inet cut in { type filter hook input priority -300; policy drop; }; add chain inet cut out { type filter hook output priority -300; policy drop; }; add rule inet cut in iifname lo accept; add rule inet cut out oifname lo accept"')),
  heal: async () => void (await sh(host, 'nft delete table inet cut')),
})

/** The NAT of a host forgets every mapping. A `strict` one takes up no connection in the middle. */
export const flush = (lab: Lab, host: Host, isStrict: boolean): Cut => ({
  name: `${host.name}: NAT flushed${isStrict ? ', strict' : ''}`,
  apply: async () => void (await onRouter(lab, host, `echo ${isStrict ? 0 : 1} >/proc/sys/net/netfilter/nf_conntrack_tcp_loose; conntrack -F 2>/dev/null`)),
})

/** Another address on the same link, as a DHCP server may give, or the first one again; in this order, for the kernel deletes what is secondary with the first. */
export async function readdress(host: Host, first: string, spare: string): Promise<Cut> {
  const text = await sh(host, 'ip -4 -o address show dev eth0 | head -n1')
  const current = /inet (\S+)/.exec(text)?.[1] ?? ''
  const routes = await sh(host, 'ip -4 route show default; ip -4 neigh show nud permanent | sed s/^/NEIGH/')
  const gateway = /via (\S+)/.exec(routes)?.[1] ?? ''
  const neighbours = routes.split('\n').filter(line => line.startsWith('NEIGH')).map(line => `ip neigh replace ${line.slice(5).replace('PERMANENT', 'nud permanent')}`)
  const next = current === spare ? first : spare
  return {
    name: `${host.name}: address ${current} -> ${next}`,
    apply: async () => void (await sh(host, [`ip address delete ${current} dev eth0`, `ip address replace ${next} dev eth0`, `ip route replace ${gateway} dev eth0 src ${next.split('/')[0]}`, `ip route replace default via ${gateway} src ${next.split('/')[0]}`, ...neighbours].join('\n'))),
  }
}
