import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { labMissing, startLab, type Lab, type Site } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'
import { alive } from './processes.js'

describeIf('a command on a lab host', labMissing(), () => {
  let lab: Lab
  let host: Site
  beforeAll(async () => {
    lab = await startLab({ sites: { host: {} } })
    host = lab.sites['host'] as Site
  })
  afterAll(() => lab.close())

  it('gets its input, environment and folder, and gives back output and exit code', async () => {
    const env = { ...process.env, HOME: '/tmp', XDG_CONFIG_HOME: '/tmp/config' }
    const result = await host.run('sh', ['-c', 'cat; echo "$HOME $XDG_CONFIG_HOME $PWD"; echo no >&2; exit 3'], { input: 'in ', timeoutMs: 5_000, env, cwd: '/usr' })
    expect(result).toEqual({ code: 3, stdout: 'in /tmp /tmp/config /usr\n', stderr: 'no\n' })
  })

  it('has the pid its child object says, and receives signals', async () => {
    const child = host.spawn('sh', ['-c', 'trap "echo caught; exit 5" INT; echo $$; while :; do sleep 0.05; done'], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => { output += text })
    await vi.waitFor(() => expect(output).toBe(`${child.pid}\n`), 5_000)
    const exited = new Promise(resolve => child.once('exit', resolve))
    process.kill(child.pid as number, 'SIGINT')
    expect(await exited).toBe(5)
    expect(output).toContain('caught')
  })

  it('is killed when it takes too long, and says what it wrote', async () => {
    const started = host.run('sh', ['-c', 'echo $$ >&2; exec sleep 600'], { timeoutMs: 500 })
    await expect(started).rejects.toThrow(/longer than 500 ms; stderr: \d+/)
    const pid = Number(/stderr: (\d+)/.exec(String(await started.catch((error: unknown) => error)))?.[1])
    await vi.waitFor(() => expect(alive([pid])).toEqual([]), 5_000)
  })

  it('exits with 127 when it is unknown', async () => {
    expect(await host.run('no-such-command', [], { timeoutMs: 5_000 })).toMatchObject({ code: 127 })
  })

  it('is refused on a closed lab', async () => {
    const closed = await startLab({ sites: {} })
    await closed.close()
    expect(() => closed.internet.spawn('true')).toThrow('closed')
  })
})
