// npm run lab -- …: a network of NATs to try software on, from a spec or a name. What it is: test/support/lab/README.md.
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { requireTools } from '../test/support/lab/availability.js'
import { labAvailable, natKind, natKindNames, natKinds, startLab, type Host, type Lab, type LabSpec, type Site } from '../test/support/lab/index.js'
import { proberSites, startProber, type Found } from '../test/support/lab/prober/prober.js'
import { startChrony, startCoturn } from '../test/support/lab/services.js'
import { startMosquitto } from '../test/support/mosquitto.js'

const help = `A network of NATs, in namespaces that vanish with this command. Needs Linux, as root or with user namespaces.

  npm run lab -- SPEC                     bring it up and open a shell in the first site's host
  npm run lab -- SPEC HOST -- COMMAND…    bring it up, run one command there, end with its exit code
  npm run lab -- --probe KIND…            find out from inside what these NATs do, and show it
  npm run lab -- --list                   the NATs there are, by name

  SPEC is a JSON file, or a name of the list: then a host "home" stands behind that NAT, and a public host "peer" beside it.
  --with coturn,mosquitto,chrony          start these on the internet: STUN on a site with two addresses, the others on "internet"
  --seed N                                of losses, jitter and random ports; the one of an earlier run repeats it

In the shell, "on HOST COMMAND…" runs a command on another host, "on router-SITE COMMAND…" on a kernel router. Files are those of this
machine, only the network is another. Some first steps:

  npm run lab -- symmetric home -- ip route
  npm run lab -- test/support/lab/examples/two-homes.json --with coturn
  $ on server ip address                  # 198.51.100.x, and a second address 192.0.2.n (RFC 5780)
  $ on phone turnutils_natdiscovery -m -f 198.51.100.22
  $ on home sh -c 'nc -l -p 5000 & sleep 1; ss -lnt'
  $ on router-home nft list ruleset
  $ exit                                  # everything is gone

A spec: { "sites": { "home": { "nat": "masquerade", "uplinkDelayMs": 20 }, "server": {} } }. All fields: test/support/lab/types.ts and
nat-spec.ts. How to use it from tests: test/support/lab/README.md.
`

class UsageError extends Error {}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, list: { type: 'boolean' }, probe: { type: 'boolean' }, with: { type: 'string' }, seed: { type: 'string' } },
  })
  if (values.list === true) return list()
  if (values.help === true || positionals.length === 0) return (console.log(help), values.help === true ? 0 : 2)
  const availability = labAvailable()
  if (!availability.ok) throw new UsageError(`The lab cannot run here: ${availability.reason}.`)
  const seed = values.seed === undefined ? {} : { seed: Number(values.seed) }
  if (values.probe === true) return await probe(positionals, seed)
  const [what = '', hostName, ...command] = positionals
  const spec = { ...specOf(what), ...seed }
  const lab = await startLab(spec)
  const services: { close(): Promise<void> | void }[] = []
  const close = async (): Promise<void> => {
    for (const service of services) await service.close()
    await lab.close()
  }
  try {
    closeOnSignals(close)
    const host = hostName === undefined ? Object.values(lab.sites)[0] ?? lab.internet : lab.hosts.get(hostName)
    if (host === undefined) throw new UsageError(`There is no host ${hostName}; there are ${[...lab.hosts.keys()].join(', ')}.`)
    if (hostName !== undefined && command.length === 0) throw new UsageError('What should run there? npm run lab -- SPEC HOST -- COMMAND…')
    for (const name of values.with?.split(',') ?? []) services.push(await startService(lab, name))
    if (hostName !== undefined) return await runInside(host, command, process.env)
    describe(lab)
    return await shell(lab, host)
  } finally {
    await close()
  }
}

function specOf(what: string): LabSpec {
  if (existsSync(what)) return JSON.parse(readFileSync(what, 'utf8')) as LabSpec
  if (natKind(what) === undefined) throw new UsageError(`${what} is neither a file nor a NAT's name (npm run lab -- --list).`)
  return { sites: { home: { nat: what as keyof typeof natKinds }, peer: { addresses: 2 } } }
}

function list(): number {
  const width = Math.max(...natKindNames.map(name => name.length))
  for (const name of natKindNames) console.log(`${name.padEnd(width)}  ${natKinds[name].summary}`)
  return 0
}

async function startService(lab: Lab, name: string): Promise<{ close(): Promise<void> | void }> {
  if (name === 'mosquitto') {
    const mosquitto = await startMosquitto({ on: lab.internet })
    console.error(`MQTT at ${mosquitto.url}`)
    return mosquitto
  }
  if (name === 'coturn') {
    const coturn = await startCoturn(Object.values(lab.sites).find(({ secondIpv4 }) => secondIpv4 !== undefined) ?? lab.internet)
    console.error(`STUN (UDP and TCP) at ${coturn.endpoints.map(({ address, port }) => `${address}:${port}`).join(', ')}`)
    return coturn
  }
  if (name !== 'chrony') throw new UsageError(`There is no service ${name}; there are coturn, mosquitto, chrony.`)
  const chrony = await startChrony(lab.internet)
  console.error(`NTP at ${lab.internet.ipv4}`)
  return chrony
}

function describe(lab: Lab): void {
  const rows = [['host', 'address', 'seen from outside as', 'IPv6'], ...[...lab.hosts.values()].map(({ name, ipv4, externalIpv4, ipv6 }) => [name, ipv4, externalIpv4, ipv6 ?? '-'])]
  console.error(`\n${table(rows)}\n\nIn this shell: on HOST COMMAND…   From another terminal, as the same user:\n  ${enter(lab, 'HOST').join(' ')} COMMAND…\n`)
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

const enter = ({ anchorPid }: Lab, name: string): string[] => {
  const { nsenter, rootless } = requireTools()
  return [nsenter, ...(rootless ? [`--user=/proc/${anchorPid}/ns/user`, '--preserve-credentials'] : []), `--net=/proc/${anchorPid}/root/run/netns/host-${name}`, '--']
}

/** A shell on one host, with a command `on` that reaches the others. */
async function shell(lab: Lab, host: Host): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'lab-'))
  try {
    const on = join(folder, 'on')
    // The shell is in the lab's user namespace already.
    writeFileSync(on, `#!/bin/sh\nif [ $# -lt 2 ]; then echo 'on HOST COMMAND…' >&2; exit 2; fi\nfolder=/proc/${lab.anchorPid}/root/run/netns\nif [ -e "$folder/host-$1" ]; then name=host-$1; else name=$1; fi\nshift\nexec nsenter --net="$folder/$name" -- "$@"\n`)
    chmodSync(on, 0o755)
    const program = process.env['SHELL'] ?? 'sh'
    const prompt = basename(program) === 'bash' ? ['--norc'] : []
    return await runInside(host, [program, ...prompt], { ...process.env, PATH: [folder, requireTools().path].join(delimiter), PS1: `${host.name} $ ` })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runInside(host: Host, [command = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [code] = (await once(host.spawn(command, args, { stdio: 'inherit', env }), 'exit')) as [number | null]
  return code ?? 1
}

function closeOnSignals(close: () => Promise<void>): void {
  for (const [signal, number] of [['SIGTERM', 15], ['SIGHUP', 1]] as const) process.once(signal, () => void close().finally(() => process.exit(128 + number)))
  process.on('SIGINT', () => {}) // for the command inside, which has it too
}

/** What a prober finds out about NATs, as a table. */
async function probe(names: readonly string[], seed: { readonly seed?: number }): Promise<number> {
  const unknown = names.find(name => natKind(name) === undefined)
  if (unknown !== undefined) throw new UsageError(`There is no NAT ${unknown} (npm run lab -- --list).`)
  const sites = Object.fromEntries(names.map(nat => [nat, { nat: nat as keyof typeof natKinds, ipv6: false }]))
  await using lab = await startLab({ sites: { ...proberSites, ...sites }, ...seed })
  const prober = await startProber(lab)
  const found = await Promise.all(names.map(async name => [name, await prober.probe(lab.sites[name] as Site)] as const))
  const row = (name: string, protocol: string, one: Found | null): string[] => {
    if (one === null) return [name, protocol, 'blocked']
    return [name, protocol, one.mapping, one.filtering, JSON.stringify(one.allocation).replaceAll(/[{}"]/g, ''), one.unsolicited, one.hairpin === null ? '?' : one.hairpin ? 'yes' : 'no', one.rstEndsMapping === null ? '?' : one.rstEndsMapping ? 'yes' : 'no']
  }
  const rows = found.flatMap(([name, { tcp, udp }]) => [row(name, 'TCP', tcp), row('', 'UDP', udp)])
  console.log(table([['NAT', '', 'mapping', 'filtering', 'allocation', 'stranger gets', 'hairpin', 'RST ends mapping'], ...rows]))
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  const isUsage = error instanceof UsageError || error instanceof TypeError || error instanceof RangeError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
  console.error(isUsage ? (error as Error).message : error)
  process.exitCode = isUsage ? 2 : 1
}
