"""Joins two network interfaces of one namespace like a cable of fixed length: each frame that arrives on one leaves by the other after
the delay, in order. For kernels without `tc netem`. Standard library only.

    delay-forwarder.py IFACE_A IFACE_B --delay-ms 20 [--loss 0.01 --seed 7] [--ready WORD]

Prints the word once frames are taken. Lost frames that nobody asked to lose are told on stderr.

Checksum and segmentation offload: a veth hands over frames of up to 64 KiB with unfinished checksums, which a plain packet socket would
pass on broken. PACKET_VNET_HDR puts the kernel's own notes about that (struct virtio_net_hdr) in front of each frame and reads them back
on sending, so offload can stay on and a frame that stands for 44 packets costs one turn of the loop.
"""

import argparse
import collections
import gc
import random
import select
import socket
import struct
import sys
import time

# <linux/if_packet.h>, <linux/if_ether.h>, <asm-generic/socket.h>: not in Python's socket module.
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23  # Linux 4.20: without it every frame we send comes back to us
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33

MAX_FRAME_BYTES = 66_000  # a 64 KiB segmentation-offload frame and its headers
READ_BATCH = 64  # frames taken from one side before the other side and the due frames get their turn
RECEIVE_BUFFER_BYTES = 32 << 20
MAX_QUEUED_BYTES = 64 << 20  # per direction; 20 ms at 10 Gbit/s are 25 MB
STATISTICS_INTERVAL_S = 1.0


def open_packet_socket(interface):
    # Protocol 0 receives nothing: the options are set before the first frame can arrive.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:  # rootless: net.core.rmem_max is the limit
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    sock.setblocking(False)
    sock.bind((interface, ETH_P_ALL))
    return sock


class Direction:
    """Frames on their way from one socket to the other. Equal delay for all, so the first in is the first due: a deque, no heap."""

    def __init__(self, source, target, label, seed):
        self.source = source
        self.target = target
        self.label = label
        self.chance = random.Random(seed).random  # of its own: what goes one way doesn't change what is lost the other way
        self.queue = collections.deque()  # (due, frame), bounded by MAX_QUEUED_BYTES
        self.queued_bytes = 0
        self.dropped = 0

    def take(self, delay_s, loss):
        receive = self.source.recv
        append = self.queue.append
        for _ in range(READ_BATCH):
            try:
                frame = receive(MAX_FRAME_BYTES)
            except BlockingIOError:
                return
            if loss and self.chance() < loss:
                continue
            if self.queued_bytes + len(frame) > MAX_QUEUED_BYTES:
                self.dropped += 1
                continue
            self.queued_bytes += len(frame)
            append((time.monotonic() + delay_s, frame))

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
        _, in_kernel = struct.unpack('II', self.source.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))  # reading resets it
        if in_kernel or self.dropped:
            print(f'delay-forwarder {self.label}: {in_kernel} frames came too fast, {self.dropped} could not be kept or sent', file=sys.stderr, flush=True)
        self.dropped = 0


def forward(first, second, delay_s, loss, seed):
    names = [sock.getsockname()[0] for sock in (first, second)]
    there = Direction(first, second, ' -> '.join(names), seed)
    back = Direction(second, first, ' -> '.join(reversed(names)), f'{seed} back')
    by_source = {first: there, second: back}
    next_statistics = time.monotonic() + STATISTICS_INTERVAL_S
    while True:
        heads = [direction.queue[0][0] for direction in (there, back) if direction.queue]
        timeout = max(0.0, min(heads) - time.monotonic()) if heads else STATISTICS_INTERVAL_S
        # select, not poll: its timeout is in microseconds.
        readable, _, _ = select.select((first, second), (), (), timeout)
        for sock in readable:
            by_source[sock].take(delay_s, loss)
        now = time.monotonic()
        there.release(now)
        back.release(now)
        if now >= next_statistics:
            next_statistics = now + STATISTICS_INTERVAL_S
            there.tell_drops()
            back.tell_drops()


def main():
    parser = argparse.ArgumentParser(description='Joins two interfaces with a fixed delay.')
    parser.add_argument('interfaces', nargs=2, metavar='INTERFACE')
    parser.add_argument('--delay-ms', type=float, default=0.0, help='added to each direction')
    parser.add_argument('--loss', type=float, default=0.0, help='share of frames lost in each direction, 0 to 1')
    parser.add_argument('--seed', type=int, default=0, help='of the losses')
    parser.add_argument('--ready', default='ready', help='printed when frames are taken')
    options = parser.parse_args()
    if options.delay_ms < 0 or not 0 <= options.loss <= 1:
        parser.error('--delay-ms wants 0 or more, --loss 0 to 1')
    first, second = (open_packet_socket(name) for name in options.interfaces)
    print(options.ready, flush=True)
    gc.disable()  # no cycles here, and its pauses would be seen as jitter
    try:
        forward(first, second, options.delay_ms / 1000, options.loss, options.seed)
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()
