"""Finds out from inside what a NAT does, without knowing what it should. Standard library only.

    probe.py JSON

JSON: {"stun": [[ADDRESS, PORT] x 4], "near": [ADDRESS, PORT], "far": [ADDRESS, PORT], "seed": N}. The four are a STUN server's two addresses
with two ports each, address by address; `near` is a helper (helper.py) on the first address, `far` one on an address that no STUN server has.
Prints one JSON line: {"tcp": {…}, "udp": {…} or null where nothing comes back}. What can't be told from here is null.
"""

import json
import math
import os
import random
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from stun import ask_tcp, ask_udp, connect_and_ask, shared_socket

SAMPLES = 12
QUIET_S = 1.2  # longer than a SYN's first retransmission: what hasn't come by then is not coming
TIMES_S = (1.0, 3.5)  # idle times tried
HAIRPIN_S = 2.5
OTHERS_S = 1.0
MAX_STEP = 2_000


class Probe:
    def __init__(self, servers, near, far, seed):
        self.stun = [tuple(server) for server in servers]
        self.near = tuple(near)
        self.far = tuple(far)
        # Fresh ports per trial: a NAT remembers. Below the ephemeral ones.
        self.ports = iter(random.Random(seed).sample(range(10_000, 32_000, 40), 500))
        self.kept = []  # sockets that must live on

    def ask_helper(self, helper, request, timeout_s):
        with socket.create_connection(helper, timeout=timeout_s + 5) as sock, sock.makefile('rw') as lines:
            lines.write(json.dumps(request) + '\n')
            lines.flush()
            return json.loads(lines.readline())

    def dial_back(self, helper, protocol, endpoint, token=''):
        return self.ask_helper(helper, {'dial': protocol, 'to': endpoint, 'token': token, 'timeoutS': QUIET_S}, QUIET_S)['outcome']

    def external(self, protocol, port, server=0):
        """The external endpoint of a port towards a STUN server; what holds it stays open."""
        if protocol == 'udp':
            sock = shared_socket(socket.SOCK_DGRAM, port)
            endpoint = ask_udp(sock, self.stun[server])
        else:
            sock, endpoint = connect_and_ask(port, self.stun[server])
        self.kept.append(sock)
        return endpoint

    def mapping(self, protocol):
        port = next(self.ports)
        if protocol == 'udp':
            sock = shared_socket(socket.SOCK_DGRAM, port)
            self.kept.append(sock)
            first = ask_udp(sock, self.stun[0])
            if first is None:
                return None, None  # blocked
            endpoints = [first] + [ask_udp(sock, server) for server in self.stun[1:]]
        else:
            endpoints = [self.external(protocol, port, server) for server in range(4)]
        address = endpoints[0][0]
        if all(endpoint == (own_address(self.stun[0]), port) for endpoint in endpoints):
            return 'none', address
        if len(set(endpoints)) == 1:
            return 'EIM', address
        if endpoints[0] == endpoints[1] and endpoints[2] == endpoints[3]:
            return 'ADM', address
        return ('APDM' if len(set(endpoints)) == 4 else 'mixed'), address

    def allocation(self, protocol):
        """By the external ports of a run of local ports, one after the other, and of others far apart."""
        start = next(self.ports)
        run = [(port, self.external(protocol, port)[1]) for port in range(start, start + SAMPLES)]
        apart = [(port, self.external(protocol, port)[1]) for port in (next(self.ports) for _ in range(SAMPLES))]
        offsets = {external - port for port, external in run + apart}
        if len(offsets) == 1:
            offset = offsets.pop()
            return 'preserving' if offset == 0 else {'offset': offset}, None
        step, step_apart = step_of(run), step_of(apart)
        if step is not None and step_apart is not None:
            step = math.gcd(step, step_apart) * (1 if step > 0 else -1)
            return {'sequential': step}, self.others_per_s(protocol, step)
        if step is not None:
            return {'perPort': step}, None
        externals = [external for _, external in run + apart]
        return {'within': max(externals) - min(externals) + 1}, None

    def others_per_s(self, protocol, step):
        """How fast a sequence moves by itself."""
        before, began = self.external(protocol, next(self.ports))[1], time.monotonic()
        time.sleep(OTHERS_S)
        after = self.external(protocol, next(self.ports))[1]
        moved = (after - before) / step - 1
        return round(moved / (time.monotonic() - began), 1)

    def filtering(self, protocol):
        """Who may send to a port that one STUN endpoint was asked from; and what the others are answered."""
        port = next(self.ports)
        sock, endpoint, arrived = self.listen(protocol, port)
        outcome = self.dial_back(self.far, protocol, endpoint, 'far')
        if arrived('far'):
            return 'EIF', None
        self.dial_back(self.near, protocol, endpoint, 'near')
        return ('ADF' if arrived('near') else 'APDF'), outcome

    def listen(self, protocol, port):
        """Takes what comes to a port that has a mapping."""
        heard = set()
        endpoint = self.external(protocol, port)
        if protocol == 'udp':
            sock = self.kept[-1]
            sock.settimeout(None)
            receive = lambda: heard.add(sock.recv(100).decode())
        else:
            sock = shared_socket(socket.SOCK_STREAM, port)
            sock.listen(16)
            self.kept.append(sock)

            def receive():
                caller, _ = sock.accept()
                caller.settimeout(QUIET_S)
                heard.add(caller.recv(100).decode())
                self.kept.append(caller)

        threading.Thread(target=forever, args=(receive,), daemon=True).start()

        def arrived(token):
            for _ in range(20):
                if token in heard:
                    return True
                time.sleep(0.01)
            return False

        return sock, endpoint, arrived

    def unsolicited(self, protocol, address):
        """What a port that nobody uses answers."""
        unused = next(self.ports) + 20  # between those that are ever used, also where ports are preserved
        return self.dial_back(self.far, protocol, (address, unused))

    def hairpin(self, protocol, mapping):
        """Two ports that call each other's external endpoints, at the same time: so each filter has seen its own side ask."""
        if mapping == 'none':
            return None
        ports = [next(self.ports), next(self.ports)]
        ends = [self.listen(protocol, port) for port in ports]
        until = time.monotonic() + HAIRPIN_S
        [(first, first_endpoint, first_arrived), (second, second_endpoint, second_arrived)] = ends
        met = at_once({
            'first': lambda: call(protocol, first, ports[0], second_endpoint, until),
            'second': lambda: call(protocol, second, ports[1], first_endpoint, until),
        })
        if any(met.values()) or first_arrived('hairpin') or second_arrived('hairpin'):
            return True
        # Where each destination has a mapping of its own, nobody knows whom to let in.
        return False if mapping == 'EIM' else None

    def rst_ends_mapping(self, mapping):
        """Two connections of one mapping: one is reset, is the other still there?"""
        if mapping not in ('EIM', 'ADM', 'none'):
            return None
        port = next(self.ports)
        staying, _ = connect_and_ask(port, self.stun[0])
        leaving, _ = connect_and_ask(port, self.stun[1])
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        leaving.close()
        time.sleep(0.1)
        self.kept.append(staying)
        return ask_tcp(staying) is None

    def idle(self, protocol):
        """[longest idle time that was survived, shortest that was not], of those tried."""
        survived = at_once({after_s: lambda after_s=after_s: self.comes_back(protocol, after_s) for after_s in TIMES_S})
        return [max((after_s for after_s in TIMES_S if survived[after_s]), default=0), min((after_s for after_s in TIMES_S if not survived[after_s]), default=None)]

    def comes_back(self, protocol, after_s):
        request = {'answerAfterS': after_s}
        if protocol == 'tcp':
            try:
                return self.ask_helper(self.far, request, after_s - 4) == request
            except OSError:
                return False
        with shared_socket(socket.SOCK_DGRAM, next(self.ports)) as sock:
            sock.settimeout(after_s + 1)
            sock.sendto(json.dumps(request).encode(), self.far)
            try:
                return json.loads(sock.recv(2_000)) == request
            except TimeoutError:
                return False

    def quiet_trials(self, protocol):
        """What other mappings would disturb: one after the other."""
        mapping, address = self.mapping(protocol)
        if mapping is None:
            return None
        allocation, others_per_s = ('none', None) if mapping == 'none' else self.allocation(protocol)
        return {'mapping': mapping, 'external': address, 'allocation': allocation, 'othersPerS': others_per_s}

    def further_trials(self, protocol, quiet):
        found = at_once({
            'filtering': lambda: self.filtering(protocol),
            'unsolicited': lambda: self.unsolicited(protocol, quiet['external']),
            'hairpin': lambda: self.hairpin(protocol, quiet['mapping']),
            'rstEndsMapping': lambda: self.rst_ends_mapping(quiet['mapping']) if protocol == 'tcp' else None,
            'idleS': lambda: self.idle(protocol),
        })
        filtering, filtered = found.pop('filtering')
        return {**quiet, 'filtering': filtering, 'filtered': filtered, **found}

    def run(self):
        quiet = at_once({protocol: lambda protocol=protocol: self.quiet_trials(protocol) for protocol in ('tcp', 'udp')})
        return at_once({protocol: lambda protocol=protocol, found=found: found and self.further_trials(protocol, found) for protocol, found in quiet.items()})


def call(protocol, sock, port, endpoint, until):
    """Calls until then; True when both called each other at once, which ends in no listener."""
    while time.monotonic() < until:
        try:
            if protocol == 'udp':
                sock.sendto(b'hairpin', endpoint)
                time.sleep(0.2)
                continue
            with shared_socket(socket.SOCK_STREAM, port) as caller:
                caller.settimeout(max(0.1, until - time.monotonic()))
                caller.connect(endpoint)
                caller.sendall(b'hairpin')
                return caller.recv(100) == b'hairpin'
        except OSError:
            time.sleep(0.05)
    return False


def step_of(samples):
    """The distance of neighbours where they all go one way, others' mappings in between allowed for; None where there is no such rule."""
    steps = sorted(after - before for (_, before), (_, after) in zip(samples, samples[1:]))
    middle = steps[len(steps) // 2]
    steps.remove(max(steps, key=lambda step: abs(step - middle)))  # where the range begins anew
    if abs(middle) > MAX_STEP or steps[0] * steps[-1] <= 0:
        return None
    return math.gcd(*steps) * (1 if middle > 0 else -1)


def own_address(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(server)
        return sock.getsockname()[0]


def forever(receive):
    try:
        while True:
            receive()
    except OSError:
        pass


def at_once(trials):
    found, errors = {}, []

    def run(name, trial):
        try:
            found[name] = trial()
        except Exception as error:
            errors.append(f'{name}: {error!r}')

    threads = [threading.Thread(target=run, args=one) for one in trials.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise RuntimeError('; '.join(errors))
    return found


def main():
    spec = json.loads(sys.argv[1])
    probe = Probe(spec['stun'], spec['near'], spec['far'], spec['seed'])
    print(json.dumps(probe.run()), flush=True)
    os._exit(0)  # threads may still wait for what never comes


if __name__ == '__main__':
    main()
