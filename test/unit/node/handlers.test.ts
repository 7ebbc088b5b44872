import { expect, it } from 'vitest'
import { Handlers, type Handler } from '../../../src/node/handlers.js'

const handler = (): Handler => ({ onPipe: () => {}, accept: () => true })

it('the latest handler of a protocol counts, and the one before it when it goes', () => {
  const handlers = new Handlers()
  const [first, second] = [handler(), handler()]
  handlers.add('chat/1', first)
  const remove = handlers.add('chat/1', second)
  expect(handlers.get('chat/1')).toBe(second)
  remove()
  remove()
  expect(handlers.get('chat/1')).toBe(first)
})

it('a protocol whose last handler went is served by nobody, until the next comes', () => {
  const handlers = new Handlers()
  const remove = handlers.add('chat/1', handler())
  remove()
  expect(handlers.get('chat/1')).toBeUndefined()
  const later = handler()
  handlers.add('chat/1', later)
  remove()
  expect(handlers.get('chat/1')).toBe(later)
})

it('protocols are told apart exactly', () => {
  const handlers = new Handlers()
  handlers.add('', handler())
  expect([handlers.get('Chat'), handlers.get(' ')]).toEqual([undefined, undefined])
})
