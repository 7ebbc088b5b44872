import { describe, expect, it } from 'vitest'
import { compatibility, pairOutcome, peerKinds, type NatTraits } from '../../../src/nat/nat-compatibility.js'

const traits = (name: string): NatTraits => peerKinds.find(kind => kind.name === name)!.traits

/** Punch and method against each kind of peer, easiest first. */
const punches = (ours: NatTraits) => compatibility(ours).map(({ punch, method }) => `${punch} ${method ?? '-'}`)

describe('what works between two networks', () => {
  it('needs no prediction where both keep their mapping', () => {
    expect(punches(traits('port restricted')).slice(0, 5)).toEqual(Array(5).fill('yes mapping'))
  })

  it('is listening, prediction or birthday against a side that maps per destination', () => {
    expect(punches(traits('restricted')).slice(5)).toEqual(['yes listen', 'yes listen'])
    expect(punches(traits('port restricted')).slice(5)).toEqual(['likely predicted', 'likely birthday'])
  })

  it('is a relay only between two sides with random ports per destination, or one of these and a counter behind a strict filter', () => {
    const random = traits('symmetric, random')
    expect(compatibility(random).filter(({ needsRelay }) => needsRelay).map(({ peer }) => peer)).toEqual(['symmetric, predictable', 'symmetric, random'])
    expect(pairOutcome(random, { ...traits('symmetric, predictable'), filtering: 'address-dependent' })).toMatchObject({ punch: 'likely', method: 'predicted' })
    expect(pairOutcome(random, { ...traits('symmetric, predictable'), mapping: 'address-dependent' })).toMatchObject({ punch: 'likely', method: 'birthday' })
  })

  it('is prediction where both count', () => {
    expect(pairOutcome(traits('symmetric, predictable'), traits('symmetric, predictable'))).toMatchObject({ punch: 'likely', method: 'predicted' })
  })

  it('is direct towards an open peer, reverse from one, and no firewall is one', () => {
    expect(compatibility(traits('full cone')).map(({ direct }) => direct)).toEqual(['yes', 'no', 'no', 'no', 'no', 'no', 'no'])
    expect(compatibility(traits('open internet')).map(({ reverse }) => reverse)).toEqual(Array(7).fill('yes'))
  })

  it('is listening behind a NAT whose every mapping lets everybody in, whatever the peer has', () => {
    expect(punches({ ...traits('symmetric, random'), filtering: 'endpoint-independent' })).toEqual(Array(7).fill('yes listen'))
  })

  it('is not known between random ports and a counter whose filter nobody knows', () => {
    expect(pairOutcome(traits('symmetric, random'), { ...traits('symmetric, predictable'), filtering: 'unknown' })).toMatchObject({ punch: 'unknown', method: 'predicted', needsRelay: false })
  })

  it('is tried where nothing is known', () => {
    const unknown: NatTraits = { mapping: 'unknown', filtering: 'unknown', allocation: 'unknown' }
    expect(compatibility(unknown).map(({ punch, needsRelay }) => [punch, needsRelay])).toEqual(Array(7).fill(['unknown', false]))
  })

  it('is the same from both sides', () => {
    for (const { traits: a } of peerKinds) {
      for (const { traits: b } of peerKinds) {
        const [there, back] = [pairOutcome(a, b), pairOutcome(b, a)]
        expect({ ...back, direct: back.reverse, reverse: back.direct }).toEqual(there)
      }
    }
  })
})
