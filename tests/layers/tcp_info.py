"""What the kernel itself counted of a connection: `struct tcp_info`, the figures that `ss -ti` prints."""

import socket
import struct
from typing import NamedTuple


class TcpInfo(NamedTuple):
    """Fields of `struct tcp_info` (include/uapi/linux/tcp.h) that tests ask for; times in microseconds."""

    rtt: int
    total_retrans: int
    segs_out: int
    """Segments sent, those without payload too; each segment of a GSO packet counts."""
    min_rtt: int
    data_segs_in: int
    data_segs_out: int
    """Segments with payload, sent again or not."""
    bytes_sent: int
    bytes_retrans: int
    rcv_ooopack: int


_OFFSETS = {
    "rtt": (68, "I"),
    "total_retrans": (100, "I"),
    "segs_out": (136, "I"),
    "min_rtt": (148, "I"),
    "data_segs_in": (152, "I"),
    "data_segs_out": (156, "I"),
    "bytes_sent": (200, "Q"),
    "bytes_retrans": (208, "Q"),
    "rcv_ooopack": (224, "I"),
}


def tcp_info(end: socket.socket) -> TcpInfo:
    """The figures of one end now."""
    raw = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return TcpInfo(
        **{name: struct.unpack_from(f"={kind}", raw, offset)[0] for name, (offset, kind) in _OFFSETS.items()}
    )
