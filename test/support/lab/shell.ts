/** Pieces of the script that builds a lab. */
export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

export const heredoc = (command: string, lines: readonly string[], end = ''): string => `${command} <<'EOF'${end}\n${lines.join('\n')}\nEOF`

/** Lines of `ip`, in one process. */
export const batch = (lines: readonly string[]): string => (lines.length === 0 ? ':' : heredoc('ip -batch -', lines))

/** Lines of a shell in a network namespace of the lab. */
export const inside = (namespace: string, lines: readonly string[]): string => `nsenter --net=/run/netns/${namespace} sh -e <<'INSIDE'\n${lines.join('\n')}\nINSIDE`

// Settings of interfaces that exist but aren't up yet, so before any address is formed. Globs stay unmatched where IPv6 is missing.
export const withoutDad = ['for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >"$file"; done']
export const withoutIpv6 = ['for folder in /proc/sys/net/ipv6/conf/*; do case $folder in */lo|*/all|*/default|*\\*) ;; *) echo 1 >"$folder/disable_ipv6";; esac; done']
export const asIpv4Router = ['echo 1 >/proc/sys/net/ipv4/ip_forward']
export const asIpv6Router = [...withoutDad, 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding']

// The kernel may take a second to call a new link running, and Node doesn't list an interface before. Asking for one by name (Linux 6.8)
// makes it look at once.
export const awaitUp = `await_up() {
  for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    case $(ip -netns "$1" link show dev "$2") in *'state UP'*) return 0;; esac
    sleep 0.1
  done
  echo "$2 of $1 did not come up" >&2
  return 1
}`
