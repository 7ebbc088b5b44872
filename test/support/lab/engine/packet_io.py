"""Interfaces as packet sockets: whole frames in and out, with the kernel's offload notes.

A veth hands over frames of up to 64 KiB with unfinished checksums, which a plain packet socket would pass on broken. PACKET_VNET_HDR puts
the kernel's own notes about that (struct virtio_net_hdr, 10 bytes) in front of each frame and reads them back on sending, so offload can
stay on, and a frame that stands for 44 packets costs one turn of the loop.
"""

import ctypes
import os
import socket
import struct

# <linux/if_packet.h>, <linux/if_ether.h>, <asm-generic/socket.h>, <sched.h>: not in Python's modules.
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23  # Linux 4.20: without it every frame we send comes back to us
SO_RCVBUFFORCE = 33
CLONE_NEWNET = 0x40000000

ETH_P_ALL = 3
ETH_P_IP = 0x0800

MAX_FRAME_BYTES = 66_000  # a 64 KiB segmentation-offload frame and its headers


def open_packet_socket(interface, protocol, receive_buffer_bytes):
    # Protocol 0 receives nothing: the options are set before the first frame can arrive.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_bytes)
    except PermissionError:  # rootless: net.core.rmem_max is the limit
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    sock.setblocking(False)
    sock.bind((interface, protocol))
    return sock


def frames_lost(sock):
    """How many frames came too fast for the socket since the last call."""
    return struct.unpack('II', sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]


def enter_namespace(path):
    """Moves this thread to a network namespace: sockets opened from now on are of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(file, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f'cannot enter {path}')
    finally:
        os.close(file)
