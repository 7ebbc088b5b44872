import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { labMissing, natKindNames } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'
import { alive, familyOf, inhabitants, networksOf } from './processes.js'

const script = fileURLToPath(new URL('../../../scripts/lab.ts', import.meta.url))
const example = fileURLToPath(new URL('../../support/lab/examples/two-homes.json', import.meta.url))

function start(...args: string[]): ChildProcess & { readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }> } {
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { stdio: 'pipe', env: { ...process.env, SHELL: '/bin/sh' } })
  onTestFinished(() => { child.kill('SIGKILL') })
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(([stdout, stderr, [code]]) => ({ code: code as number | null, stdout, stderr }))
  return Object.assign(child, { ended })
}

describe('the command of the lab', () => {
  it('lists the NATs by name', async () => {
    const { code, stdout } = await start('--list').ended
    expect(code).toBe(0)
    expect(stdout.trim().split('\n').map(line => line.split(' ')[0])).toEqual(natKindNames)
  })

  it('teaches', async () => {
    expect(await start('--help').ended).toMatchObject({ code: 0, stdout: expect.stringContaining('npm run lab -- SPEC HOST -- COMMAND') })
    expect(await start().ended).toMatchObject({ code: 2, stdout: expect.stringContaining('npm run lab') })
  })
})

describeIf('the command of the lab, with namespaces,', labMissing(), () => {
  it('runs one command on a host and ends as that did', async () => {
    const { code, stdout } = await start('symmetric', 'home', '--', 'sh', '-c', 'ip -4 -br address show eth0; exit 7').ended
    expect(stdout).toMatch(/^eth0@\S+ +UP +10\.1\.0\.2\/24/)
    expect(code).toBe(7)
  })

  it('gives a shell on the first host, from which the others can be reached', async () => {
    const command = start(example)
    command.stdin?.end('ip -4 -br address show eth0\non nas.home ip -4 -br address show eth0\non router-home nft list tables\nexit 3\n')
    const { code, stdout, stderr } = await command.ended
    expect(stdout.match(/10\.2\.0\.\d|table .*/g)).toEqual(['10.2.0.2', '10.2.0.3', 'table inet firewall', 'table ip nat'])
    expect(stderr).toMatch(/^phone +10\.4\.0\.2 +198\.51\.100\.6 +-$/m)
    expect(code).toBe(3)
  })

  it.each([
    [['nonsense'], 'nonsense is neither a file nor'],
    [['cone', 'nobody', '--', 'true'], 'There is no host nobody; there are internet, home, peer'],
    [['cone', 'home'], 'What should run there?'],
    [['cone', '--with', 'apache'], 'There is no service apache'],
    [['--probe', 'nonsense'], 'There is no NAT nonsense'],
    [['--nonsense'], "Unknown option '--nonsense'"],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await start(...args).ended
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
    expect(code).toBe(2)
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)('leaves nothing when it gets %s', async signal => {
    const command = start('cone', 'home', '--', 'sh', '-c', 'echo up; exec sleep 600')
    await once(command.stdout as NodeJS.ReadableStream, 'data')
    const pids = familyOf(command.pid as number).filter(pid => pid !== command.pid)
    const namespaces = networksOf(pids.slice(-1))
    command.kill(signal)
    await vi.waitFor(() => expect([alive(pids), inhabitants(namespaces)]).toEqual([[], []]), 5_000)
  })
})
