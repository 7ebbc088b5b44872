import type { Role } from './messages.js'

/** Where the services of the internet are. STUN takes two addresses and ports to tell how a NAT maps and filters (RFC 5780). */
export const internet = { hosts: ['192.0.2.1', '192.0.2.2'], brokerPort: 1_883, stunPort: 3_478, alternateStunPort: 3_479 } as const

/** Written on stdout, a line each: namespaces and NATs are made; the services answer. */
export const builtWord = 'built'
export const readyWord = 'ready'

interface Home {
  readonly role: Role
  readonly lan: string
  readonly outside: string
  /** Of its provider. */
  readonly gateway: string
}

const homes: readonly Home[] = [
  { role: 'alice', lan: '10.0.1', outside: '198.51.100.2', gateway: '198.51.100.1' },
  { role: 'bob', lan: '10.0.2', outside: '198.51.100.6', gateway: '198.51.100.5' },
]

/** A home router as most are: keeps local ports where it can, and is silent to strangers. */
const nat = `
table ip home {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
  chain input { type filter hook input priority filter; policy drop; iifname { "lo", "lan" } accept; ct state established,related accept; }
  chain forward { type filter hook forward priority filter; policy drop; ct state invalid drop; iifname "lan" oifname "wan" accept; ct state established,related accept; }
}`

/** Of interfaces to come; every LAN has the same link-local network, and a node would try those addresses too. */
const withoutIpv6 = 'file=/proc/sys/net/ipv6/conf/default/disable_ipv6; [ ! -e $file ] || echo 1 >$file'

const home = ({ role, lan, outside, gateway }: Home): string => `
ip netns add router-${role}
ip netns add host-${role}
nsenter --net=/run/netns/host-${role} sh -c '${withoutIpv6}'
ip link add to-${role} type veth peer name wan netns router-${role}
ip -netns router-${role} link add lan type veth peer name eth0 netns host-${role}
ip address add ${gateway}/30 dev to-${role}
ip link set to-${role} up
ip -netns router-${role} -batch - <<'END'
address add ${outside}/30 dev wan
address add ${lan}.1/24 dev lan
link set wan up
link set lan up
route add default via ${gateway}
END
nsenter --net=/run/netns/router-${role} sh -ec 'echo 1 >/proc/sys/net/ipv4/ip_forward; nft -f -' <<'END'
${nat}
END
ip -netns host-${role} -batch - <<'END'
link set lo up
address add ${lan}.2/24 dev eth0
link set eth0 up
route add default via ${lan}.1
END
until ip -netns host-${role} link show dev eth0 | grep -q 'state UP'; do sleep 0.02; done`

/**
 * Shell lines for the anchor, whose network namespace is the internet. Its arguments are a folder and the command that starts
 * the services. The end of its stdin means that the demo has died: then it removes the folder, and ends. A /run of its own
 * keeps what `ip netns` writes there apart from this machine's.
 */
export const homesScript = `
set -e
folder=$1
shift
mount -t tmpfs -o mode=755 tmpfs /run
echo 1 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
${internet.hosts.map(host => `ip address add ${host}/32 dev lo`).join('\n')}
${homes.map(home).join('\n')}
echo ${builtWord}
"$@" &
read -r end || rm -rf "$folder"
`
