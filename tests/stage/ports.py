"""Ports for the servers of a test, never from the range that the kernel gives to clients."""

import itertools
import os
import socket

from .deadline import wait_until

# The ephemeral range begins at 32768: a port below it cannot be taken by some client between its choice and its use.
_candidates = itertools.cycle(range(12000, 32000))
# Runs beside each other begin at different places.
next(itertools.islice(_candidates, os.getpid() * 97 % 20000, None))


def free_port() -> int:
    """A port on which nobody listens, neither with IPv4 nor with IPv6, and that was not given out before."""
    for port in itertools.islice(_candidates, 20000):
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 12000 and 32000")


def is_listening(port: int) -> bool:
    """Whether some socket listens on the port, as /proc/net tells it: no connection is made that rover could see."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            next(lines)
            for line in lines:
                _, local, _, state, *_ = line.split()
                if state == "0A" and local.endswith(wanted):
                    return True
    return False


def wait_listening(*ports: int, seconds: float = 20.0) -> None:
    """Return once every port has a listener. Raises TimeoutError after `seconds`."""
    for port in ports:
        wait_until(lambda port=port: is_listening(port), f"a listener on port {port}", seconds)  # type: ignore[misc]
