import { strategyOrder } from '../../../machines/strategies.js'
import { describe, expect, it } from 'vitest'
import { Access } from '../../../src/node/access.js'
import type { AuthorizeRequest } from '../../../src/node/types.js'

const signal = new AbortController().signal
const request: AuthorizeRequest = { peerId: 'peer', protocol: 'chat/1', strategies: ['direct', 'reverse'] }

describe('without rules', () => {
  it('everybody is accepted, as a stranger', async () => {
    const access = new Access({})
    expect([access.denies('peer'), access.isKnown('peer'), access.needsAsking('peer')]).toEqual([false, false, false])
    expect(await access.decide(request, signal)).toEqual(strategyOrder)
    expect(access.isKnown('peer')).toBe(false)
  })
})

describe('an allow list', () => {
  it('makes those it names known, and denies the others without asking anybody', () => {
    const access = new Access({ allow: ['peer'] })
    expect([access.denies('peer'), access.isKnown('peer'), access.denies('other'), access.isKnown('other')]).toEqual([false, true, true, false])
  })

  it('refuses those it does not name', async () => {
    await expect(new Access({ allow: ['other'] }).decide(request, signal)).rejects.toMatchObject({ code: 'ERR_REFUSED' })
  })

  it('that is empty refuses everybody', () => {
    expect(new Access({ allow: [] }).denies('peer')).toBe(true)
  })

  it('of any makes everybody known', () => {
    const access = new Access({ allow: 'any' })
    expect([access.denies('peer'), access.isKnown('peer')]).toEqual([false, true])
  })
})

describe('authorize', () => {
  it('is given the request and a signal', async () => {
    const calls: unknown[] = []
    await new Access({ authorize: (...args) => calls.push(args) > 0 }).decide(request, signal)
    expect(calls).toEqual([[request, { signal }]])
  })

  it('is asked before anything is known of a peer', () => {
    const access = new Access({ authorize: () => true })
    expect([access.denies('peer'), access.needsAsking('peer'), access.isKnown('peer')]).toEqual([false, true, false])
  })

  it('that says yes makes the peer known', async () => {
    const access = new Access({ authorize: () => true })
    await access.decide(request, signal)
    expect([access.isKnown('peer'), access.needsAsking('peer')]).toEqual([true, false])
  })

  it('that names strategies grants these, in our order', async () => {
    expect(await new Access({ authorize: () => ['reverse'] }).decide(request, signal)).toEqual(['reverse'])
  })

  it.each([['no', false], ['no strategy', []]] as const)('that says %s refuses, and makes a known peer a stranger again', async (_, answer) => {
    let current: boolean | readonly [] = true
    const access = new Access({ authorize: () => current })
    await access.decide(request, signal)
    current = answer
    await expect(access.decide(request, signal)).rejects.toMatchObject({ code: 'ERR_REFUSED' })
    expect(access.isKnown('peer')).toBe(false)
  })

  it('that throws lets nobody in', async () => {
    const access = new Access({ authorize: () => { throw new Error('database down') } })
    await expect(access.decide(request, signal)).rejects.toThrow('database down')
    expect(access.isKnown('peer')).toBe(false)
  })

  it('may take its time', async () => {
    let answer: (value: boolean) => void = () => {}
    const deciding = new Access({ authorize: () => new Promise<boolean>(resolve => (answer = resolve)) }).decide(request, signal)
    answer(true)
    expect(await deciding).toEqual(strategyOrder)
  })

  it('decides about peers the allow list does not name, too', async () => {
    const access = new Access({ allow: ['other'], authorize: () => true })
    expect(access.denies('peer')).toBe(false)
    expect(await access.decide(request, signal)).toEqual(strategyOrder)
  })

  it('remembers 4,096 accepted peers, and forgets the one accepted longest ago', async () => {
    const access = new Access({ authorize: () => true })
    for (let index = 0; index < 4_097; index++) await access.decide({ ...request, peerId: `peer-${index}` }, signal)
    expect([access.isKnown('peer-0'), access.isKnown('peer-1'), access.isKnown('peer-4096')]).toEqual([false, true, true])
  })
})
