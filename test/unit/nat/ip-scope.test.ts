import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ipScope, isBroadcastOf, isInPrefix, type IpScope } from '../../../src/nat/ip-scope.js'

/** The special ranges of the IANA registries, by what we make of them. */
const table: Readonly<Record<IpScope, readonly (readonly [string, string])[]>> = {
  loopback: [['127.0.0.1', '127/8'], ['127.255.255.254', 'end of 127/8'], ['::1', 'RFC 4291'], ['::1%lo', 'with a zone']],
  'link-local': [
    ['169.254.0.1', '169.254/16'], ['169.254.169.254', 'metadata services'], ['fe80::1', 'fe80::/10'], ['fe80::1%eth0', 'with a zone'], ['febf:ffff::1', 'end of fe80::/10'],
  ],
  private: [
    ['10.0.0.1', 'RFC 1918'], ['172.16.0.1', 'RFC 1918'], ['172.31.255.254', 'RFC 1918'], ['192.168.1.1', 'RFC 1918'],
    ['100.64.0.1', 'CGNAT'], ['100.127.255.254', 'end of CGNAT'], ['fc00::1', 'ULA'], ['fd12:3456::1', 'ULA'],
  ],
  external: [
    ['8.8.8.8', 'global'], ['100.128.0.1', 'after CGNAT'], ['172.32.0.1', 'after RFC 1918'], ['11.0.0.2', 'labs'], ['2606:4700::1111', 'global'],
    ['192.0.2.1', 'documentation'], ['198.51.100.1', 'documentation'], ['203.0.113.9', 'documentation'], ['2001:db8::1', 'documentation'],
    ['198.18.0.1', 'benchmark'], ['198.19.255.254', 'benchmark'], ['64:ff9b::808:808', 'NAT64 of a global address'],
  ],
  forbidden: [
    ['0.0.0.0', 'unspecified'], ['0.1.2.3', '0/8'], ['::', 'unspecified'], ['240.0.0.1', '240/4'], ['255.255.255.255', 'broadcast'],
    ['224.0.0.1', 'multicast'], ['239.255.255.250', 'multicast'], ['ff02::1', 'multicast'], ['ff0e::1', 'multicast'],
    ['192.0.0.8', 'dummy address, RFC 7600'], ['192.0.0.170', 'NAT64 discovery'], ['100::1', 'discard-only'], ['fec0::1', 'site-local, RFC 3879'],
    ['::ffff:1.2.3.4', 'mapped'], ['::ffff:127.0.0.1', 'mapped loopback'], ['::ffff:a00:1', 'mapped private'], ['::1.2.3.4', 'compatible'],
    ['64:ff9b::a00:1', 'NAT64 of a private address'], ['64:ff9b::7f00:1', 'NAT64 of loopback'], ['64:ff9b::c0a8:101', 'NAT64 of a private address'],
    ['64:ff9b:1::1', 'local NAT64'], ['2002:a00:1::1', '6to4 of a private address'], ['2002:808:808::1', '6to4'], ['2001:0:4136:e378::1', 'Teredo'],
    ['2001:2::1', 'benchmark, IPv6'], ['3fff::1', 'documentation, RFC 9637'], ['5f00::1', 'SRv6'], ['4000::1', 'unassigned'],
    ['localhost', 'a name'], ['', 'nothing'], ['1.2.3', 'a part'], ['127.1', 'a short form'], ['0x7f000001', 'a number'],
  ],
}

describe('ipScope', () => {
  for (const [scope, entries] of Object.entries(table)) {
    it.each(entries)(`calls %s (%s) ${scope}`, host => {
      expect(ipScope(host)).toBe(scope)
    })
  }

  it('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.ipV6().map(host => `${host}%eth0`)), text => {
      expect(Object.keys(table)).toContain(ipScope(text))
    }))
  })
})

describe('isInPrefix', () => {
  it.each([
    ['10.0.0.9', '10.0.0.2/24', true], ['10.0.1.9', '10.0.0.2/24', false], ['fd00::9', 'fd00::1/64', true], ['fd00:0:0:1::9', 'fd00::1/64', false],
    ['fe80::9%eth0', 'fe80::1/64', true], ['10.0.0.9', 'fd00::1/64', false], ['fd00::1', '10.0.0.2/24', false], ['1.2.3.4', '1.2.3.4/32', true],
  ])('of %s and %s is %s', (host, cidr, expected) => {
    expect(isInPrefix(host, cidr)).toBe(expected)
  })
})

describe('isBroadcastOf', () => {
  it.each([
    ['10.0.0.255', '10.0.0.2/24', true], ['10.0.0.254', '10.0.0.2/24', false], ['10.0.1.255', '10.0.0.2/23', true], ['10.0.0.255', '10.0.0.2/23', false],
    ['10.0.0.3', '10.0.0.2/31', false], ['10.0.0.2', '10.0.0.2/32', false], ['fd00::ffff:ffff:ffff:ffff', 'fd00::1/64', false],
  ])('of %s and %s is %s', (host, cidr, expected) => {
    expect(isBroadcastOf(host, cidr)).toBe(expected)
  })
})
