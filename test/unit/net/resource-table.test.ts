import { describe, expect, it, vi } from 'vitest'
import { ResourceTable } from '../../../src/net/resource-table.js'

describe('ResourceTable', () => {
  it('gives each value an id of its own and never uses one twice', () => {
    const table = new ResourceTable<string>('ch')
    const first = table.add('a', () => {})
    table.release(first)
    expect([first, table.add('b', () => {})]).toEqual(['ch-1', 'ch-2'])
  })

  it('keeps owning what was only looked at', () => {
    const table = new ResourceTable<string>('ch')
    const id = table.add('a', () => {})
    expect(table.get(id)).toBe('a')
    expect(table.size).toBe(1)
  })

  it('hands a taken value over without disposing of it', async () => {
    const table = new ResourceTable<string>('ch')
    const dispose = vi.fn()
    const id = table.add('a', dispose)
    expect(table.take(id)).toBe('a')
    expect(table.take(id)).toBeUndefined()
    table.release(id)
    await table.disposeAll()
    expect(dispose).not.toHaveBeenCalled()
    expect(table.size).toBe(0)
  })

  it('disposes of a released value exactly once', () => {
    const table = new ResourceTable<string>('ch')
    const dispose = vi.fn()
    const id = table.add('a', dispose)
    table.release(id)
    table.release(id)
    table.release('ch-99')
    expect(dispose.mock.calls).toEqual([['a']])
    expect(table.get(id)).toBeUndefined()
  })

  it('waits in disposeAll for every disposal, those under way included', async () => {
    const table = new ResourceTable<string>('ch')
    const finished: string[] = []
    const finish = new Map<string, () => void>()
    const dispose = (value: string) => new Promise<void>(resolve => finish.set(value, () => resolve(void finished.push(value))))
    table.release(table.add('early', dispose))
    table.add('late', dispose)
    const all = table.disposeAll().then(() => finished.push('all'))
    finish.get('late')?.()
    finish.get('early')?.()
    await all
    expect(finished).toEqual(['late', 'early', 'all'])
  })

  it('survives values that fail to close, at once or later', async () => {
    const table = new ResourceTable<string>('ch')
    table.add('throws', () => {
      throw new Error('no')
    })
    table.add('rejects', () => Promise.reject(new Error('no')))
    await table.disposeAll()
    expect(table.size).toBe(0)
  })
})
