import { describe, expect, it } from 'vitest'
import { exitOf, sentenceOf } from '../../../src/cli/failure.js'
import { codes, ConnectError, ThroughlineError, type ErrorCode } from '../../../src/errors/index.js'

describe('exit codes', () => {
  it.each(Object.entries(codes))('follow from the table for %s', (code, { exit }) => {
    expect(exitOf(new ThroughlineError(code as ErrorCode, 'x'))).toBe(exit)
  })

  it('call what nobody foresaw a local failure', () => {
    expect(exitOf(new TypeError('x is not a function'))).toBe(1)
    expect(exitOf('text')).toBe(1)
  })

  it('call a reader of the output that left, and a stream that closed early, a lost pipe', () => {
    expect(exitOf(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))).toBe(6)
    expect(exitOf(Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }))).toBe(6)
  })
})

describe('the sentence', () => {
  it('says what happened, what to do and the code, on one line without a stack', () => {
    const text = sentenceOf(new ThroughlineError('ERR_BUSY', 'The peer takes\nno more pipes.'))
    expect(text).toBe('The peer takes no more pipes; try again later (ERR_BUSY)')
    expect(sentenceOf(new TypeError('x'))).toMatch(/^x; please report it .* \(ERR_INTERNAL\)$/)
  })

  it('takes the advice of the verdict where there is one', () => {
    const error = new ConnectError('ERR_NO_PATH', { code: 'ERR_NO_PATH', text: 'no path', advice: 'Open port 5.' }, [])
    expect(sentenceOf(error)).toBe('no path; open port 5 (ERR_NO_PATH)')
  })
})
