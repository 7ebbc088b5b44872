"""IPv4, TCP, UDP and ICMP as bytes: where the fields are, checksums, and the few packets a NAT writes itself.

A frame here is what a packet socket gives: virtio_net_hdr, Ethernet header, IPv4 packet.
"""

import struct

ETHERNET = 10  # behind the virtio_net_hdr
IP = ETHERNET + 14

ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
NEEDS_CSUM = 1  # VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum field holds the sum of the pseudo header only, not complemented

DESTINATION_UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM = 3, 4, 11, 12
ICMP_ERRORS = {DESTINATION_UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM}
ECHO_REPLY, ECHO_REQUEST = 0, 8
ADMINISTRATIVELY_PROHIBITED = 13

# version and header length, total length, identification, flags and offset, TTL, protocol, checksum, source, destination
IP_HEADER = struct.Struct('!BxHHHBBHII')
PORTS = struct.Struct('!HH')
U16 = struct.Struct('!H')
U32 = struct.Struct('!I')

CHECKSUM_AT = {TCP: 16, UDP: 6}  # from the start of the header


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data = bytes(data) + b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data)) % 0xFFFF
    return ~total & 0xFFFF


def words(address):
    """The 16-bit words of an address, summed as a checksum sees them."""
    return (address >> 16) + (address & 0xFFFF)


def patch_checksum(buffer, at, change):
    """Follows a change of the summed words (RFC 1624): sums are modulo 0xFFFF."""
    total = ((~U16.unpack_from(buffer, at)[0] & 0xFFFF) + change) % 0xFFFF
    U16.pack_into(buffer, at, ~total & 0xFFFF)


def replace_endpoint(frame, protocol, at, is_source, address, port, old_address, old_port):
    """Writes another source or destination into the packet at `IP`, its transport header being at `at`, and follows in both checksums."""
    replace_address(frame, IP, is_source, address, old_address)
    U16.pack_into(frame, at if is_source else at + 2, port)
    checksum_at = at + CHECKSUM_AT[protocol]
    change = words(address) - words(old_address)
    if frame[0] & NEEDS_CSUM:
        field = U16.unpack_from(frame, checksum_at)[0]
        U16.pack_into(frame, checksum_at, (field + change) % 0xFFFF)
    elif protocol == TCP or U16.unpack_from(frame, checksum_at)[0] != 0:  # a UDP checksum of 0 is none
        patch_checksum(frame, checksum_at, change + port - old_port)


def replace_address(buffer, ip, is_source, address, old_address):
    U32.pack_into(buffer, ip + (12 if is_source else 16), address)
    patch_checksum(buffer, ip + 10, words(address) - words(old_address))


def decrement_ttl(frame):
    frame[IP + 8] -= 1
    patch_checksum(frame, IP + 10, -0x0100)


def frame_of(protocol, source, destination, payload):
    """A whole frame, but for the Ethernet addresses."""
    header = bytearray(IP_HEADER.pack(0x45, 20 + len(payload), 0, 0x4000, 64, protocol, 0, source, destination))
    U16.pack_into(header, 10, checksum(header))
    return bytearray(bytes(ETHERNET) + bytes(12) + b'\x08\x00') + header + payload


def reset_for(frame, at, end):
    """The RST that a closed port would answer this segment with (RFC 9293, 3.10.7.1)."""
    source, destination = struct.unpack_from('!II', frame, IP + 12)
    source_port, destination_port, sequence, acknowledgment, offset, flags = struct.unpack_from('!HHIIBB', frame, at)
    if flags & ACK:
        sequence, acknowledgment, flags = acknowledgment, 0, RST
    else:
        length = end - at - (offset >> 4) * 4 + bool(flags & SYN) + bool(flags & FIN)
        sequence, acknowledgment, flags = 0, (sequence + length) & 0xFFFFFFFF, RST | ACK
    segment = bytearray(struct.pack('!HHIIBBHHH', destination_port, source_port, sequence, acknowledgment, 5 << 4, flags, 0, 0, 0))
    pseudo = struct.pack('!IIxBH', destination, source, TCP, len(segment))
    U16.pack_into(segment, 16, checksum(pseudo + segment))
    return frame_of(TCP, destination, source, segment)


def icmp_error_for(frame, end, kind, code, sender):
    """The ICMP error about this packet, from `sender` to its source (RFC 792)."""
    source = U32.unpack_from(frame, IP + 12)[0]
    quote_end = min(end, IP + (frame[IP] & 15) * 4 + 8)
    message = bytearray(struct.pack('!BBHI', kind, code, 0, 0)) + frame[IP:quote_end]
    U16.pack_into(message, 2, checksum(message))
    return frame_of(ICMP, sender, source, message)
