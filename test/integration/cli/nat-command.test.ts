import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { labMissing, startLab, type Lab, type Site } from '../../support/lab/index.js'
import { says } from '../../support/lab/services.js'
import { describeIf } from '../../support/requirements.js'
import { startCli } from './cli-process.js'

const nowhere = ['--stun', 'none', '--ntp', 'none', '--mqtt', 'none']

/** Runs `nat` to its end. */
async function nat(...args: string[]): Promise<{ code: number | null; stdout: string }> {
  const { child, code } = startCli('nat', ...args)
  const [stdout, exit] = await Promise.all([text(child.stdout), code])
  return { code: exit, stdout }
}

describe('throughline nat', () => {
  it('tells that nothing was asked where no server is named', async () => {
    const { code, stdout } = await nat(...nowhere, '--interface', 'lo', '--json')
    expect(code).toBe(0)
    const [event, ...others] = stdout.trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
    expect(others).toEqual([])
    expect(event).toMatchObject({ event: 'network', portMapping: [], brokers: [], relays: [], clock: null })
    expect(event?.['interfaces']).toContainEqual(expect.objectContaining({ name: 'lo', family: 4, local: '127.0.0.1', external: null }))
  })

  it('names the dead servers beside those that live', async () => {
    const infra = startCli('infra', '--host', '127.0.0.1', '--port', '0', '--stun-port', '0', '--ntp-port', '0', '--json')
    const { mqtt, stun, ntp } = (await infra.event('infra')) as Record<'mqtt' | 'stun' | 'ntp', string[]>
    const dead = `127.0.0.1:${await freePort()}`
    const { code, stdout } = await nat('--interface', 'lo', '--mqtt', `${mqtt[0]},mqtt://${dead}`, '--stun', `${stun[0]},${dead}`, '--ntp', ntp[0] ?? '')
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`broker +${mqtt[0]}: online, `))
    expect(stdout).toMatch(new RegExp(`broker +mqtt://${dead}: offline \\(ERR_BROKER_UNREACHABLE\\)`))
    expect(stdout).toMatch(new RegExp(`STUN +${stun[0]}: UDP .* ms, TCP .* ms`))
    expect(stdout).toMatch(new RegExp(`STUN +${dead}: UDP none \\(ERR_STUN_TIMEOUT\\), TCP none \\(ERR_DIAL_REFUSED\\)`))
    expect(stdout).toContain(`What ${dead} could have told: no answer`)
    expect(stdout).toMatch(new RegExp(`clock .* by ${ntp[0]}`))
  })

  it('ends within a second when it is interrupted, with no report', async () => {
    const { child, code } = startCli('nat', '--mqtt', 'none', '--ntp', 'none', '--interface', 'lo', '--stun', `127.0.0.1:${await freePort()}`)
    const stdout = text(child.stdout)
    await once(child.stderr, 'data')
    const startedAtMs = performance.now()
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    expect(await stdout).toBe('')
  })
})

describeIf('throughline nat in a network of its own', labMissing(), () => {
  let lab: Lab
  let home: string
  let servers: readonly string[]
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'tl-nat-'))
    lab = await startLab({ sites: { server: { addresses: 2 }, other: {}, public: {}, home: { nat: 'symmetric-backwards' } } })
    const [server, other] = [site('server'), site('other')]
    const infra = [
      spawn(server, 'infra', '--host', server.ipv4, '--alternate-host', server.secondIpv4 ?? ''),
      spawn(other, 'infra', '--host', other.ipv4),
    ]
    await Promise.all(infra.map(child => says(child, '--ntp')))
    servers = ['--mqtt', `mqtt://${server.ipv4}`, '--stun', `${server.ipv4}:3478,${other.ipv4}:3478`, '--ntp', `${server.ipv4}:1230`]
  }, 30_000)
  afterAll(async () => {
    await lab?.close()
    rmSync(home, { recursive: true, force: true })
  })

  const site = (name: string): Site => lab.sites[name] as Site
  const command = (...args: readonly string[]) => ['--import', resolve('node_modules/tsx/dist/loader.mjs'), resolve('src/cli/main.ts'), ...args]
  const surroundings = () => ({ env: { PATH: process.env['PATH'], HOME: home }, cwd: home })
  const spawn = (on: Site, ...args: readonly string[]) => on.spawn(process.execPath, command(...args), { ...surroundings(), stdio: ['ignore', 'pipe', 'ignore'] })

  it('tells a symmetric NAT, its allocation and its filter by the servers of infra', async () => {
    const { code, stdout } = await site('home').run(process.execPath, command('nat', '--json', ...servers), { timeoutMs: 20_000, ...surroundings() })
    expect(code).toBe(0)
    const profile = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'sequential', delta: -1, classic: 'symmetric, independent', blocked: false }
    const { interfaces, clock, brokers } = JSON.parse(stdout) as Record<'interfaces' | 'clock' | 'brokers', unknown>
    expect(interfaces).toContainEqual(expect.objectContaining({ family: 4, external: site('home').externalIpv4, tcp: expect.objectContaining(profile), udp: expect.objectContaining(profile) }))
    expect(clock).toMatchObject({ source: `${site('server').ipv4}:1230` })
    expect(brokers).toMatchObject([{ state: 'online' }])
  }, 30_000)

  it('tells that a public host can be dialled', async () => {
    const { stdout } = await site('public').run(process.execPath, command('nat', ...servers), { timeoutMs: 20_000, ...surroundings() })
    expect(stdout).toMatch(/classic name +open internet +open internet/)
    expect(stdout).toContain('Nothing: this network lets every peer in.')
  }, 30_000)

  it('reports where there is no network at all', async () => {
    const { code, stdout } = await site('home').run('unshare', ['-n', process.execPath, ...command('nat', ...servers)], { timeoutMs: 20_000, ...surroundings() })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^No network\n/)
  }, 30_000)
})
