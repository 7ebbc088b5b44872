/** A command as help and docs/cli.md show it. */
export interface CommandRow {
  readonly name: string
  /** What follows `throughline`. */
  readonly usage: string
  readonly summary: string
  readonly description: string
  readonly examples: readonly string[]
  /** How many words it takes besides its options: least and most. */
  readonly words: readonly [number, number]
}

/** Every command of this version, in the order help shows them; `options.ts` re-exports it beside the options. */
export const commandTable: readonly CommandRow[] = [
  {
    name: 'demo',
    usage: 'demo',
    summary: 'Show the main job on this machine alone.',
    description:
      'Starts a broker and two nodes in processes of their own, sends a file through a direct pipe and through a reverse pipe, and compares the digests. On Linux it then makes two homes behind NATs of the kernel, in network namespaces, and sends the file through a pipe punched between them; where that cannot be done it says why, and the exit code is that of the rest. Needs neither root nor a network. Broker, keys and ports are its own, so it never meets a running `listen`; of the shared options it heeds --strategies, --timeout, --report (the punch goes to FILE.punch) and --json.',
    examples: ['throughline demo', 'throughline demo --json'],
    words: [0, 0],
  },
  {
    name: 'listen',
    usage: 'listen [--echo | --exec CMD | --forward HOST:PORT…] [--name NAME] [--once]',
    summary: 'Wait for peers and print the address to give them.',
    description:
      'Without a mode the first pipe gets stdin and stdout, and others are refused. --exec and --forward let peers act on this machine, so they need --allow. With exactly one --forward target, a pipe that names no target goes there.',
    examples: [
      'throughline listen --echo',
      'throughline listen --once > received.tar',
      'throughline listen --forward localhost:22 --allow 4b5kq…',
      "throughline listen --exec 'tar cz /srv/data' --allow 4b5kq…",
    ],
    words: [0, 0],
  },
  {
    name: 'connect',
    usage: 'connect PEER',
    summary: 'Join stdin and stdout to a peer, like nc.',
    description:
      'PEER is an address, an id, or ID@broker-url. The end of stdin is passed on while answers still arrive. Exit code 0 means that the peer has acknowledged every byte and ended its own stream.',
    examples: [
      'throughline connect tl1abc…',
      'tar c . | throughline connect tl1abc…',
      "ssh -o ProxyCommand='throughline connect tl1abc…' user@anything",
    ],
    words: [1, 1],
  },
  {
    name: 'forward',
    usage: 'forward [BIND:]PORT PEER [HOST:PORT]',
    summary: 'Bring a TCP port of a peer to this machine.',
    description:
      'Each local connection gets a pipe of its own. BIND is 127.0.0.1 unless given; an IPv6 address is written in brackets; PORT 0 takes any free one. HOST:PORT is one that the listener gave with --forward. A connection that fails does not end the command.',
    examples: ['throughline forward 8080 tl1abc… localhost:80', 'throughline forward [::1]:5432 tl1abc… db.internal:5432'],
    words: [2, 3],
  },
  {
    name: 'ping',
    usage: 'ping PEER [-c N]',
    summary: 'Show which path leads to a peer, its round-trip time, and why it is not a better one.',
    description: 'Opens a pipe, sends eight bytes each second and waits for them to come back.',
    examples: ['throughline ping tl1abc…', 'throughline ping tl1abc… -c 1 --strategies direct --json'],
    words: [1, 1],
  },
  {
    name: 'nat',
    usage: 'nat [--json]',
    summary: 'Show what this network does, and what will work against which peers.',
    description:
      'Measures by every interface and family, TCP by TCP and UDP by UDP: how the NAT maps (whether a port that one server sees holds for every peer), whom it lets in, how it chooses ports; the external address, and signs of a NAT of the provider (CGNAT). Then a table: which kinds of peers can be dialled (direct), can dial this machine (reverse), or are met half-way (punch), and where only a relay helps; what would make it better; what could not be learnt and why. Asks the --stun servers, which learn the address of this machine, the --ntp servers and the brokers; takes a second or two, longer where servers are silent. Exit code 0 whatever it finds.',
    examples: ['throughline nat', 'throughline nat --interface eth0 --json', 'throughline nat --stun stun.example.org:3478 --ntp none --mqtt none'],
    words: [0, 0],
  },
  {
    name: 'infra',
    usage: 'infra [--host HOST] [--alternate-host HOST] [--port N] [--ws-port N] [--stun-port N] [--ntp-port N]',
    summary: 'Run a broker, a STUN server and a time server, for a LAN or a test.',
    description:
      'All in this process, until it is interrupted; prints the options to give to every node. The broker (MQTT) sees sealed messages only. STUN tells nodes how they look from outside, over UDP and TCP, and dials back to find out whom their network lets in: useful on a machine outside of it. With --alternate-host, a second address, it can do all that RFC 5780 asks for. The time server (SNTP) gives the time of this machine. None asks for a password, so let only those in who should use it. TURN will come with a later version.',
    examples: ['throughline infra', 'throughline infra --host 203.0.113.5 --alternate-host 203.0.113.6', 'throughline infra --host 127.0.0.1 --port 0 --stun-port 0 --ntp-port 0'],
    words: [0, 0],
  },
  {
    name: 'identity',
    usage: 'identity',
    summary: 'Print the id of this machine and where its key is.',
    description: 'Makes the key file if there is none. Give the id to those who should --allow you.',
    examples: ['throughline identity', 'throughline identity --identity ./backup.pem --json'],
    words: [0, 0],
  },
]

/** Commands of the plan that this version does not have. */
export const laterCommands = ['names', 'inspect', 'api'] as const
