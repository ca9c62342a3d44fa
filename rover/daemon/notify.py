"""Tells systemd about the state of the program: the protocol of sd_notify(3), a datagram to a socket."""

from __future__ import annotations

import logging
import socket

log = logging.getLogger(__name__)


def notify(address: str | None, state: str) -> None:
    """Send `READY=1` or `STOPPING=1` to the socket that NOTIFY_SOCKET names; nothing without one.

    An address that begins with @ is in the abstract namespace. A failure is logged: it is no reason to stop."""
    if address is None:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        log.warning("systemd could not be told state=%s error=%s", state, error)
