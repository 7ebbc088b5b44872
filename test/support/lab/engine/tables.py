"""The memory of a NAT: mappings, who may use them, and when they end (RFC 4787, RFC 5382). One table per NAT and protocol."""

from allocation import allocator_of
from packets import ACK, FIN, RST, SYN

MAX_PEERS = 8_192  # of one mapping
OUT, IN = 1, 2  # directions, as bits


class UdpFlow:
    """What is remembered about one remote endpoint of a mapping."""

    __slots__ = ('deadline',)

    def see(self, direction, flags, now, rules):
        self.deadline = now + rules.idle_s


class TcpFlow:
    """The same for TCP: a connection. Simultaneous open is an opening like others: a SYN from each side."""

    __slots__ = ('deadline', 'syns', 'fins', 'is_reset')

    def __init__(self):
        self.syns = self.fins = 0
        self.is_reset = False

    def see(self, direction, flags, now, rules):
        is_over = self.is_reset or self.fins == OUT | IN
        if flags & RST:
            self.is_reset = True
        elif flags & SYN:
            if is_over:
                self.syns = self.fins = 0
                self.is_reset = False
            self.syns |= direction
        elif is_over:
            return  # stragglers keep nothing alive
        if flags & FIN:
            self.fins |= direction
        if self.is_reset or self.fins == OUT | IN:
            self.deadline = now + rules.closed_s
        elif self.fins or self.syns != OUT | IN:
            self.deadline = now + rules.transitory_s
        else:
            self.deadline = now + rules.established_s


class Mapping:
    __slots__ = ('key', 'host', 'local_port', 'port', 'flows', 'hosts', 'check_at')

    def __init__(self, key, host, local_port, port):
        self.key = key
        self.host = host
        self.local_port = local_port
        self.port = port
        self.flows = {}  # (remote address, remote port): flow, bounded by MAX_PEERS
        self.hosts = {}  # remote address: number of its flows
        self.check_at = float('inf')  # no flow ends before


class Rules:
    """What a protocol's spec says, under the names used here."""

    def __init__(self, spec):
        self.mapping = spec['mapping']
        self.filtering = spec['filtering']
        self.unsolicited = spec['unsolicited']
        self.hairpin = spec['hairpin']
        self.idle_s = spec.get('idleS')
        self.transitory_s = spec.get('transitoryS')
        self.established_s = spec.get('establishedS')
        self.closed_s = spec.get('closedS')
        self.rst_ends_mapping = spec.get('rstEndsMapping', False)


class Table:
    def __init__(self, spec, first, last, chance, is_tcp):
        self.rules = Rules(spec)
        self.is_tcp = is_tcp
        self.new_flow = TcpFlow if is_tcp else UdpFlow
        self.by_key = {}
        self.by_port = {}
        # Where a destination would get a mapping of its own, answers to who called must leave by the one that was called.
        self.by_caller = {}  # (host, local port, remote, remote port): mapping; as many as the flows that came in
        self.allocator = allocator_of(spec['allocation'], spec['othersPerS'], first, last, chance, self.is_free)

    def key_of(self, host, local_port, remote, remote_port):
        if self.rules.mapping == 'EIM':
            return host, local_port
        if self.rules.mapping == 'ADM':
            return host, local_port, remote
        return host, local_port, remote, remote_port

    def outbound(self, host, local_port, remote, remote_port, flags, now):
        """The mapping by which a packet leaves, made if need be; None when it may not."""
        mapping = self.mapped(host, local_port, remote, remote_port, now)
        # Only a SYN opens a connection: what else comes belongs to one that is forgotten.
        opens = not self.is_tcp or flags & (SYN | ACK | RST) == SYN
        if mapping is None:
            port = self.allocator.choose(host, local_port, now) if opens else None
            if port is None:
                return None
            key = self.key_of(host, local_port, remote, remote_port)
            mapping = self.by_key[key] = self.by_port[port] = Mapping(key, host, local_port, port)
        return mapping if self.pass_through(mapping, (remote, remote_port), OUT, flags, now, opens) else None

    def inbound(self, port, remote, remote_port, flags, now):
        """The mapping by which a packet may come in; None when there is none, or its filter says no."""
        mapping = self.alive(self.by_port.get(port), now)
        if mapping is None:
            return None
        peer = (remote, remote_port)
        filtering = self.rules.filtering
        if filtering == 'APDF' and peer not in mapping.flows or filtering == 'ADF' and remote not in mapping.hosts:
            return None
        opens = not self.is_tcp or flags & (SYN | ACK | RST) == SYN
        return mapping if self.pass_through(mapping, peer, IN, flags, now, opens) else None

    def mapped(self, host, local_port, remote, remote_port, now):
        """The mapping between these two, if there is one; nothing is refreshed."""
        called = self.alive(self.by_caller.get((host, local_port, remote, remote_port)), now)
        return called or self.alive(self.by_key.get(self.key_of(host, local_port, remote, remote_port)), now)

    def quoted(self, port, remote, remote_port, now):
        """The mapping of a packet that an ICMP error quotes; nothing is refreshed."""
        mapping = self.alive(self.by_port.get(port), now)
        return mapping if mapping is not None and (remote, remote_port) in mapping.flows else None

    def pass_through(self, mapping, peer, direction, flags, now, opens):
        flow = mapping.flows.get(peer)
        if flow is None:
            if not opens or len(mapping.flows) >= MAX_PEERS:
                return False
            flow = mapping.flows[peer] = self.new_flow()
            mapping.hosts[peer[0]] = mapping.hosts.get(peer[0], 0) + 1
            if direction == IN and self.rules.mapping != 'EIM':
                self.by_caller[(mapping.host, mapping.local_port, *peer)] = mapping
        flow.see(direction, flags, now, self.rules)
        if flow.deadline < mapping.check_at:
            mapping.check_at = flow.deadline
        if flags & RST and self.rules.rst_ends_mapping:
            self.end(mapping)
        return True

    def is_free(self, port, now):
        return self.alive(self.by_port.get(port), now) is None

    def alive(self, mapping, now):
        if mapping is None or now < mapping.check_at:
            return mapping
        for peer in [peer for peer, flow in mapping.flows.items() if flow.deadline <= now]:
            del mapping.flows[peer]
            self.forget_caller(mapping, peer)
            mapping.hosts[peer[0]] -= 1
            if mapping.hosts[peer[0]] == 0:
                del mapping.hosts[peer[0]]
        if not mapping.flows:
            self.end(mapping)
            return None
        mapping.check_at = min(flow.deadline for flow in mapping.flows.values())
        return mapping

    def end(self, mapping):
        del self.by_key[mapping.key]
        del self.by_port[mapping.port]
        for peer in mapping.flows:
            self.forget_caller(mapping, peer)

    def forget_caller(self, mapping, peer):
        caller = (mapping.host, mapping.local_port, *peer)
        if self.by_caller.get(caller) is mapping:
            del self.by_caller[caller]

    def sweep(self, now):
        for mapping in list(self.by_port.values()):
            self.alive(mapping, now)
