"""Who may ask: everybody of this machine on loopback, beyond it who has the token."""

from __future__ import annotations

import base64
import binascii
import ipaddress


def host_of(address: str) -> str:
    """The host of a checked HOST:PORT, without brackets."""
    return address.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Whether only processes of this machine can reach a socket bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names loopback, with any port: a forwarded port keeps its own number."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def has_token(authorization: str, token: str) -> bool:
    """Whether an Authorization header carries the token: as Bearer, or as the password of Basic."""
    scheme, _, value = authorization.partition(" ")
    given = value.strip()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    import hmac  # with it comes a library of 5 MB, which a daemon without tokens is spared

    return hmac.compare_digest(given.encode(), token.encode())
