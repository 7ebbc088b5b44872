import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host, Site } from './types.js'

const startLimitMs = 10_000

/** A server on a lab host; it ends with the lab, or by `close`. */
export interface LabService {
  readonly child: ChildProcess
  close(): void
}

export { chronyMissing } from '../chrony.js'
export { coturnMissing } from '../coturn.js'

export interface Coturn extends LabService {
  /** STUN endpoints (UDP and TCP), address by address: with two addresses each has two ports, as RFC 5780 wants. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[]
}

export interface CoturnOptions {
  /** `NAME:PASSWORD` of the one who may have relays (long-term credentials, realm `lab`); else it serves STUN alone. */
  readonly user?: string
  /** More options of turnserver. */
  readonly args?: readonly string[]
}

/** Starts coturn on 3478 and 3479 of all public addresses of a site; with `addresses: 2` it serves RFC 5780 over UDP. */
export async function startCoturn(site: Site, { user, args = [] }: CoturnOptions = {}): Promise<Coturn> {
  const folder = mkdtempSync(join(tmpdir(), 'lab-coturn-'))
  const addresses = [site.ipv4, ...(site.secondIpv4 === undefined ? [] : [site.secondIpv4])]
  const who = user === undefined ? ['--stun-only'] : ['--lt-cred-mech', '--realm=lab', `--user=${user}`]
  const options = ['-n', '--no-cli', '--no-tls', '--no-dtls', '--log-file=stdout', '--simple-log', '--verbose', `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'db')}`, '-m', '1', '--listening-port=3478', '--alt-listening-port=3479']
  const child = site.spawn('turnserver', [...options, ...addresses.map(address => `--listening-ip=${address}`), ...who, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  removeAtItsEnd(folder, child)
  // Written for the last address and port of all; a second port needs a second address.
  const last = `TCP listener opened on : ${addresses.at(-1)}:${addresses.length > 1 ? 3479 : 3478}`
  await says(child, last)
  return { child, endpoints: addresses.flatMap(address => [3478, 3479].map(port => ({ address, port }))), close: () => void child.kill('SIGKILL') }
}

/** Starts chronyd as an NTP server that tells this machine's time and leaves its clock alone. */
export async function startChrony(host: Host): Promise<LabService> {
  const folder = mkdtempSync(join(tmpdir(), 'lab-chrony-'))
  const lines = ['local stratum 2', 'allow all', 'cmdport 0', `bindaddress ${host.ipv4}`, `pidfile ${join(folder, 'pid')}`, 'port 123', 'bindcmdaddress /']
  const child = host.spawn('chronyd', ['-x', '-d', '-U', '-u', 'root', ...lines], { stdio: ['ignore', 'ignore', 'pipe'] })
  removeAtItsEnd(folder, child)
  // Its sockets are open by then.
  await says(child, 'Running with root privileges')
  return { child, close: () => void child.kill('SIGKILL') }
}

const removeAtItsEnd = (folder: string, child: ChildProcess): void => void child.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Resolves when the process has written this on its stdout, or on stderr if that is what is piped; rejects after 10 s. Goes on reading it. */
export async function says(child: ChildProcess, text: string): Promise<void> {
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const settle = (why?: string): void => {
      clearTimeout(limit)
      if (why === undefined) resolve()
      else reject(new Error(`${child.spawnargs.join(' ')} ${why} before it said ${JSON.stringify(text)}: ${said}`))
    }
    const limit = setTimeout(() => settle(`took ${startLimitMs} ms`), startLimitMs)
    child.once('exit', code => settle(`ended with ${code}`))
    child.once('error', error => settle(error.message))
    const output = child.stdout ?? child.stderr
    output?.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-8_192)
      if (said.includes(text)) settle()
    })
  })
}
