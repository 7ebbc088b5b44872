import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { endOf, startNode } from './nodes.js'

const tsx = resolve('node_modules/tsx/dist/loader.mjs')

function start(name: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--import', tsx, resolve('test/integration/session', name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

describe('a process whose nodes are closed', () => {
  it.each(['open', 'finishing', 'aborted', 'stuck'])('ends by itself, its pipes having been %s', async state => {
    const child = start('exits.process.ts', state)
    const [shown, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(code).toBe(0)
    expect(JSON.parse(shown)).toMatchObject({ pipe: true, served: true })
  }, 15_000)
})

describe('a peer that is killed in the middle of a transfer', () => {
  it('leaves its reader with an error, never a clean end', async () => {
    const child = start('dies.process.ts')
    const [address] = (await once(createInterface(child.stdout), 'line')) as [string]
    const pipe = await (await startNode()).connect(address)
    let hasEnded = false
    pipe.on('end', () => (hasEnded = true))
    pipe.once('data', () => child.kill('SIGKILL'))
    expect(await endOf(pipe)).toBe('ERR_CONNECTION_LOST')
    expect(hasEnded).toBe(false)
  })
})
