import { expect, it } from 'vitest'
import { parseDuration } from '../../../src/cli/duration.js'

it.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5s', 1_500],
  ['2m', 120_000],
  ['1h', 3_600_000],
])('reads %s', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

it.each(['', '30', '0s', '-1s', '1d', '30 s', '1e3s', '25000h', 's'])('refuses "%s"', text => {
  expect(parseDuration(text)).toBeUndefined()
})
