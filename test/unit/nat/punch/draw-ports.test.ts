import { describe, expect, it } from 'vitest'
import { drawPorts } from '../../../../src/nat/punch/draw-ports.js'
import { seeded } from '../enumeration/simulated-nat.js'

describe('drawing ports', () => {
  it('gives distinct ports of the range, as many as asked for', () => {
    const ports = drawPorts(1_024, 65_535, 1_024, seeded(1))
    expect(new Set(ports).size).toBe(1_024)
    expect(ports.every(port => port >= 1_024 && port <= 65_535)).toBe(true)
  })

  it('gives each port once where all are asked for, and no more', () => {
    for (const count of [256, 1_000]) {
      expect([...drawPorts(40_000, 40_255, count, seeded(2))].sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, index) => 40_000 + index))
    }
  })

  it('gives none where none is asked for', () => {
    expect(drawPorts(1_024, 65_535, 0, seeded(3))).toEqual([])
    expect(drawPorts(1_024, 65_535, -4, seeded(3))).toEqual([])
  })

  it('gives every port the same chance at every place', () => {
    const random = seeded(4)
    const times = Array.from({ length: 3 }, () => [0, 0, 0, 0, 0])
    for (let round = 0; round < 10_000; round += 1) for (const [place, port] of drawPorts(1, 5, 3, random).entries()) times[place]![port - 1]! += 1
    for (const count of times.flat()) expect(Math.abs(count - 2_000)).toBeLessThan(200)
  })
})
