"""NATs in user space, all those of a lab in one process, for what the kernel's can't do. Standard library only.

    nat-engine.py --ready WORD <SPEC.json

SPEC is a list of {namespace, inside, outside, outsideMac, gateway, external, tcp, udp, ports, seed}: a network namespace, its two
interfaces, the Ethernet address of the next hop outside, our address on the inside network (a /24) and the external one. Prints the word
once frames are taken. IPv4 only: the kernel must not forward it there, nor answer for the external address.
"""

import argparse
import gc
import json
import os
import select
import sys
import time

# -I leaves it out
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from nat import Nat
from packet_io import ETH_P_IP, MAX_FRAME_BYTES, enter_namespace, frames_lost, open_packet_socket
from packets import ETHERNET

READ_BATCH = 32  # frames taken from one interface before the others get their turn
RECEIVE_BUFFER_BYTES = 4 << 20
SWEEP_INTERVAL_S = 1.0


class Device:
    """One interface of a NAT."""

    def __init__(self, interface):
        self.sock = open_packet_socket(interface, ETH_P_IP, RECEIVE_BUFFER_BYTES)
        self.mac = self.sock.getsockname()[4]
        self.receive = None  # what takes its frames: (frame, size, now)
        self.unsent = 0

    def send(self, frame, size, mac):
        frame[ETHERNET:ETHERNET + 6] = mac
        frame[ETHERNET + 6:ETHERNET + 12] = self.mac
        try:
            self.sock.send(memoryview(frame)[:size])
        except OSError:  # full, or the other end is down: a NAT doesn't wait
            self.unsent += 1


def start_nat(spec):
    """Opens the interfaces of a NAT, and gives them and it."""
    enter_namespace(f'/run/netns/{spec["namespace"]}')
    inside, outside = Device(spec['inside']), Device(spec['outside'])
    next_hop = bytes.fromhex(spec['outsideMac'].replace(':', ''))
    nat = Nat(spec, spec['seed'], inside.send, lambda frame, size: outside.send(frame, size, next_hop))
    inside.receive, outside.receive = nat.from_inside, nat.from_outside
    return nat, {spec['namespace']: (inside, outside)}


def take(device, frame):
    for _ in range(READ_BATCH):
        try:
            size = device.sock.recv_into(frame)
        except BlockingIOError:
            return
        except OSError:  # the interface went down
            return
        device.receive(frame, size, time.monotonic())


def tell_losses(devices):
    for name, pair in devices.items():
        lost, unsent = sum(frames_lost(device.sock) for device in pair), sum(device.unsent for device in pair)
        if lost or unsent:
            print(f'nat-engine {name}: {lost} frames came too fast, {unsent} could not be sent', file=sys.stderr, flush=True)
        for device in pair:
            device.unsent = 0


def main():
    parser = argparse.ArgumentParser(description='Runs NATs between interfaces.')
    parser.add_argument('--ready', default='ready', help='printed when frames are taken')
    options = parser.parse_args()
    home = f'/proc/{os.getpid()}/ns/net'
    home_file = os.open(home, os.O_RDONLY)
    nats, devices = [], {}
    for spec in json.load(sys.stdin):
        nat, pair = start_nat(spec)
        nats.append(nat)
        devices.update(pair)
    enter_namespace(f'/proc/self/fd/{home_file}')  # where who ends the lab looks for it
    poll = select.epoll()
    by_file = {device.sock.fileno(): device for pair in devices.values() for device in pair}
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    print(options.ready, flush=True)
    frame = bytearray(MAX_FRAME_BYTES)
    gc.disable()  # no cycles here, and its pauses would be seen as jitter
    next_sweep = time.monotonic() + SWEEP_INTERVAL_S
    while True:
        for file, _ in poll.poll(SWEEP_INTERVAL_S):
            take(by_file[file], frame)
        now = time.monotonic()
        if now >= next_sweep:
            next_sweep = now + SWEEP_INTERVAL_S
            for nat in nats:
                nat.sweep(now)
            tell_losses(devices)


if __name__ == '__main__':
    main()
