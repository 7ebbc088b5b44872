import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createActor, fromCallback, setup } from 'xstate'
import { ThroughlineError } from '../../../src/errors/index.js'
import { createRecorder, type RecordedEvent, type RecorderLimits, type RecordingCut } from '../../../src/observe/recorder.js'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'recorder-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const child = setup({}).createMachine({ id: 'child', initial: 'waiting', states: { waiting: { on: { go: 'gone' } }, gone: { type: 'final' } } })
const parent = setup({ types: { input: {} as { readonly session: string } }, actors: { child, ticker: fromCallback(() => {}) } }).createMachine({
  id: 'parent',
  initial: 'running',
  states: { running: { invoke: [{ src: 'child', id: 'child' }, { src: 'ticker', id: 'ticker' }], on: { fact: {}, 'xstate.done.actor.child': 'done' } }, done: {} },
})

/** Records what one parent machine lives through. */
async function record(live: (send: (event: { readonly type: string } & Record<string, unknown>) => void) => void, limits?: RecorderLimits) {
  const file = join(folder, 'report.jsonl')
  const recorder = createRecorder(file, limits)
  const actor = createActor(parent, { input: { session: '11' }, inspect: event => recorder.inspect(event) }).start()
  live(event => actor.send(event))
  actor.stop()
  await recorder.close()
  return readFileSync(file, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line) as RecordedEvent & RecordingCut)
}

describe('the recorder', () => {
  it('begins each machine with its input and numbers it below its parent', async () => {
    const lines = await record(() => {})
    expect(lines.filter(({ event }) => event.type === 'xstate.init')).toEqual(expect.arrayContaining([
      { actor: 1, machine: 'parent', event: { type: 'xstate.init', input: { session: '11' } }, state: 'running' },
      { actor: 2, parent: 1, machine: 'child', event: { type: 'xstate.init' }, state: 'waiting' },
    ]))
  })

  it('writes one line for each event with the state that followed', async () => {
    const lines = await record(send => (send({ type: 'fact', value: 1 }), send({ type: 'fact', value: 2 })))
    expect(lines.filter(({ event }) => event.type === 'fact')).toEqual([1, 2].map(value => ({ actor: 1, machine: 'parent', event: { type: 'fact', value }, state: 'running' })))
  })

  it('never shows bytes, functions or what else is no data, and writes errors as code and message', async () => {
    const loop: Record<string, unknown> = {}
    loop['again'] = loop
    const lines = await record(send => send({
      type: 'fact', bytes: new Uint8Array([115, 101, 101, 100]), run: () => {}, map: new Map([['secret', 1]]), big: 1n, far: Number.POSITIVE_INFINITY, loop,
      error: new ThroughlineError('ERR_NO_BROKER', 'none'), list: [1, { deep: true }],
    }))
    const { event } = lines.find(({ event: { type } }) => type === 'fact')!
    expect(event).toMatchObject({
      bytes: '[4 bytes]', run: '[function]', map: '[Map]', big: '[bigint]', far: 'Infinity', error: { code: 'ERR_NO_BROKER', message: 'none' }, list: [1, { deep: true }],
    })
    expect(JSON.stringify(event)).toContain('[cut]')
  })

  it('stops at the size it may have, and says how much it lacks', async () => {
    const lines = await record(send => Array.from({ length: 100 }, () => send({ type: 'fact' })), { maxFileBytes: 1_000 })
    const cut = lines.at(-1)!
    expect(cut.dropped).toBeGreaterThan(0)
    // what was sent, and the start and stop of both machines
    expect(lines.length - 1 + cut.dropped).toBe(100 + 4)
  })

  it('never throws where the file cannot be written', async () => {
    const recorder = createRecorder(join(folder, 'missing', 'report.jsonl'))
    const actor = createActor(parent, { input: { session: '11' }, inspect: event => recorder.inspect(event) }).start()
    actor.stop()
    await expect(recorder.close()).resolves.toBeUndefined()
  })
})
