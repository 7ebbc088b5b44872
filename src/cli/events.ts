/** One event of `--json`, for docs/cli.md. */
export interface EventRow {
  readonly event: string
  readonly commands: readonly string[]
  /** Besides `event` and `atMs`; a question mark ends the optional ones. */
  readonly fields: readonly string[]
  readonly when: string
}

const path = ['strategy', 'scope', 'family', 'local', 'remote', 'relay?', 'method?', 'rttMs'] as const

/** Every event of `--json`; readers ignore what they do not know. */
export const eventTable: readonly EventRow[] = [
  { event: 'online', commands: ['demo', 'listen'], fields: ['id', 'address', 'name?', 'degraded[]', 'node, pid, listenPort, nat? {local, external, mapping, filtering} (demo)'], when: 'Peers can connect; `degraded` lists the services that are missing.' },
  { event: 'address', commands: ['listen'], fields: ['address'], when: 'The address changed.' },
  { event: 'listening', commands: ['forward'], fields: ['bind'], when: 'Local programs can connect.' },
  { event: 'state', commands: ['demo', 'listen', 'connect', 'forward', 'ping'], fields: ['session', 'value'], when: 'A connection changed its state: resolving, connecting, electing, connected, recovering, closed, failed.' },
  {
    event: 'candidate',
    commands: ['demo', 'connect', 'forward', 'ping'],
    fields: ['session', 'strategy', 'scope', 'family', 'local', 'remote', 'relay?', 'method?', 'outcome', 'code?', 'elapsedMs'],
    when: 'A pair of endpoints has its outcome: elected, lost, failed, cancelled, skipped.',
  },
  { event: 'connected', commands: ['demo', 'connect', 'forward', 'ping'], fields: ['session', 'peer', 'protocol', ...path, 'elapsedMs'], when: 'The peer has accepted the pipe.' },
  { event: 'pipe', commands: ['demo', 'listen'], fields: ['session', 'peer', 'protocol', ...path, 'elapsedMs?'], when: 'A peer opened a pipe.' },
  { event: 'path', commands: ['listen', 'connect', 'forward', 'ping'], fields: ['session', 'peer', 'protocol', ...path, 'reason?'], when: 'A pipe moved to another path.' },
  { event: 'pong', commands: ['ping'], fields: ['session', 'seq', 'rttMs', 'strategy', 'scope', 'local', 'remote'], when: 'A ping came back.' },
  { event: 'closed', commands: ['listen', 'connect', 'forward', 'ping'], fields: ['session', 'bytesIn', 'bytesOut', 'code?', 'verdict? (ping)'], when: 'A pipe ended; with a code when bytes may be missing.' },
  { event: 'failed', commands: ['demo', 'connect', 'forward', 'ping'], fields: ['session', 'code', 'message', 'verdict {code, text, advice}', 'candidates[] (not demo)', 'elapsedMs (not demo)'], when: 'No pipe came about.' },
  { event: 'error', commands: ['demo', 'listen', 'connect', 'forward', 'ping', 'nat', 'infra', 'identity'], fields: ['session?', 'code', 'message'], when: 'Something else went wrong; the exit code follows from the code.' },
  {
    event: 'progress',
    commands: ['demo'],
    fields: ['node', 'session', 'strategy', 'scope', 'family', 'method?', 'local', 'remote', 'status', 'elapsedMs'],
    when: 'A candidate goes on: dialling, securing, secured. In a demo every event of an attempt says at which `node` it happened.',
  },
  { event: 'signal', commands: ['demo'], fields: ['node', 'session', 'value', 'elapsedMs'], when: 'offer.published, offer.received, offer.acknowledged, answer.sent, answer.received, open.received.' },
  {
    event: 'transfer',
    commands: ['demo'],
    fields: ['session', 'strategy', 'bytes', 'elapsedMs', 'megabytesPerSecond', 'sent', 'received', 'matched', 'verdict'],
    when: 'The file is through; `sent` and `received` are SHA-256 as the two ends saw it.',
  },
  { event: 'skipped', commands: ['demo'], fields: ['strategy', 'reason'], when: 'This machine cannot show a strategy; that changes nothing else.' },
  { event: 'summary', commands: ['demo'], fields: ['ok', 'succeeded', 'total', 'elapsedMs'], when: 'The demo is over.' },
  {
    event: 'network',
    commands: ['nat'],
    fields: ['interfaces[] {name, family, local, external, hairpin, cgnatSuspected, tcp, udp, state, error?}', 'portMapping[]', 'brokers[] {url, state, rttMs?, failure?}', 'relays[] {server, state, family?, relayed?, mapped?, rttMs?, error?}', 'clock {offsetMs, uncertaintyMs, source}', 'clockError?'],
    when: 'What the network does. `tcp` and `udp` are {mapping, filtering, allocation, delta, range, confidence, classic, blocked}, in the words of docs/glossary.md. `external` is null where nobody told, `clock` where no time is known; true time = `Date.now()` when the process started, and the monotonic time since, + `offsetMs`.',
  },
  { event: 'infra', commands: ['demo', 'infra'], fields: ['mqtt[]', 'ws[]', 'stun[]?', 'turn[], ntp[] (infra)'], when: 'The services are up.' },
  { event: 'identity', commands: ['identity'], fields: ['id', 'file'], when: 'The key was read or made.' },
]
