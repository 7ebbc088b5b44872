import { describe, expect, it } from 'vitest'
import { parseCommandLine } from '../../../src/cli/command-line.js'

const texts = (args: string, key: string) => parseCommandLine(args.split(' ')).given.get(key)?.texts

describe('the command line', () => {
  it('keeps PEER apart from a list option before it', () => {
    const { words, given } = parseCommandLine(['connect', '--stun', 'a:1,b:2', 'tl1peer'])
    expect(words).toEqual(['tl1peer'])
    expect(given.get('stun')?.texts).toEqual(['a:1,b:2'])
  })

  it('takes several brokers after one --mqtt, since a broker URL is no peer', () => {
    const { words, given } = parseCommandLine('connect --mqtt mqtt://a wss://b tl1peer'.split(' '))
    expect(given.get('mqtt')?.texts).toEqual(['mqtt://a', 'wss://b'])
    expect(words).toEqual(['tl1peer'])
  })

  it('takes several values after a list option of a command without words', () => {
    expect(texts('listen --forward a:1 b:2 --allow any', 'forward')).toEqual(['a:1', 'b:2'])
  })

  it('collects a repeated option', () => {
    expect(texts('listen --stun a:1 --stun=b:2', 'stun')).toEqual(['a:1', 'b:2'])
  })

  it('reads -c with and without a space', () => {
    expect(texts('ping tl1peer -c 3', 'count')).toEqual(['3'])
    expect(texts('ping tl1peer -c3', 'count')).toEqual(['3'])
  })

  it('takes a word that looks like an option after --', () => {
    expect(parseCommandLine(['connect', '--', '--json']).words).toEqual(['--json'])
  })

  it.each([
    ['listne', /"listne" is not a command, the nearest is listen/],
    ['inspect', /does not have the command inspect yet/],
    ['names list', /does not have the command names yet/],
    ['--json', /a command comes before --json/],
    ['connect', /connect wants more: throughline connect PEER/],
    ['connect a b', /does not know what to do with "b"/],
    ['connect a --jsno', /--jsno is not an option of connect, the nearest is --json/],
    ['connect a --echo', /--echo is an option of listen, not of connect/],
    ['listen --timeout', /--timeout wants a value/],
    ['listen --timeout --json', /--timeout wants a value, but --json follows/],
    ['listen --json=yes', /--json takes no value/],
    ['forward 80', /forward wants more/],
  ])('refuses `%s`', (args, message) => {
    expect(() => parseCommandLine(args.split(' '))).toThrow(message)
  })

  it('asks for nothing else where help is wanted', () => {
    expect(parseCommandLine(['connect', '--help'])).toMatchObject({ help: true, command: { name: 'connect' } })
    expect(parseCommandLine(['-h'])).toMatchObject({ help: true, command: undefined })
  })
})
