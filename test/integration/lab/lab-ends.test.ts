import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'
import { labMissing, startLab, type Lab } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'
import { anchorFamilySize, populated } from './populated.js'
import { alive, familyOf, inhabitants, networkOf, networksOf } from './processes.js'

const runner = fileURLToPath(new URL('./abandoned-runner.process.ts', import.meta.url))

/** Starts an orphan, a child and a child's child, and tells all that belongs to the lab. */
async function populate(lab: Lab): Promise<{ pids: number[]; namespaces: string[] }> {
  const [alice, bob] = [lab.sites['alice'], lab.sites['bob']]
  if (alice === undefined || bob === undefined) throw new Error('alice and bob wanted')
  const orphan = await alice.run('sh', ['-c', 'sleep 600 >/dev/null 2>&1 </dev/null & echo $!'], { timeoutMs: 5_000 })
  const child = bob.spawn('sh', ['-c', 'sleep 600 & wait'], { stdio: 'ignore' })
  const childPid = child.pid as number
  await vi.waitFor(() => expect(familyOf(childPid)).toHaveLength(2), 5_000)
  const anchorFamily = familyOf(lab.anchorPid)
  expect(anchorFamily).toHaveLength(anchorFamilySize)
  const pids = [Number(orphan.stdout), ...familyOf(childPid), ...anchorFamily]
  expect(alive(pids)).toEqual(pids)
  return { pids, namespaces: networksOf(pids) }
}

const startPopulated = (): Promise<Lab> => startLab(populated)

/** What a lab could leave on this machine beside processes. */
const traces = (): unknown => [readFileSync('/proc/self/mountinfo', 'utf8'), existsSync('/run/netns') ? readdirSync('/run/netns') : [], Object.keys(networkInterfaces())]

describeIf('the end of a lab', labMissing(), () => {
  it('leaves nothing after close, which may be called twice', async () => {
    const lab = await startPopulated()
    const { pids, namespaces } = await populate(lab)
    expect(namespaces).not.toContain(networkOf(process.pid))
    await Promise.all([lab.close(), lab.close()])
    expect(inhabitants(namespaces)).toEqual([])
    // What was killed has left its namespace; the kernel may need a moment more to call it dead.
    await vi.waitFor(() => expect(alive(pids)).toEqual([]), 500)
    await lab.close()
  })

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('leaves nothing when its anchor gets %s', async signal => {
    const lab = await startPopulated()
    const { pids, namespaces } = await populate(lab)
    process.kill(lab.anchorPid, signal)
    await vi.waitFor(() => expect([alive(pids), inhabitants(namespaces)]).toEqual([[], []]), 5_000)
    await vi.waitFor(() => expect(() => lab.internet.spawn('true')).toThrow('closed'))
    await lab.close()
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)('leaves no process, namespace or mount when its runner gets %s, and the next run is as the first', async signal => {
    const before = traces()
    const child = spawn(process.execPath, ['--import', 'tsx', runner], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => { child.kill('SIGKILL') })
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { anchor, orphan, child: grandchild } = JSON.parse(line) as Record<'anchor' | 'orphan' | 'child', number>
    const pids = [orphan, grandchild, ...familyOf(anchor)]
    expect(pids).toHaveLength(2 + anchorFamilySize)
    const namespaces = networksOf(pids)
    child.kill(signal)
    await vi.waitFor(() => expect([alive(pids), inhabitants(namespaces)]).toEqual([[], []]), 5_000)
    await using next = await startPopulated()
    expect(await next.internet.run('true', [], { timeoutMs: 5_000 })).toMatchObject({ code: 0 })
    expect(inhabitants(namespaces)).toEqual([])
    expect(traces()).toEqual(before)
  })
})
