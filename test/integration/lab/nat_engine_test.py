"""The user-space NAT without a network: its tables with a clock of our own, its packets byte by byte. Run by nat-engine.test.ts."""

import os
import random
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../support/lab/engine'))

from allocation import allocator_of
from nat import Nat, address_of
from packets import ACK, ETHERNET, FIN, ICMP, IP, NEEDS_CSUM, RST, SYN, TCP, UDP, checksum, frame_of
from tables import Table

HOST, OTHER, REMOTE, STRANGER, EXTERNAL = map(address_of, ('10.1.0.2', '10.1.0.3', '198.51.100.2', '198.51.100.6', '198.51.100.10'))
UDP_SPEC = {'mapping': 'EIM', 'filtering': 'APDF', 'allocation': 'preserving', 'unsolicited': 'drop', 'hairpin': False, 'othersPerS': 0, 'idleS': 120}
TCP_SPEC = {**UDP_SPEC, 'rstEndsMapping': False, 'transitoryS': 240, 'establishedS': 7_440, 'closedS': 10}


def table(is_tcp=True, **changes):
    spec = {**(TCP_SPEC if is_tcp else UDP_SPEC), **changes}
    return Table(spec, 1024, 65_535, random.Random(1), is_tcp)


def is_sound(data):
    """Whether the checksum in it is right: 0, of which ones' complement has two."""
    return checksum(data) in (0, 0xFFFF)


class Allocation(unittest.TestCase):
    def ports(self, allocation, asked, first=1024, last=65_535, others_per_s=0, seed=1, interval_s=0):
        taken = set()
        allocator = allocator_of(allocation, others_per_s, first, last, random.Random(seed), lambda port, now: port not in taken)
        given = []
        for count, (host, port) in enumerate(asked):
            given.append(allocator.choose(host, port, count * interval_s))
            taken.add(given[-1])
        return given

    def run_of(self, count, start=5_000, host=HOST):
        return [(host, start + at) for at in range(count)]

    def test_preserving_gives_the_next_free_port_where_the_local_one_is_taken(self):
        self.assertEqual(self.ports('preserving', [(HOST, 5_000), (OTHER, 5_000), (OTHER, 5_001), (OTHER, 80)]), [5_000, 5_001, 5_002, 64_592])

    def test_offset_wraps_within_the_range(self):
        self.assertEqual(self.ports({'offset': 1_000}, [(HOST, 5_000), (HOST, 65_000)]), [6_000, 1_024 + 464])

    def test_sequences_go_either_way_and_wrap(self):
        for delta in (1, 2, -1, -3):
            given = self.ports({'sequential': delta}, self.run_of(30), 1_024, 1_123)
            self.assertEqual({(after - before) % 100 for before, after in zip(given, given[1:])}, {delta % 100})

    def test_a_sequence_skips_what_is_taken(self):
        taken = {2_002}
        allocator = allocator_of({'sequential': 1}, 0, 1_024, 65_535, random.Random(1), lambda port, now: port not in taken)
        allocator.last = 2_000
        self.assertEqual([allocator.choose(HOST, 1, 0), allocator.choose(HOST, 1, 0)], [2_001, 2_003])

    def test_others_move_a_sequence_at_their_rate(self):
        given = self.ports({'sequential': 1}, self.run_of(101), others_per_s=50, interval_s=0.1)
        self.assertAlmostEqual(given[-1] - given[0] - 100, 500, delta=100)

    def test_per_port_follows_the_local_port_and_jumps_else(self):
        given = self.ports({'perPort': -2}, [(HOST, 5_000), (HOST, 5_001), (OTHER, 9_000), (HOST, 5_002), (HOST, 7_000), (HOST, 7_001)])
        self.assertEqual([given[1] - given[0], given[3] - given[1], given[5] - given[4]], [-2, -2, -2])
        self.assertGreater(abs(given[4] - given[3]), 2)

    def test_blocks_are_of_one_host_and_followed_by_another_when_full(self):
        given = self.ports({'block': 8}, self.run_of(8) + self.run_of(8, host=OTHER) + self.run_of(8, 6_000))
        first, second, third = (set(port // 8 for port in part) for part in (given[:8], given[8:16], given[16:]))
        self.assertEqual([len(first), len(second), len(third), len(first | second | third)], [1, 1, 1, 3])

    def test_gives_none_when_all_ports_are_taken(self):
        for allocation in ('preserving', 'random', {'sequential': 3}, {'perPort': 1}, {'block': 4}, {'offset': 7}):
            given = self.ports(allocation, self.run_of(17), 2_000, 2_015)
            self.assertEqual((sorted(given[:16]), given[16]), (list(range(2_000, 2_016)), None), allocation)

    def test_a_seed_repeats_itself(self):
        for allocation in ('random', {'sequential': 1}, {'perPort': 1}, {'block': 64}):
            self.assertEqual(self.ports(allocation, self.run_of(20)), self.ports(allocation, self.run_of(20)))
            self.assertNotEqual(self.ports(allocation, self.run_of(20)), self.ports(allocation, self.run_of(20), seed=2))


class Memory(unittest.TestCase):
    def open_connection(self, nat, now=0.0, local_port=5_000, remote=REMOTE):
        mapping = nat.outbound(HOST, local_port, remote, 80, SYN, now)
        nat.inbound(mapping.port, remote, 80, SYN | ACK, now)
        nat.outbound(HOST, local_port, remote, 80, ACK, now)
        return mapping.port

    def lives(self, nat, port, now, remote=REMOTE):
        return nat.quoted(port, remote, 80, now) is not None

    def test_udp_is_forgotten_when_idle_and_refreshed_by_both_sides(self):
        nat = table(is_tcp=False)
        port = nat.outbound(HOST, 5_000, REMOTE, 53, 0, 0).port
        self.assertIsNotNone(nat.inbound(port, REMOTE, 53, 0, 119))
        self.assertIsNotNone(nat.inbound(port, REMOTE, 53, 0, 238))
        self.assertIsNone(nat.inbound(port, REMOTE, 53, 0, 358))
        self.assertEqual(nat.by_port, {})

    def test_an_opening_an_open_and_a_closed_connection_have_times_of_their_own(self):
        opening, opened, reset, finished = table(), table(), table(), table()
        port = opening.outbound(HOST, 5_000, REMOTE, 80, SYN, 0).port
        self.assertEqual([self.lives(opening, port, now) for now in (239, 240)], [True, False])
        self.open_connection(opened)
        self.assertEqual([self.lives(opened, port, now) for now in (7_439, 7_440)], [True, False])
        self.open_connection(reset)
        reset.inbound(port, REMOTE, 80, RST, 100)
        self.assertEqual([self.lives(reset, port, now) for now in (109, 110)], [True, False])
        self.open_connection(finished)
        finished.outbound(HOST, 5_000, REMOTE, 80, FIN | ACK, 100)
        self.assertTrue(self.lives(finished, port, 339))
        finished.inbound(port, REMOTE, 80, FIN | ACK, 339)
        finished.outbound(HOST, 5_000, REMOTE, 80, ACK, 348)
        self.assertEqual([self.lives(finished, port, now) for now in (348.9, 349)], [True, False])

    def test_a_simultaneous_open_is_an_open_connection(self):
        nat = table()
        port = nat.outbound(HOST, 5_000, REMOTE, 80, SYN, 0).port
        self.assertIsNotNone(nat.inbound(port, REMOTE, 80, SYN, 1))
        self.assertIsNotNone(nat.outbound(HOST, 5_000, REMOTE, 80, SYN | ACK, 1))
        self.assertTrue(self.lives(nat, port, 7_000))

    def test_a_syn_opens_again_what_was_reset(self):
        nat = table(allocation='random')
        port = self.open_connection(nat)
        nat.inbound(port, REMOTE, 80, RST, 1)
        self.assertEqual(nat.outbound(HOST, 5_000, REMOTE, 80, SYN, 5).port, port)
        self.assertTrue(self.lives(nat, port, 200))

    def test_a_reset_ends_the_whole_mapping_only_where_it_should(self):
        for fragile in (False, True):
            nat = table(rstEndsMapping=fragile, mapping='EIM')
            port = self.open_connection(nat)
            self.open_connection(nat, remote=STRANGER)
            nat.outbound(HOST, 5_000, STRANGER, 80, RST, 1)
            self.assertEqual(nat.outbound(HOST, 5_000, REMOTE, 80, ACK, 2) is None, fragile)
            self.assertEqual(self.lives(nat, port, 2), not fragile)

    def test_only_a_syn_opens(self):
        nat = table(filtering='EIF')
        for flags in (ACK, SYN | ACK, FIN | ACK, RST):
            self.assertIsNone(nat.outbound(HOST, 5_000, REMOTE, 80, flags, 0))
        port = nat.outbound(HOST, 5_000, REMOTE, 80, SYN, 0).port
        for flags in (ACK, SYN | ACK, FIN | ACK, RST):
            self.assertIsNone(nat.inbound(port, STRANGER, 80, flags, 0))
        self.assertIsNotNone(nat.inbound(port, STRANGER, 80, SYN, 0))

    def test_filters_know_whom_a_port_sent_to(self):
        allowed = {'EIF': [True, True, True], 'ADF': [True, True, False], 'APDF': [True, False, False]}
        for filtering, expected in allowed.items():
            nat = table(is_tcp=False, filtering=filtering)
            port = nat.outbound(HOST, 5_000, REMOTE, 53, 0, 0).port
            self.assertEqual([nat.inbound(port, *peer, 0, 1) is not None for peer in ((REMOTE, 53), (REMOTE, 54), (STRANGER, 53))], expected)

    def test_what_answers_a_caller_leaves_by_the_port_that_was_called(self):
        nat = table(mapping='APDM', filtering='EIF', allocation='random')
        called = nat.outbound(HOST, 5_000, REMOTE, 80, SYN, 0).port
        nat.inbound(called, STRANGER, 99, SYN, 1)
        self.assertEqual(nat.outbound(HOST, 5_000, STRANGER, 99, SYN | ACK, 1).port, called)
        self.assertNotEqual(nat.outbound(HOST, 5_000, STRANGER, 98, SYN, 1).port, called)
        nat.sweep(10_000)
        self.assertEqual((nat.by_port, nat.by_key, nat.by_caller), ({}, {}, {}))

    def test_many_flows_leave_nothing_behind(self):
        nat, chance = table(mapping='ADM', filtering='ADF', allocation={'sequential': 1}), random.Random(3)
        for step in range(20_000):
            flags = chance.choice((SYN, SYN, ACK, FIN | ACK, RST))
            if chance.random() < 0.5:
                nat.outbound(HOST, chance.randrange(5_000, 5_050), REMOTE + chance.randrange(4), 80, flags, step / 10)
            elif nat.by_port:
                nat.inbound(chance.choice(list(nat.by_port)), REMOTE + chance.randrange(4), 80, flags, step / 10)
            if step % 100 == 0:
                nat.sweep(step / 10)
        nat.sweep(100_000)
        self.assertEqual((nat.by_port, nat.by_key, nat.by_caller), ({}, {}, {}))


class Packets(unittest.TestCase):
    def setUp(self):
        self.inside, self.outside = [], []

    def nat(self, tcp=None, udp=None):
        spec = {'external': '198.51.100.10', 'gateway': '10.1.0.1', 'ports': [1024, 65_535], 'tcp': {**TCP_SPEC, **(tcp or {})}, 'udp': {**UDP_SPEC, **(udp or {})}}
        return Nat(spec, 1, lambda frame, size, mac: self.inside.append(bytes(frame[:size])), lambda frame, size: self.outside.append(bytes(frame[:size])))

    def udp(self, source, port, destination, remote_port, payload=b'hello'):
        datagram = bytearray(struct.pack('!HHHH', port, remote_port, 8 + len(payload), 0) + payload)
        struct.pack_into('!H', datagram, 6, checksum(struct.pack('!IIxBH', source, destination, UDP, len(datagram)) + datagram))
        return frame_of(UDP, source, destination, datagram)

    def tcp(self, source, port, destination, remote_port, flags, payload=b''):
        segment = bytearray(struct.pack('!HHIIBBHHH', port, remote_port, 1_000, 2_000, 5 << 4, flags, 0, 0, 0) + payload)
        struct.pack_into('!H', segment, 16, checksum(struct.pack('!IIxBH', source, destination, TCP, len(segment)) + segment))
        return frame_of(TCP, source, destination, segment)

    def assert_sound(self, frame):
        """All checksums of a packet, found anew."""
        self.assertTrue(is_sound(frame[IP:IP + 20]))
        protocol, source, destination = frame[IP + 9], *struct.unpack_from('!II', frame, IP + 12)
        rest = frame[IP + 20:]
        pseudo = b'' if protocol == ICMP else struct.pack('!IIxBH', source, destination, protocol, len(rest))
        self.assertTrue(is_sound(pseudo + rest))
        if protocol == ICMP and rest[0] in (3, 11):
            self.assertTrue(is_sound(rest[8:28]))
        return source, destination, *struct.unpack_from('!HH', rest)

    def through(self, nat, frame, way, now=0.0):
        (nat.from_inside if way == 'out' else nat.from_outside)(frame, len(frame), now)

    def test_checksums_are_right_both_ways(self):
        chance = random.Random(5)
        nat = self.nat(tcp={'allocation': 'random'}, udp={'allocation': 'random'})
        for _ in range(500):
            port, remote, payload = chance.randrange(1, 65_536), chance.randrange(1 << 24, 0xDF000000), chance.randbytes(chance.randrange(50))
            make = chance.choice((self.udp, lambda *ends: self.tcp(*ends[:4], SYN, ends[4])))
            self.through(nat, make(HOST, port, remote, 80, payload), 'out')
            source, destination, external_port, remote_port = self.assert_sound(self.outside.pop())
            self.assertEqual((source, destination, remote_port), (EXTERNAL, remote, 80))
            self.through(nat, make(remote, 80, EXTERNAL, external_port, payload), 'in')
            self.assertEqual(self.assert_sound(self.inside.pop()), (remote, HOST, 80, port))

    def test_an_unfinished_checksum_stays_the_sum_of_the_pseudo_header(self):
        frame = self.tcp(HOST, 5_000, REMOTE, 80, SYN, b'x' * 1_000)
        frame[0] = NEEDS_CSUM
        pseudo = lambda source: ~checksum(struct.pack('!IIxBH', source, REMOTE, TCP, 1_020)) & 0xFFFF
        struct.pack_into('!H', frame, IP + 20 + 16, pseudo(HOST))
        self.through(self.nat(), frame, 'out')
        self.assertEqual(struct.unpack_from('!H', self.outside[0], IP + 20 + 16)[0], pseudo(EXTERNAL))

    def test_a_udp_checksum_of_zero_stays_none(self):
        frame = self.udp(HOST, 5_000, REMOTE, 80)
        struct.pack_into('!H', frame, IP + 26, 0)
        self.through(self.nat(), frame, 'out')
        self.assertEqual(self.outside[0][IP + 26:IP + 28], b'\0\0')

    def test_a_stranger_is_answered_as_configured(self):
        for answer, expected in (('drop', None), ('rst', TCP), ('icmp', ICMP)):
            self.outside.clear()
            nat = self.nat(tcp={'unsolicited': answer})
            for flags in (SYN, RST, RST | ACK):
                self.through(nat, self.tcp(STRANGER, 99, EXTERNAL, 5_000, flags), 'in')
            self.assertEqual([frame[IP + 9] for frame in self.outside], [] if expected is None else [expected])
            for frame in self.outside:
                source, destination, *_ = self.assert_sound(frame)
                self.assertEqual((source, destination), (EXTERNAL, STRANGER))
            if expected == TCP:  # RST of a SYN acknowledges it
                self.assertEqual(struct.unpack_from('!IIBB', self.outside[0], IP + 24), (0, 1_001, 5 << 4, RST | ACK))
            if expected == ICMP:
                self.assertEqual(self.outside[0][IP + 20:IP + 22], b'\x03\x0d')

    def test_a_hairpin_shows_the_external_endpoint(self):
        nat = self.nat(udp={'hairpin': True, 'filtering': 'EIF', 'allocation': {'offset': 100}})
        self.through(nat, self.udp(HOST, 5_000, REMOTE, 80), 'out')
        self.through(nat, self.udp(OTHER, 6_000, EXTERNAL, 5_100), 'out')
        self.assertEqual(self.assert_sound(self.inside[0]), (EXTERNAL, HOST, 6_100, 5_000))
        self.inside.clear()
        self.through(self.nat(), self.udp(OTHER, 6_000, EXTERNAL, 5_000), 'out')
        self.assertEqual(self.inside, [])

    def test_icmp_errors_reach_who_sent_the_packet(self):
        nat = self.nat(udp={'allocation': {'offset': 100}})
        self.through(nat, self.udp(HOST, 5_000, REMOTE, 80), 'out')
        sent = self.outside.pop()
        error = bytearray(struct.pack('!BBHI', 3, 3, 0, 0) + sent[IP:IP + 28])
        struct.pack_into('!H', error, 2, checksum(error))
        self.through(nat, frame_of(ICMP, STRANGER, EXTERNAL, error), 'in')
        received = self.inside.pop()
        self.assertEqual(self.assert_sound(received)[:2], (STRANGER, HOST))
        self.assertEqual(struct.unpack_from('!II', received, IP + 28 + 12) + struct.unpack_from('!HH', received, IP + 48), (HOST, REMOTE, 5_000, 80))

    def test_icmp_errors_from_inside_hide_the_inside(self):
        nat = self.nat(udp={'allocation': {'offset': 100}})
        self.through(nat, self.udp(HOST, 5_000, REMOTE, 80), 'out')
        self.through(nat, self.udp(REMOTE, 80, EXTERNAL, 5_100), 'in')
        error = bytearray(struct.pack('!BBHI', 3, 3, 0, 0) + self.inside.pop()[IP:IP + 28])
        struct.pack_into('!H', error, 2, checksum(error))
        self.outside.clear()
        self.through(nat, frame_of(ICMP, HOST, REMOTE, error), 'out')
        sent = self.outside.pop()
        self.assertEqual(self.assert_sound(sent)[:2], (EXTERNAL, REMOTE))
        self.assertEqual(struct.unpack_from('!II', sent, IP + 28 + 12) + struct.unpack_from('!HH', sent, IP + 48), (REMOTE, EXTERNAL, 80, 5_100))

    def test_later_fragments_follow_the_first(self):
        nat = self.nat(udp={'allocation': {'offset': 100}})
        first, later = self.udp(HOST, 5_000, REMOTE, 80), frame_of(UDP, HOST, REMOTE, b'the rest')
        for frame, fragment in ((later, 0x0002), (first, 0x2000), (bytearray(later), 0x0002)):
            struct.pack_into('!HH', frame, IP + 4, 77, fragment)
            struct.pack_into('!H', frame, IP + 10, 0)
            struct.pack_into('!H', frame, IP + 10, checksum(frame[IP:IP + 20]))
            if frame is first:
                self.assertEqual(self.outside, [])  # nobody knows yet whose it is
            self.through(nat, frame, 'out')
        self.assertEqual([frame[IP + 20:] for frame in self.outside][1], b'the rest')
        self.assertEqual([(is_sound(frame[IP:IP + 20]), struct.unpack_from('!I', frame, IP + 12)[0]) for frame in self.outside], [(True, EXTERNAL)] * 2)

    def test_a_packet_that_has_gone_far_enough_is_told_so(self):
        frame = self.udp(HOST, 5_000, REMOTE, 80)
        frame[IP + 8] = 1
        struct.pack_into('!H', frame, IP + 10, 0)
        struct.pack_into('!H', frame, IP + 10, checksum(frame[IP:IP + 20]))
        self.through(self.nat(), frame, 'out')
        self.assertEqual(self.outside, [])
        self.assertEqual(self.inside[0][IP + 20], 11)
        self.assertEqual(self.assert_sound(self.inside[0])[:2], (address_of('10.1.0.1'), HOST))

    def test_garbage_does_no_harm(self):
        chance, nat = random.Random(9), self.nat(tcp={'filtering': 'EIF', 'unsolicited': 'rst', 'hairpin': True}, udp={'unsolicited': 'icmp'})
        kept = []
        for _ in range(20_000):
            if len(kept) < 50 or chance.random() < 0.1:
                ends = chance.choice(((HOST, 5_000, REMOTE, 80), (REMOTE, 80, EXTERNAL, 5_000), (HOST, 5_001, EXTERNAL, 5_000)))
                frame = chance.choice((self.udp(*ends), self.tcp(*ends, chance.randrange(64), chance.randbytes(9))))
                kept.append(bytes(frame))
            frame = bytearray(chance.choice(kept))
            for _ in range(chance.randrange(4)):
                frame[chance.randrange(IP, len(frame))] = chance.randrange(256)
            size = chance.randrange(IP + 20, len(frame) + 1) if chance.random() < 0.2 else len(frame)
            buffer = bytearray(2_000)
            buffer[:size] = frame[:size]
            buffer[IP] = 0x45 if chance.random() < 0.9 else buffer[IP]
            chance.choice((nat.from_inside, nat.from_outside))(buffer, size, chance.random() * 1_000)
        self.assertLessEqual(len(nat.fragmented), 256)
        self.assertEqual(struct.unpack_from('!H', bytes(buffer), ETHERNET)[0], 0)


if __name__ == '__main__':
    unittest.main()
