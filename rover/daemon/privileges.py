"""What a daemon may do, once it runs: what it needs and no more.

Given up before the first thread starts, because the kernel keeps capabilities by thread. A program that root starts
keeps root's files, not root's powers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from rover._engine import keep_needed_privileges
from rover.config import Config

_FIRST_OPEN_PORT = 1024

log = logging.getLogger(__name__)


def give_up_privileges(config: Config) -> None:
    """Keep the capabilities that rover and this configuration need. One that cannot be given up is logged."""
    extra = dict(_extra(config))
    for name, reason in extra.items():
        log.info("a privilege more than usual is kept name=%s for=%s", name, reason)
    try:
        keep_needed_privileges(list(extra))
    except OSError as error:
        log.warning("privileges cannot be given up error=%s", error)


def _extra(config: Config) -> Iterator[tuple[str, str]]:
    for path in (config.reporters.file.path, config.backend.store.path, config.daemon.folder):
        if path is not None and _is_of_another(path):
            yield "CAP_DAC_OVERRIDE", str(path)
    for address in (config.metrics.address, config.backend.http.address, config.backend.grpc.address):
        if address is not None and 0 < int(address.rpartition(":")[2]) < _FIRST_OPEN_PORT:
            yield "CAP_NET_BIND_SERVICE", address


def _is_of_another(path: Path) -> bool:
    """Whether a file, or the folder in which it is to be made, has another owner: then only this power writes there."""
    path, own = path.absolute(), os.geteuid()
    try:
        if path.exists() and path.stat().st_uid != own:
            return True
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        return folder.stat().st_uid != own
    except OSError:
        return True
