"""One NAT: frames in at one side, translated out at the other. Knows nothing of sockets; time is passed in, chance is seeded."""

import random

from packets import (
    ADMINISTRATIVELY_PROHIBITED, DESTINATION_UNREACHABLE, ECHO_REPLY, ECHO_REQUEST, ETHERNET, ICMP, ICMP_ERRORS, IP, IP_HEADER, PORTS, RST, TCP,
    TIME_EXCEEDED, U16, UDP, checksum, decrement_ttl, icmp_error_for, patch_checksum, replace_address, replace_endpoint, reset_for,
)
from tables import Table

MAX_FRAGMENTED = 256  # packets whose fragments are on their way
# Pings are told apart by their identifier, which is treated like a port (RFC 5508).
QUERIES = {'mapping': 'EIM', 'filtering': 'ADF', 'allocation': 'preserving', 'unsolicited': 'drop', 'hairpin': False, 'othersPerS': 0, 'idleS': 60}


def address_of(text):
    first, second, third, fourth = map(int, text.split('.'))
    return first << 24 | second << 16 | third << 8 | fourth


class Nat:
    """`send_inside(frame, size, mac)` and `send_outside(frame, size)` are its ways out. A frame is changed in place."""

    def __init__(self, spec, seed, send_inside, send_outside):
        self.external = address_of(spec['external'])
        self.gateway = address_of(spec['gateway'])
        self.network = self.gateway >> 8  # a /24
        self.send_inside = send_inside
        self.send_outside = send_outside
        self.macs = {}  # of the hosts inside, learnt from their frames; bounded by the network's 254
        self.fragmented = {}  # (source, destination, protocol, identification): how the first fragment was translated
        self.tables = {ICMP: Table(QUERIES, 0, 65_535, random.Random(seed), False)}
        for protocol, name in ((TCP, 'tcp'), (UDP, 'udp')):
            if spec[name] != 'blocked':
                self.tables[protocol] = Table(spec[name], *spec['ports'], random.Random(f'{seed} {name}'), protocol == TCP)

    def sweep(self, now):
        for table in self.tables.values():
            table.sweep(now)

    def from_inside(self, frame, size, now):
        head, total, identification, fragment, ttl, protocol, _, source, destination = IP_HEADER.unpack_from(frame, IP)
        if source >> 8 != self.network or destination >> 8 == self.network or destination >= 0xE0000000:
            return  # forged, of this network, or multicast
        self.macs[source] = bytes(frame[ETHERNET + 6:ETHERNET + 12])
        at, end = IP + (head & 15) * 4, IP + total
        if end > size:
            return
        if ttl <= 1:
            return self.answer_inside(source, icmp_error_for(frame, end, TIME_EXCEEDED, 0, self.gateway))
        if fragment & 0x1FFF:
            return self.later_fragment(frame, size, (source, destination, protocol, identification))
        if protocol == ICMP and frame[at] in ICMP_ERRORS:
            return self.error_from_inside(frame, size, at, end, source, now)
        table = self.tables.get(protocol)
        if table is None:
            return  # blocked, or nothing a NAT knows
        ports = self.ports_of(frame, protocol, at, end, ECHO_REQUEST)
        if ports is None:
            return
        port, remote_port = ports
        flags = frame[at + 13] if protocol == TCP else 0
        if destination == self.external and not table.rules.hairpin:
            return self.refuse(frame, protocol, at, end, table, lambda reply: self.answer_inside(source, reply))
        mapping = table.outbound(source, port, destination, remote_port, flags, now)
        if mapping is None:
            return
        decrement_ttl(frame)
        self.rewrite(frame, protocol, at, True, self.external, mapping.port, source, port)
        if fragment & 0x2000:
            self.remember_fragmented((source, destination, protocol, identification), (True, self.external, None))
        if destination == self.external:  # hairpin: comes in again as if from outside (RFC 4787 REQ-9)
            self.accept(frame, size, protocol, at, end, table, (self.external, mapping.port), remote_port, flags, now, lambda reply: None)
        else:
            self.send_outside(frame, size)

    def from_outside(self, frame, size, now):
        head, total, identification, fragment, ttl, protocol, _, source, destination = IP_HEADER.unpack_from(frame, IP)
        at, end = IP + (head & 15) * 4, IP + total
        if destination != self.external or end > size or ttl <= 1:
            return
        if fragment & 0x1FFF:
            return self.later_fragment(frame, size, (source, destination, protocol, identification))
        if protocol == ICMP and frame[at] in ICMP_ERRORS:
            return self.error_from_outside(frame, size, at, end, now)
        table = self.tables.get(protocol)
        if table is None:
            return
        ports = self.ports_of(frame, protocol, at, end, ECHO_REPLY)
        if ports is None:
            return
        remote_port, port = ports
        flags = frame[at + 13] if protocol == TCP else 0
        decrement_ttl(frame)
        mapping = self.accept(frame, size, protocol, at, end, table, (source, remote_port), port, flags, now, lambda reply: self.send_outside(reply, len(reply)))
        if mapping is not None and fragment & 0x2000:
            self.remember_fragmented((source, destination, protocol, identification), (False, mapping.host, self.macs[mapping.host]))

    def accept(self, frame, size, protocol, at, end, table, peer, port, flags, now, answer):
        """Lets a packet in that came to an external port, or answers it."""
        mapping = table.inbound(port, *peer, flags, now)
        if mapping is None:
            self.refuse(frame, protocol, at, end, table, answer)
            return None
        self.rewrite(frame, protocol, at, False, mapping.host, mapping.local_port, self.external, port)
        self.send_inside(frame, size, self.macs[mapping.host])
        return mapping

    def refuse(self, frame, protocol, at, end, table, answer):
        unsolicited = table.rules.unsolicited
        if protocol == TCP and frame[at + 13] & RST:
            return  # never an answer to an answer
        if unsolicited == 'rst' and protocol == TCP:
            answer(reset_for(frame, at, end))
        elif unsolicited == 'icmp':
            answer(icmp_error_for(frame, end, DESTINATION_UNREACHABLE, ADMINISTRATIVELY_PROHIBITED, self.external))

    def answer_inside(self, host, reply):
        self.send_inside(reply, len(reply), self.macs[host])

    def ports_of(self, frame, protocol, at, end, wanted_query):
        """Source and destination port; of a ping, its identifier twice. None where they are missing."""
        if protocol == ICMP:
            if end - at < 8 or frame[at] != wanted_query:
                return None
            identifier = U16.unpack_from(frame, at + 4)[0]
            return (identifier, 0) if wanted_query == ECHO_REQUEST else (0, identifier)
        if end - at < (20 if protocol == TCP else 8):
            return None
        return PORTS.unpack_from(frame, at)

    def rewrite(self, frame, protocol, at, is_source, address, port, old_address, old_port):
        if protocol == ICMP:
            U16.pack_into(frame, at + 4, port)
            patch_checksum(frame, at + 2, port - old_port)
            replace_address(frame, IP, is_source, address, old_address)
        else:
            replace_endpoint(frame, protocol, at, is_source, address, port, old_address, old_port)

    # Fragments after the first have no ports (RFC 4787 REQ-14; in order only).

    def remember_fragmented(self, key, translated):
        if len(self.fragmented) >= MAX_FRAGMENTED:
            del self.fragmented[next(iter(self.fragmented))]
        self.fragmented[key] = translated

    def later_fragment(self, frame, size, key):
        if key not in self.fragmented:
            return
        is_source, address, mac = self.fragmented[key]
        decrement_ttl(frame)
        replace_address(frame, IP, is_source, address, key[0] if is_source else key[1])
        if mac is None:
            self.send_outside(frame, size)
        else:
            self.send_inside(frame, size, mac)

    # ICMP errors quote a packet that went the other way, as it looked on the other side of us (RFC 5508).

    def quoted_packet(self, frame, at, end):
        """(start, ports' start, protocol, source, port, destination, port) of the quoted packet; None where it says too little."""
        ip = at + 8
        if end - ip < 28:
            return None
        head, _, _, fragment, _, protocol, _, source, destination = IP_HEADER.unpack_from(frame, ip)
        ports_at = ip + (head & 15) * 4
        if fragment & 0x1FFF or end - ports_at < 8 or protocol not in self.tables:
            return None
        if protocol == ICMP:
            identifier = U16.unpack_from(frame, ports_at + 4)[0]
            return ip, ports_at, protocol, source, identifier, destination, 0
        port, remote_port = PORTS.unpack_from(frame, ports_at)
        return ip, ports_at, protocol, source, port, destination, remote_port

    def error_from_outside(self, frame, size, at, end, now):
        quoted = self.quoted_packet(frame, at, end)
        if quoted is None or quoted[3] != self.external:
            return
        ip, ports_at, protocol, source, port, remote, remote_port = quoted
        mapping = self.tables[protocol].quoted(port, remote, remote_port, now)
        if mapping is None:
            return
        replace_address(frame, ip, True, mapping.host, source)
        U16.pack_into(frame, ports_at + (4 if protocol == ICMP else 0), mapping.local_port)
        self.send_error(frame, size, at, end, False, mapping.host, self.external)

    def error_from_inside(self, frame, size, at, end, sender, now):
        quoted = self.quoted_packet(frame, at, end)
        if quoted is None or quoted[2] == ICMP:
            return
        ip, ports_at, protocol, remote, remote_port, host, local_port = quoted
        mapping = self.tables[protocol].mapped(host, local_port, remote, remote_port, now)
        if mapping is None:
            return
        replace_address(frame, ip, False, self.external, host)
        U16.pack_into(frame, ports_at + 2, mapping.port)
        self.send_error(frame, size, at, end, True, self.external, sender)

    def send_error(self, frame, size, at, end, is_outbound, address, old_address):
        U16.pack_into(frame, at + 2, 0)
        U16.pack_into(frame, at + 2, checksum(frame[at:end]))
        decrement_ttl(frame)
        replace_address(frame, IP, is_outbound, address, old_address)
        if is_outbound:
            self.send_outside(frame, size)
        else:
            self.send_inside(frame, size, self.macs[address])
