import { PassThrough, type Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createActor, createMachine, type InspectionEvent } from 'xstate'
import { glimpse } from '../../../src/cli/demo/moments.js'
import { screenOf } from '../../../src/cli/screen.js'
import { megabytesPerSecond, tellMoment, timelineRow } from '../../../src/cli/demo/story.js'
import { Timeline, type Entry } from '../../../src/cli/demo/timeline.js'

const terminal = (columns: number, hasColors: boolean): Writable =>
  Object.assign(new PassThrough(), { isTTY: true, columns, hasColors: () => hasColors })

const candidate = { id: 'direct-1', strategy: 'direct', scope: 'local', family: 6, local: '[2001:db8::1]:40000', remote: '[2001:db8::2]:50000' } as const
const stripped = (text: string): string => text.replaceAll(/\u001b\[\d+m/g, '')

describe('the screen of the demo', () => {
  it('has neither colours nor line breaks where nobody looks', () => {
    const { paint, wrap } = screenOf(new PassThrough())
    expect(paint('green', wrap('word '.repeat(50).trim(), 4))).toBe('word '.repeat(50).trim())
  })

  it('has no colours on a terminal that wants none', () => {
    expect(screenOf(terminal(80, false)).paint('bold', 'text')).toBe('text')
  })

  it.each([30, 60, 80, 200])('keeps every row within %i columns', columns => {
    const row = timelineRow(screenOf(terminal(columns, true)), 12.34, 'alice', tellMoment({ atMs: 0, kind: 'candidate', candidate: { ...candidate, status: 'dialling' } }))
    for (const line of stripped(row).split('\n')) expect(line.length).toBeLessThanOrEqual(Math.max(columns, 18 + 20))
    expect(stripped(row).split(/\s+/).filter(word => word !== '').join(' ')).toBe('12.3 ms alice direct candidate [2001:db8::1]:40000 → [2001:db8::2]:50000 (IPv6, local): dialling')
  })
})

describe('the story of the demo', () => {
  it('names the code of a candidate that failed', () => {
    const line = tellMoment({ atMs: 0, kind: 'candidate', candidate: { ...candidate, status: 'failed', code: 'ERR_DIAL_REFUSED' } })
    expect(line).toEqual({ text: expect.stringContaining('failed (ERR_DIAL_REFUSED)'), mood: 'bad' })
  })

  it('shows throughput with three digits', () => {
    expect([megabytesPerSecond(16_000_000, 100), megabytesPerSecond(1_000_000, 123), megabytesPerSecond(1_000, 1_000)]).toEqual([160, 8.13, 0.001])
  })
})

describe('the timeline of the demo', () => {
  it('shows what two processes tell in the order it happened', () => {
    const shown: number[] = []
    const timeline = new Timeline(({ moment }) => shown.push(moment.atMs), () => 0)
    const at = (atMs: number, who: Entry['who']): Entry => ({ who, moment: { atMs, kind: 'state', value: 'connecting' } })
    for (const entry of [at(1, 'alice'), at(4, 'alice'), at(2, 'bob'), at(3, 'bob')]) timeline.add(entry)
    timeline.flush()
    expect(shown).toEqual([1, 2, 3, 4])
  })
})

describe('glimpses of a node', () => {
  /** What is seen when an actor of this id starts and receives an event. */
  function seen(id: string, input: unknown, event: { type: string } & Record<string, unknown>) {
    const glimpses: unknown[] = []
    const inspect = (inspected: InspectionEvent) => {
      const one = glimpse(inspected)
      if (one !== undefined) glimpses.push(one)
    }
    createActor(createMachine({}), { id, input, inspect }).start().send(event)
    return glimpses
  }

  it('tell that an offer came when a connection starts as responder with one', () => {
    expect(seen('any', { role: 'responder', sessionKey: 'k', attempt: {}, offer: {} }, { type: 'ignored' })).toEqual([{ kind: 'signal', value: 'offer.received' }])
  })

  it('tell signalling and candidates of an attempt only', () => {
    const record = { ...candidate, status: 'dialling', startedAtMs: 1, updatedAtMs: 1 } as const
    expect(seen('attempt', {}, { type: 'exchange.answered' })).toEqual([{ kind: 'signal', value: 'answer.received' }])
    expect(seen('attempt', {}, { type: 'candidate.changed', candidate: record })).toEqual([{ kind: 'candidate', candidate: { ...candidate, status: 'dialling' } }])
    expect(seen('direct', {}, { type: 'candidate.changed', candidate: record })).toEqual([])
  })
})
