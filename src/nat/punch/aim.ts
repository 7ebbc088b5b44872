import { defaults } from '../../config/defaults.js'
import type { NatSummary } from '../../protocol/interface-record.js'

const { window, maxWindow, windowConfidence, sampleAgeMs, stepsBeyondAim } = defaults.punch

/**
 * How many fresh ports a counter needs so that one of them gets the mapping that was foretold: one more than the mappings of others
 * that come between, by Poisson's law. `confidence` is a NatProfile's; what else lowers it makes the window wider, which costs little.
 */
export function windowFor(confidence: number): number {
  const others = (-Math.log(confidence) * sampleAgeMs) / defaults.natProbe.horizonMs
  let term = Math.exp(-others)
  let fewer = 0
  for (let size = 1; size < maxWindow; size += 1) {
    fewer += term
    if (size >= window && fewer > windowConfidence) return size
    term *= others / size
  }
  return maxWindow
}

/** The external port that lies so many deltas after another, of a NAT that begins anew at the other end of its ports. */
export function foretell(port: number, steps: number, delta: number): number {
  const low = port < lowPort ? 1 : lowPort
  const size = highPort - low + 1
  return ((((port - low + steps * delta) % size) + size) % size) + low
}

/** Ports outside the well-known ones, which NATs use (RFC 4787 REQ-3); some use all. */
const lowPort = 1_024
const highPort = 65_535

/**
 * Where to send when a peer's next mapping was foretold: there first, then around it. A counter has moved too far or not far enough, by
 * part of a window; elsewhere a port that is taken makes it one of the next.
 */
export function portsAround(aim: number, { allocation, delta }: Pick<NatSummary, 'allocation' | 'delta'>): readonly number[] {
  const step = allocation === 'sequential' ? Math.ceil(window / 2) * (delta || 1) : delta && allocation === 'dependent' ? delta : 1
  const steps = [0, -1, ...Array.from({ length: stepsBeyondAim }, (_, index) => index + 1)]
  return [...new Set(steps.map(one => foretell(aim, one, step)))]
}
