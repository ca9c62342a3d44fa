"""A limit on how often one peer may do something: a bucket of tokens each, that fills at a steady rate."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable

PEERS = 1024
"""Most peers that are remembered; who was quiet longest is forgotten first."""


class Buckets:
    """Lets each peer do `burst` things at once and `rate` a second in the long run. For several threads.

    The same rules as `ingest/src/limits.rs`."""

    def __init__(self, rate: float, burst: int, now_s: Callable[[], float] = time.monotonic) -> None:
        """`rate`: per second."""
        self._rate = rate
        self._burst = burst
        self._now_s = now_s
        self._left: dict[str, tuple[float, float]] = {}  # by host what is left, and as of when; the quietest first
        self._lock = threading.Lock()

    def take(self, peer: str) -> bool:
        """Whether the peer at this address may do one more now; counts it if so. Anything else names itself."""
        host = _host(peer)
        with self._lock:
            now_s = self._now_s()
            left, at_s = self._left.pop(host, (float(self._burst), now_s))
            left = min(self._burst, left + (now_s - at_s) * self._rate)
            self._left[host] = (left - 1 if left >= 1 else left, now_s)
            if len(self._left) > PEERS:
                del self._left[next(iter(self._left))]
            return left >= 1


def _host(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)  # what one host has to itself
