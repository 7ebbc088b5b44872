"""Joins pairs of network interfaces of one namespace like cables: each frame that arrives on one leaves by the other after a delay, in
order, or is lost. For kernels without `tc netem`. Standard library only.

    wires.py --ready WORD JSON

JSON is a list of {ends: [IFACE, IFACE], delayMs, jitterMs, loss, seed}, each figure a pair: from the first end to the second, and back.
Prints the word once frames are taken. Lost frames that nobody asked to lose are told on stderr.
"""

import argparse
import collections
import gc
import json
import os
import random
import select
import sys
import time

# -I leaves it out
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from packet_io import ETH_P_ALL, MAX_FRAME_BYTES, frames_lost, open_packet_socket

READ_BATCH = 64  # frames taken from one side before the other side and the due frames get their turn
RECEIVE_BUFFER_BYTES = 32 << 20
MAX_QUEUED_BYTES = 64 << 20  # per direction; 20 ms at 10 Gbit/s are 25 MB
STATISTICS_INTERVAL_S = 1.0


class Direction:
    """Frames on their way from one socket to the other. They keep their order, so the first in is the first due: a deque, no heap."""

    def __init__(self, source, target, delay_ms, jitter_ms, loss, seed):
        self.source = source
        self.target = target
        self.label = f'{source.getsockname()[0]} -> {target.getsockname()[0]}'
        self.delay_s = delay_ms / 1000
        self.jitter_s = jitter_ms / 1000
        self.loss = loss
        self.chance = random.Random(seed).random  # of its own: what goes one way doesn't change what is lost the other way
        self.queue = collections.deque()  # (due, frame), bounded by MAX_QUEUED_BYTES
        self.queued_bytes = 0
        self.last_due = 0.0
        self.dropped = 0

    def take(self):
        receive = self.source.recv
        append = self.queue.append
        for _ in range(READ_BATCH):
            try:
                frame = receive(MAX_FRAME_BYTES)
            except BlockingIOError:
                return
            if self.loss and self.chance() < self.loss:
                continue
            if self.queued_bytes + len(frame) > MAX_QUEUED_BYTES:
                self.dropped += 1
                continue
            self.queued_bytes += len(frame)
            due = time.monotonic() + self.delay_s
            if self.jitter_s:
                due = self.last_due = max(self.last_due, due + self.jitter_s * self.chance())
            append((due, frame))

    def release(self, now):
        queue = self.queue
        send = self.target.send
        while queue and queue[0][0] <= now:
            frame = queue.popleft()[1]
            self.queued_bytes -= len(frame)
            try:
                send(frame)
            except OSError:  # full, or the other end is down: a cable doesn't wait
                self.dropped += 1

    def tell_drops(self):
        in_kernel = frames_lost(self.source)
        if in_kernel or self.dropped:
            print(f'wires {self.label}: {in_kernel} frames came too fast, {self.dropped} could not be kept or sent', file=sys.stderr, flush=True)
        self.dropped = 0


def lay(wire):
    """Opens both ends of a wire, and gives its two directions."""
    first, second = (open_packet_socket(name, ETH_P_ALL, RECEIVE_BUFFER_BYTES) for name in wire['ends'])
    there, back = zip(wire['delayMs'], wire['jitterMs'], wire['loss'])
    return Direction(first, second, *there, wire['seed']), Direction(second, first, *back, f'{wire["seed"]} back')


def forward(directions):
    by_file = {direction.source.fileno(): direction for direction in directions}
    poll = select.epoll()
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    # epoll's own time-out is in milliseconds; select's, on the epoll's file, in microseconds.
    woken_by = (poll.fileno(),)
    next_statistics = time.monotonic() + STATISTICS_INTERVAL_S
    while True:
        heads = [direction.queue[0][0] for direction in directions if direction.queue]
        timeout = max(0.0, min(heads) - time.monotonic()) if heads else STATISTICS_INTERVAL_S
        readable, _, _ = select.select(woken_by, (), (), timeout)
        for file, _ in poll.poll(0) if readable else ():
            by_file[file].take()
        now = time.monotonic()
        for direction in directions:
            direction.release(now)
        if now >= next_statistics:
            next_statistics = now + STATISTICS_INTERVAL_S
            for direction in directions:
                direction.tell_drops()


def main():
    parser = argparse.ArgumentParser(description='Joins pairs of interfaces with delay, jitter and loss.')
    parser.add_argument('wires', type=json.loads, help='see above')
    parser.add_argument('--ready', default='ready', help='printed when frames are taken')
    options = parser.parse_args()
    directions = [direction for wire in options.wires for direction in lay(wire)]
    print(options.ready, flush=True)
    gc.disable()  # no cycles here, and its pauses would be seen as jitter
    forward(directions)


if __name__ == '__main__':
    main()
