import { strategyOrder } from '../../machines/strategies.js'

/** One option: the only source for parsing, help and docs/cli.md. */
export interface OptionRow {
  readonly flag: string
  /** One letter, without the dash. */
  readonly short?: string
  /** Name in `Settings`, in a configuration file and of the reader in `values.ts`. */
  readonly key: string
  /** Placeholder of its value; a switch has none. */
  readonly value?: string
  readonly description: string
  readonly default?: string
  readonly commands: readonly string[]
  /** A list: repeatable, comma separated. */
  readonly multiple?: boolean
  /** Environment variable that sets it; options without one cannot be set in a configuration file either. */
  readonly env?: string
}

const nodeCommands = ['listen', 'connect', 'forward', 'ping', 'nat'] as const
const every = ['demo', ...nodeCommands, 'infra', 'identity'] as const

/** Every option of every command, in the order help shows them. */
export const optionTable: readonly OptionRow[] = [
  { flag: '--echo', key: 'echo', description: 'Send back what arrives, to every peer.', commands: ['listen'] },
  { flag: '--exec', key: 'exec', value: 'CMD', description: 'Start CMD in a shell for each pipe, which becomes its stdin and stdout. Needs --allow.', commands: ['listen'] },
  { flag: '--forward', key: 'forward', value: 'HOST:PORT', description: 'Let peers reach this TCP target, one connection for each pipe. Needs --allow.', commands: ['listen'], multiple: true },
  { flag: '--once', key: 'once', description: 'Leave after the first pipe, with its result.', commands: ['listen'] },
  { flag: '--name', key: 'name', value: 'NAME', description: 'A label for people.', commands: every, env: 'THROUGHLINE_NAME' },
  { flag: '--protocol', key: 'protocol', value: 'NAME', description: 'The protocol of the pipe, for a listener that serves several.', default: 'the empty one', commands: ['listen', 'connect'] },
  { flag: '-c', key: 'count', short: 'c', value: 'N', description: 'Number of pings; 0 = until interrupted.', default: '4', commands: ['ping'] },
  { flag: '--host', key: 'host', value: 'HOST', description: 'Address the services listen on.', default: '0.0.0.0', commands: ['infra'] },
  { flag: '--alternate-host', key: 'alternateHost', value: 'HOST', description: 'A second address of this machine for STUN, beside one named with --host.', default: 'none', commands: ['infra'] },
  { flag: '--port', key: 'port', value: 'N', description: 'Port of the broker for mqtt://; 0 = any free one.', default: '1883', commands: ['infra'] },
  { flag: '--ws-port', key: 'wsPort', value: 'N', description: 'Port of the broker for ws://; 0 = any free one.', default: 'no WebSocket', commands: ['infra'] },
  { flag: '--stun-port', key: 'stunPort', value: 'N', description: 'Port of the STUN server, UDP and TCP, which also takes the next one; 0 = any free ones.', default: '3478', commands: ['infra'] },
  { flag: '--ntp-port', key: 'ntpPort', value: 'N', description: 'UDP port of the time server; 0 = any free one. The usual 123 takes root.', default: '1230', commands: ['infra'] },
  { flag: '--identity', key: 'identity', value: 'FILE', description: 'Key file, made on first use.', default: '~/.config/throughline/identity.pem', commands: every, env: 'THROUGHLINE_IDENTITY' },
  { flag: '--config', key: 'config', value: 'FILE', description: 'Configuration, JSON or a JavaScript module.', default: './throughline.config.json or .js', commands: every, env: 'THROUGHLINE_CONFIG' },
  { flag: '--mqtt', key: 'mqtt', value: 'URL', description: 'Brokers: mqtt, mqtts, ws or wss://[USER:PASS@]HOST[:PORT]. `none` = no signalling.', default: 'public brokers', commands: every, multiple: true, env: 'THROUGHLINE_MQTT' },
  { flag: '--stun', key: 'stun', value: 'HOST:PORT', description: 'STUN servers; `none` empties the list.', default: 'public servers', commands: every, multiple: true, env: 'THROUGHLINE_STUN' },
  { flag: '--turn', key: 'turn', value: 'URL', description: 'TURN servers, for pipes that nothing else brings about: turn: or turns:USER:PASS@HOST:PORT?transport=tcp. (udp is for a later version.)', default: 'none', commands: every, multiple: true, env: 'THROUGHLINE_TURN' },
  { flag: '--ntp', key: 'ntp', value: 'HOST[:PORT]', description: 'Time servers; `none` empties the list.', default: 'public servers', commands: every, multiple: true, env: 'THROUGHLINE_NTP' },
  { flag: '--interface', key: 'interfaces', value: 'NAME', description: 'Network interfaces to use.', default: 'every usable one', commands: every, multiple: true, env: 'THROUGHLINE_INTERFACE' },
  { flag: '--listen-port', key: 'listenPort', value: 'N', description: 'Port peers connect to; 0 = any free one.', default: '0', commands: every, env: 'THROUGHLINE_LISTEN_PORT' },
  { flag: '--strategies', key: 'strategies', value: 'a,b', description: `Ways to try, in this order: ${strategyOrder.join(', ')}.`, default: strategyOrder.join(','), commands: every, multiple: true, env: 'THROUGHLINE_STRATEGIES' },
  { flag: '--mode', key: 'mode', value: 'race|sequence', description: 'Race the strategies, or try one after the other.', default: 'race', commands: every, env: 'THROUGHLINE_MODE' },
  { flag: '--timeout', key: 'timeoutMs', value: 'TIME', description: 'Time for a whole attempt: 30s, 500ms, 2m.', default: '30s', commands: every, env: 'THROUGHLINE_TIMEOUT' },
  { flag: '--suspend', key: 'suspendMs', value: 'TIME', description: 'How long an open pipe whose path broke looks for another one; 0s: it fails at once.', default: '60s', commands: ['listen', 'connect', 'forward', 'ping'], env: 'THROUGHLINE_SUSPEND' },
  { flag: '--no-port-mapping', key: 'portMapping', description: 'Do not ask the router to open a port.', commands: every, env: 'THROUGHLINE_NO_PORT_MAPPING' },
  { flag: '--allow', key: 'allow', value: 'ID|any', description: 'Ids that may connect; `any` = everybody who can reach this node.', default: 'every authenticated peer, as a stranger', commands: every, multiple: true, env: 'THROUGHLINE_ALLOW' },
  { flag: '--birthday', key: 'birthday', value: 'auto|off', description: 'Whether many ports at once may be tried where NATs choose them at random.', default: 'auto', commands: every, env: 'THROUGHLINE_BIRTHDAY' },
  { flag: '--json', key: 'json', description: 'Events as JSON lines: on stdout; on stderr where stdout carries the pipe.', commands: every, env: 'THROUGHLINE_JSON' },
  { flag: '--report', key: 'report', value: 'FILE', description: 'Write what every state machine did, as JSON lines.', commands: every, env: 'THROUGHLINE_REPORT' },
  { flag: '--help', key: 'help', short: 'h', description: 'Show help.', commands: every },
  { flag: '--version', key: 'version', description: 'Show the version.', commands: every },
]

/** The options a command takes. */
export const optionsOf = (command: string): readonly OptionRow[] => optionTable.filter(row => row.commands.includes(command))

export { commandTable, laterCommands, type CommandRow } from './commands.js'
