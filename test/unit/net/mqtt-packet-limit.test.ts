import fc from 'fast-check'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { MqttPacketLimit } from '../../../src/net/mqtt-packet-limit.js'

const publish = (bytes: number, messageId: number) =>
  mqttPacket.generate({ cmd: 'publish', topic: 'tl/1/x', payload: Buffer.alloc(bytes, messageId), qos: 1, messageId, dup: false, retain: false })
const cutting = (maxBodyBytes: number) => new MqttPacketLimit({ maxBodyBytes, cutsPublish: true })
const chunksOf = (bytes: Buffer, sizes: readonly number[]): Buffer[] => {
  const chunks: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

describe('MqttPacketLimit', () => {
  it('passes packets within the limit unchanged, however they are cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3_000), { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 }), (lengths, sizes) => {
        const stream = Buffer.concat(lengths.map((length, index) => publish(length, index + 1)))
        const limit = cutting(4_096)
        expect(Buffer.concat(chunksOf(stream, sizes).map(chunk => limit.push(chunk)))).toEqual(stream)
      }),
    )
  })

  it('cuts a long PUBLISH so that it still parses and what follows it is intact', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 70_000 }), fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 4 }), (length, sizes) => {
        const limit = cutting(512)
        const stream = Buffer.concat([publish(3, 1), publish(length, 2), publish(5, 3)])
        const packets: Packet[] = []
        const parser = mqttPacket.parser()
        parser.on('packet', packet => packets.push(packet))
        for (const chunk of chunksOf(stream, sizes)) {
          const passed = limit.push(chunk)
          if (passed.length > 0) parser.parse(Buffer.from(passed))
        }
        expect(packets.map(packet => [packet.messageId, packet.cmd === 'publish' ? packet.payload.length : -1])).toEqual([[1, 3], [2, 502], [3, 5]])
      }),
    )
  })

  it('refuses other long packets before their body comes', () => {
    expect(() => cutting(512).push(Uint8Array.of(0x90, 0xff, 0xff, 0xff, 0x7f))).toThrow(RangeError)
  })

  it('refuses a long PUBLISH where it may not be cut', () => {
    expect(() => new MqttPacketLimit({ maxBodyBytes: 512, cutsPublish: false }).push(publish(600, 1))).toThrow(RangeError)
  })

  it('refuses a length of more than four bytes', () => {
    expect(() => cutting(512).push(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff))).toThrow('more than four bytes')
  })
})
