"""What HTTPS is served with, and the renewal of certificates while the backend runs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from rover.backend.options import BackendError
from rover.background import Background

log = logging.getLogger(__name__)

CERT_KEY = "backend.http.tls.cert_file"
LOOK_S = 1.0
"""Between two looks at the files."""

RARE = {"is_answer": True}
"""Each listener says it for itself: the second is no repetition of the first."""

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file: inode, time of change, size; None: it is not there."""


class Certificate:
    """Certificate and key of the page. Connections that come after `renew` get what was read then."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        """Raises BackendError: one of the files is missing or wrong."""
        self.files = (cert_file, key_file)
        self.context = self._current = _load(cert_file, key_file)
        # OpenSSL asks for each connection, whether the client names a host or not.
        self.context.sni_callback = self._show

    def renew(self) -> None:
        """Read the files again. Raises BackendError: they cannot be used, and what was there stays."""
        self._current = _load(*self.files)

    def _show(self, connection: ssl.SSLSocket | ssl.SSLObject, _host: str | None, _context: ssl.SSLContext) -> None:
        if connection.context is not self._current:
            connection.context = self._current


def certificate_of(cert_file: Path | None, key_file: Path | None) -> Certificate | None:
    """None without files. Raises BackendError: one of them is not set, missing or wrong."""
    if cert_file is None and key_file is None:
        return None
    if cert_file is None or key_file is None:
        missing = "cert_file" if cert_file is None else "key_file"
        raise BackendError(f"backend.http.tls.{missing}", "a certificate and its key belong together: one is not set")
    return Certificate(cert_file, key_file)


class Renewal(Background):
    """Looks at files, and has them taken over when they have changed and not changed again until the next look: a
    certificate and its key are two files, and nobody writes both at once."""

    def __init__(self, key: str, files: Sequence[Path], renew: Callable[[], None]) -> None:
        """`key`: the setting that names the first of them. `renew` raises BackendError or ValueError if they cannot be
        used; it is asked again when they have changed once more."""
        super().__init__("rover-renewal")
        self._key = key
        self._files = files
        self._renew = renew
        self._taken = self._look()

    def _run(self) -> None:
        before = self._taken
        while not self._is_over.wait(LOOK_S):
            seen = self._look()
            if seen == before and seen != self._taken and None not in seen:
                self._take(seen)
            before = seen

    def _take(self, seen: Stamp) -> None:
        self._taken = seen
        try:
            self._renew()
        except (BackendError, ValueError) as error:
            log.error("%s: %s; the certificate from before stays in use", self._key, error, extra=RARE)
        else:
            log.info("%s: %s has changed and is used from now on", self._key, self._files[0], extra=RARE)

    def _look(self) -> Stamp:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _load(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    for file in (cert_file, key_file):
        try:
            file.read_bytes()
        except OSError as error:
            raise BackendError(CERT_KEY, f"{file}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # With a key that is encrypted OpenSSL would ask the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or "no PEM"
        raise BackendError(CERT_KEY, f"{cert_file}: no certificate and key of one server: {reason}") from error
    return context
