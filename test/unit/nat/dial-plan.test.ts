import { describe, expect, it } from 'vitest'
import { planDials, type DialPlanInput, type OwnAddress } from '../../../src/nat/dial-plan.js'
import { formatEndpoint } from '../../../src/protocol/endpoint.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'

const own = (interfaceName: string, cidr: string): OwnAddress => {
  const address = cidr.split('/')[0] ?? ''
  return { interfaceName, address, cidr, family: address.includes(':') ? 6 : 4 }
}
const lan = own('eth0', '192.168.1.10/24')
const global6 = own('eth0', '2001:db8:1::10/64')
const uplink = own('wwan0', '10.64.0.7/30')

/** An endpoint a peer states as its local one. */
const at = (host: string, port = 7): InterfaceRecord => ({ family: host.includes(':') ? 6 : 4, local: { host, port } })

/** `scope remote [from source] [skip]`, in order. */
const plan = (interfaces: readonly InterfaceRecord[], rest: Partial<DialPlanInput> = {}): string[] =>
  planDials({ interfaces, own: [lan, global6], isSameMachine: false, mayDialPrivate: true, ...rest }).map(({ remote, scope, bind, skip }) =>
    [scope, formatEndpoint(remote), ...(bind === undefined ? [] : ['from', bind]), ...(skip === undefined ? [] : [skip])].join(' '))

describe('the order of dials', () => {
  it('is: on-link, external, private elsewhere, and last what is left out', () => {
    expect(plan([at('224.0.0.1'), at('10.9.9.9'), at('203.0.113.1'), at('192.168.1.20')])).toEqual([
      'local 192.168.1.20:7', 'external 203.0.113.1:7', 'external 10.9.9.9:7', 'external 224.0.0.1:7 ERR_DIAL_FORBIDDEN',
    ])
  })

  it('takes families in turns within external, IPv6 first', () => {
    expect(plan([at('203.0.113.1'), at('203.0.113.2'), at('203.0.113.3'), at('2001:db8:9::1'), at('2001:db8:9::2')])).toEqual([
      'external [2001:db8:9::1]:7', 'external 203.0.113.1:7', 'external [2001:db8:9::2]:7', 'external 203.0.113.2:7', 'external 203.0.113.3:7',
    ])
  })

  it('begins with loopback on the same machine, IPv4 first', () => {
    expect(plan([at('192.168.1.10'), at('2001:db8:1::10')], { isSameMachine: true })).toEqual([
      'local 127.0.0.1:7', 'local [::1]:7', 'local [2001:db8:1::10]:7', 'local 192.168.1.10:7',
    ])
  })

  it('tries each other uplink after every dial by the route table', () => {
    expect(plan([at('203.0.113.1'), at('10.9.9.9')], { own: [lan, uplink] })).toEqual([
      'external 203.0.113.1:7', 'external 10.9.9.9:7',
      'external 203.0.113.1:7 from 192.168.1.10', 'external 203.0.113.1:7 from 10.64.0.7', 'external 10.9.9.9:7 from 192.168.1.10', 'external 10.9.9.9:7 from 10.64.0.7',
    ])
  })

  it('takes one source per interface for uplinks', () => {
    const second = own('eth0', '192.168.2.10/24')
    expect(plan([at('203.0.113.1')], { own: [lan, second, uplink] })).toEqual(
      ['external 203.0.113.1:7', 'external 203.0.113.1:7 from 192.168.1.10', 'external 203.0.113.1:7 from 10.64.0.7'])
  })

  it('dials an on-link peer from each interface in its prefix', () => {
    const wifi = own('wlan0', '192.168.1.11/24')
    expect(plan([at('192.168.1.20')], { own: [lan, wifi] })).toEqual(['local 192.168.1.20:7 from 192.168.1.10', 'local 192.168.1.20:7 from 192.168.1.11'])
  })

  it('has each endpoint once, however often it is stated', () => {
    const stated: InterfaceRecord = { family: 4, local: { host: '203.0.113.1', port: 7 }, external: { host: '203.0.113.1', port: 7 } }
    expect(plan([stated, at('203.0.113.1')])).toEqual(['external 203.0.113.1:7'])
  })

  it('takes local and external endpoints of an interface', () => {
    const behindNat: InterfaceRecord = { family: 4, local: { host: '192.168.1.20', port: 7 }, external: { host: '203.0.113.1', port: 9 } }
    expect(plan([behindNat])).toEqual(['local 192.168.1.20:7', 'external 203.0.113.1:9'])
  })

  it('is empty for a peer without endpoints', () => {
    expect(plan([])).toEqual([])
  })
})

describe('the safety rules', () => {
  it('leave private endpoints off our links out for strangers', () => {
    expect(plan([at('10.9.9.9'), at('100.64.1.1'), at('fd00::1')], { mayDialPrivate: false }).every(line => line.endsWith('ERR_DIAL_FORBIDDEN'))).toBe(true)
  })

  it('let private endpoints on our links be dialled for strangers', () => {
    expect(plan([at('192.168.1.20')], { mayDialPrivate: false })).toEqual(['local 192.168.1.20:7'])
  })

  it('let external endpoints be dialled for strangers', () => {
    expect(plan([at('203.0.113.1')], { mayDialPrivate: false })).toEqual(['external 203.0.113.1:7'])
  })

  it.each(['127.0.0.1', '127.8.8.8', '::1'])('forbid %s without proof of the same machine, also for known peers', host => {
    expect(plan([at(host)])).toEqual([expect.stringMatching(/ERR_DIAL_FORBIDDEN$/)])
  })

  it('let loopback be dialled on the same machine, also for strangers', () => {
    expect(plan([at('127.0.0.1')], { isSameMachine: true, mayDialPrivate: false, own: [] })).toEqual(['local 127.0.0.1:7'])
  })

  it('forbid our own address when the peer is on another machine', () => {
    expect(plan([at('192.168.1.10')])).toEqual(['local 192.168.1.10:7 ERR_DIAL_FORBIDDEN'])
  })

  it.each(['0.0.0.0', '0.1.2.3', '224.0.0.1', '240.0.0.1', '255.255.255.255', '::', 'ff02::1', '64:ff9b::a00:1'])('forbid %s for everybody, on the same machine too', host => {
    expect(plan([at(host)], { isSameMachine: true })).toContain(`external ${formatEndpoint({ host, port: 7 })} ERR_DIAL_FORBIDDEN`)
  })

  it('forbid the broadcast address of our link', () => {
    expect(plan([at('192.168.1.255')])).toEqual(['external 192.168.1.255:7 ERR_DIAL_FORBIDDEN'])
  })

  it('do not take an equal external address for a LAN', () => {
    expect(plan([{ family: 4, local: { host: '10.9.9.9', port: 7 }, external: { host: '198.51.100.1', port: 9 } }], { mayDialPrivate: false }))
      .toEqual(['external 198.51.100.1:9', 'external 10.9.9.9:7 ERR_DIAL_FORBIDDEN'])
  })
})

describe('link-local endpoints', () => {
  const fe80 = own('eth0', 'fe80::10/64')
  const fe80Wifi = own('wlan0', 'fe80::20/64')

  it('are dialled once per link, with our own zone', () => {
    expect(plan([at('fe80::99')], { own: [fe80, fe80Wifi] })).toEqual(['local [fe80::99%eth0]:7', 'local [fe80::99%wlan0]:7'])
  })

  it('are dialled from our link-local address in IPv4', () => {
    expect(plan([at('169.254.3.3')], { own: [own('eth0', '169.254.1.1/16')] })).toEqual(['local 169.254.3.3:7 from 169.254.1.1'])
  })

  it('are left out where no link of ours has such addresses', () => {
    expect(plan([at('fe80::99'), at('169.254.3.3')])).toEqual([expect.stringMatching(/ERR_DIAL_UNREACHABLE$/), expect.stringMatching(/ERR_DIAL_UNREACHABLE$/)])
  })

  it('are no source for dials beyond the link', () => {
    expect(plan([at('2001:db8:9::1')], { own: [fe80] })).toEqual(['external [2001:db8:9::1]:7 ERR_DIAL_UNREACHABLE'])
  })
})

describe('without an interface', () => {
  it('of a family, its endpoints are unreachable', () => {
    expect(plan([at('2001:db8:9::1'), at('203.0.113.1')], { own: [lan] })).toEqual(['external 203.0.113.1:7', 'external [2001:db8:9::1]:7 ERR_DIAL_UNREACHABLE'])
  })

  it('at all, the same machine is still reached', () => {
    expect(plan([at('127.0.0.1'), at('203.0.113.1')], { own: [], isSameMachine: true })).toEqual(['local 127.0.0.1:7', 'external 203.0.113.1:7 ERR_DIAL_UNREACHABLE'])
  })
})
