import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { labMissing } from '../../support/lab/index.js'
import { requireTools } from '../../support/lab/availability.js'
import { describeIf } from '../../support/requirements.js'
import { startCli } from './cli-process.js'

type Event = Readonly<Record<string, unknown>> & { readonly event: string }

/** Starts the demo with a temp folder of its own, which must be empty at the end. */
function startDemo(...args: string[]) {
  const temp = mkdtempSync(join(tmpdir(), 'tl-test-'))
  vi.stubEnv('TMPDIR', temp)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(temp, { recursive: true, force: true })
  })
  return {
    ...startCli('demo', ...args),
    leftovers: () => readdirSync(temp).filter(name => name.startsWith('tl-demo') || name.startsWith('throughline')),
    /** Every process that was started with this temp folder, however it came about. */
    processes: () => readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && environmentOf(pid).includes(temp)),
  }
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return '' // gone, or another user's
  }
}

const eventsIn = (shown: string): Event[] => shown.trim().split('\n').map(line => JSON.parse(line) as Event)

/** Leaves a PATH with no more than node and the other programs it takes to make NATs. */
function hideNft(): void {
  const folder = mkdtempSync(join(tmpdir(), 'tl-path-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const programs = ['unshare', 'nsenter', 'mount', 'ip', 'sh', 'grep'].flatMap(name => ['/usr/sbin', '/sbin', '/usr/bin', '/bin'].map(place => join(place, name)).find(existsSync) ?? [])
  for (const program of [...programs, process.execPath]) symlinkSync(program, join(folder, basename(program)))
  vi.stubEnv('PATH', folder)
}

const isRunning = (pid: unknown): boolean => existsSync(`/proc/${String(pid)}`)

describe('throughline demo', () => {
  it('sends a file through a direct and a reverse pipe and leaves nothing behind', async () => {
    const { child, code, leftovers } = startDemo('--strategies', 'direct,reverse', '--json')
    const [shown, exit] = await Promise.all([text(child.stdout), code])
    const named = (name: string) => eventsIn(shown).filter(({ event }) => event === name)
    expect(exit).toBe(0)
    expect(named('transfer')).toMatchObject([{ strategy: 'direct', matched: true, bytes: 16 * 1_024 ** 2 }, { strategy: 'reverse', matched: true }])
    for (const { sent, received } of named('transfer')) expect(sent).toBe(received)
    expect(named('candidate')).toMatchObject([{ strategy: 'direct', outcome: 'elected' }, { strategy: 'reverse', outcome: 'elected' }])
    // the answer may come after the channel it announces
    expect(named('signal').map(({ value }) => value)).toEqual(expect.arrayContaining(['offer.published', 'offer.received', 'answer.sent']))
    expect(named('summary')).toMatchObject([{ ok: true, succeeded: 2, total: 2 }])
    for (const { pid } of named('online')) expect(isRunning(pid)).toBe(false)
    expect(leftovers()).toEqual([])
  })

  it('is plain text when nobody looks at a terminal', async () => {
    const { child, code } = startDemo('--strategies', 'direct')
    const [shown, exit] = await Promise.all([text(child.stdout), code])
    expect(exit).toBe(0)
    expect(shown).not.toContain('\u001b')
    expect(shown).toMatch(/ ms {2}alice {2}direct candidate 127\.0\.0\.1:\d+ → 127\.0\.0\.1:\d+: elected\n/)
    expect(shown).toMatch(/\n1 of 1 transfers arrived whole; /)
  })

  it('ends within a second of SIGINT, with its processes and files', async () => {
    const { child, event, code, leftovers } = startDemo('--json')
    const { pid } = await event('online')
    const startedAtMs = performance.now()
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    expect(isRunning(pid)).toBe(false)
    expect(leftovers()).toEqual([])
  })

  it('removes its processes and files when it is killed', async () => {
    const { child, event, code, leftovers } = startDemo('--json')
    const { pid } = await event('online')
    child.kill('SIGKILL')
    await code
    await vi.waitFor(() => {
      expect(isRunning(pid)).toBe(false)
      expect(leftovers()).toEqual([])
    }, { timeout: 15_000 })
  })

  it('says so and fails when one of its nodes dies', async () => {
    const { child, event, code } = startDemo('--strategies', 'direct', '--json')
    const { pid } = await event('online')
    process.kill(Number(pid), 'SIGKILL')
    const shown = text(child.stderr)
    expect(await code).not.toBe(0)
    expect(await event('failed')).toMatchObject({ message: expect.stringMatching(/the process of alice ended early/) })
    expect(await shown).not.toContain('    at ')
  })
})

describeIf('throughline demo between two homes', labMissing(), () => {
  it('sends the file through a pipe punched between two NATs', async () => {
    const { child, code, leftovers, processes } = startDemo('--strategies', 'punch', '--json')
    const [shown, exit] = await Promise.all([text(child.stdout), code])
    const named = (name: string) => eventsIn(shown).filter(({ event }) => event === name)
    const nat = { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' }
    expect(named('skipped')).toEqual([])
    expect(named('online')).toMatchObject([
      { node: 'alice', nat: { local: '10.0.1.2', external: '198.51.100.2', ...nat } }, { node: 'bob', nat: { local: '10.0.2.2', external: '198.51.100.6', ...nat } },
    ])
    expect(named('connected')).toMatchObject([{ strategy: 'punch', scope: 'external', remote: expect.stringMatching(/^198\.51\.100\.6:/) }])
    expect(named('transfer')).toMatchObject([{ strategy: 'punch', matched: true, bytes: 16 * 1_024 ** 2 }])
    expect(exit).toBe(0)
    expect(processes()).toEqual([])
    expect(leftovers()).toEqual([])
  })

  it.each(['SIGINT', 'SIGKILL'] as const)('is gone with everything in its namespaces after %s', async signal => {
    const { child, event, code, leftovers, processes } = startDemo('--strategies', 'punch', '--json')
    await event('online')
    // the demo, two nodes, the anchor and the services at least
    expect(processes().length).toBeGreaterThanOrEqual(5)
    child.kill(signal)
    await code
    await vi.waitFor(() => {
      expect(processes()).toEqual([])
      expect(leftovers()).toEqual([])
    }, { timeout: 15_000 })
  })

  it('says in one line why it punches through no NAT, and goes on', async () => {
    hideNft()
    const { child, code } = startDemo('--strategies', 'direct,punch')
    const [shown, exit] = await Promise.all([text(child.stdout), code])
    expect(shown).toMatch(/\nno punch through NATs here: nft is not installed .*\n\n1 of 1 transfers arrived whole; /)
    expect(exit).toBe(0)
  })
})

describeIf('throughline demo in a network namespace', labMissing(), () => {
  it('needs no more than a loopback interface, and no IPv6', () => {
    const { unshare, unshareFlags, path } = requireTools()
    const script = 'ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; exec "$0" --import tsx src/cli/main.ts demo --strategies direct,reverse'
    const { status, stdout } = spawnSync(unshare, [...unshareFlags, 'sh', '-c', script, process.execPath], { encoding: 'utf8', timeout: 25_000, env: { ...process.env, PATH: path } })
    expect(stdout).toContain('2 of 2 transfers arrived whole')
    expect(status).toBe(0)
  })
})
