"""Which external port a new mapping gets. One allocator per NAT and protocol."""


class Allocator:
    """`choose(host, local_port, now)` gives a free port, or None when there is none. `is_free(port, now)` is asked of the table."""

    def __init__(self, first, last, chance, is_free):
        self.first = first
        self.count = last - first + 1
        self.chance = chance
        self.is_free = is_free

    def wrap(self, port):
        return self.first + (port - self.first) % self.count

    def next_free(self, port, step, now):
        port = self.wrap(port)
        for _ in range(self.count):
            if self.is_free(port, now):
                return port
            port = self.wrap(port + step)
        return None

    def draw(self, now):
        return self.next_free(self.first + self.chance.randrange(self.count), 1, now)


class Offset(Allocator):
    """The local port plus a constant; port preservation (RFC 4787 section 4.2.1) is an offset of 0."""

    def __init__(self, *common, offset=0):
        super().__init__(*common)
        self.offset = offset

    def choose(self, host, local_port, now):
        return self.next_free(local_port + self.offset, 1, now)


class Sequential(Allocator):
    """The last port plus a delta, whoever asks; other hosts, which are not simulated otherwise, take some in between."""

    def __init__(self, *common, delta, others_per_s):
        super().__init__(*common)
        self.delta = delta
        self.last = self.first + self.chance.randrange(self.count)
        self.others_per_s = others_per_s
        self.next_other = None

    def choose(self, host, local_port, now):
        self.let_others_take(now)
        port = self.next_free(self.last + self.delta, self.delta, now)
        if port is not None:
            self.last = port
        return port

    def let_others_take(self, now):
        if not self.others_per_s:
            return
        if self.next_other is None:
            self.next_other = now
        while self.next_other <= now:  # a Poisson process
            self.last = self.wrap(self.last + self.delta)
            self.next_other += self.chance.expovariate(self.others_per_s)


class PerPort(Allocator):
    """The host's last port plus a delta where its local port follows on its last one, else a random jump."""

    def __init__(self, *common, delta):
        super().__init__(*common)
        self.delta = delta
        self.last = {}  # host: (local port, external port); bounded by the hosts inside

    def choose(self, host, local_port, now):
        last_local, last_external = self.last.get(host, (None, None))
        follows = last_local is not None and local_port == last_local + 1
        port = self.next_free(last_external + self.delta, self.delta, now) if follows else self.draw(now)
        if port is not None:
            self.last[host] = (local_port, port)
        return port


class Blocks(Allocator):
    """A block of ports for each host, more when it is used up (RFC 7422); at random within them."""

    def __init__(self, *common, size):
        super().__init__(*common)
        self.size = size
        self.of_host = {}  # host: first ports of its blocks
        self.left = list(range(self.first, self.first + self.count - size + 1, size))
        self.chance.shuffle(self.left)

    def choose(self, host, local_port, now):
        blocks = self.of_host.setdefault(host, [])
        for start in blocks:
            free = [port for port in range(start, start + self.size) if self.is_free(port, now)]
            if free:
                return self.chance.choice(free)
        if not self.left:
            return None
        blocks.append(self.left.pop())
        return blocks[-1] + self.chance.randrange(self.size)


class Random(Allocator):
    def choose(self, host, local_port, now):
        return self.draw(now)


def allocator_of(allocation, others_per_s, *common):
    if allocation == 'preserving':
        return Offset(*common)
    if allocation == 'random':
        return Random(*common)
    [(kind, amount)] = allocation.items()
    if kind == 'offset':
        return Offset(*common, offset=amount)
    if kind == 'sequential':
        return Sequential(*common, delta=amount, others_per_s=others_per_s)
    if kind == 'perPort':
        return PerPort(*common, delta=amount)
    if kind == 'block':
        return Blocks(*common, size=amount)
    raise ValueError(f'unknown allocation {allocation}')
