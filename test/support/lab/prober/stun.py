"""As much STUN (RFC 8489) as it takes to ask: who am I? Over UDP and TCP, from a chosen port."""

import os
import socket
import struct

MAGIC = 0x2112A442
BINDING_REQUEST, BINDING_SUCCESS = 0x0001, 0x0101
XOR_MAPPED_ADDRESS = 0x0020


def request():
    transaction = os.urandom(12)
    return transaction, struct.pack('!HHI', BINDING_REQUEST, 0, MAGIC) + transaction


def mapped_endpoint(transaction, response):
    kind, length, magic = struct.unpack_from('!HHI', response)
    if (kind, magic, response[8:20]) != (BINDING_SUCCESS, MAGIC, transaction):
        return None
    at = 20
    while at < 20 + length:
        attribute, size = struct.unpack_from('!HH', response, at)
        if attribute == XOR_MAPPED_ADDRESS:
            port, address = struct.unpack_from('!HI', response, at + 6)
            return socket.inet_ntoa(struct.pack('!I', address ^ MAGIC)), port ^ (MAGIC >> 16)
        at += 4 + (size + 3) // 4 * 4
    return None


def shared_socket(kind, port):
    """A socket on a port that others of this process may have too."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(('', port))
    return sock


def ask_udp(sock, server, tries=4, wait_s=0.5):
    """Sends again each half second; None without an answer."""
    transaction, message = request()
    sock.settimeout(wait_s)
    for _ in range(tries):
        sock.sendto(message, server)
        try:
            while True:
                response, sender = sock.recvfrom(2_000)
                if sender == server and len(response) >= 20:
                    endpoint = mapped_endpoint(transaction, response)
                    if endpoint is not None:
                        return endpoint
        except TimeoutError:
            pass
    return None


def ask_tcp(sock, wait_s=2):
    """On a connected socket; None without an answer."""
    transaction, message = request()
    sock.settimeout(wait_s)
    try:
        sock.sendall(message)
        response = b''
        while len(response) < 20 or len(response) < 20 + struct.unpack_from('!H', response, 2)[0]:
            more = sock.recv(2_000)
            if not more:
                return None
            response += more
        return mapped_endpoint(transaction, response)
    except OSError:
        return None


def connect_and_ask(port, server):
    """A connection from this port to the server, left open, and the endpoint it comes from."""
    sock = shared_socket(socket.SOCK_STREAM, port)
    sock.settimeout(5)
    sock.connect(server)
    return sock, ask_tcp(sock)
