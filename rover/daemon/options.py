"""The configuration in the words of the engine."""

from __future__ import annotations

import json
import logging
import re
import stat
from pathlib import Path

from rover.config import Config, ConfigError

_HEADER_NAME = re.compile(r"[a-z0-9_.-]+", re.ASCII)
"""What gRPC allows; `-bin` in the end would want a coded value."""

log = logging.getLogger(__name__)


def engine_options(config: Config) -> str:
    """The JSON object that makes an engine."""
    capture, watch = config.capture, config.watch
    return json.dumps(
        {
            "capture": {
                "payload_bytes": capture.payload_bytes,
                "head_bytes": capture.head_bytes,
                "query": capture.query,
                "headers": list(capture.headers),
                "unfinished_seconds": capture.unfinished_seconds,
                "layers": capture.layers,
            },
            "tls": {"enabled": config.tls.enabled, "skip": list(config.tls.skip)},
            "filters": {"ports": list(watch.ports), "side": watch.side},
            "ring_bytes": config.kernel.ring_bytes,
            "own_ports": own_ports(config),
            "attach": config.kernel.attach,
            "avoid": list(config.kernel.avoid),
            "held_records": watch.held_records,
            "connections": config.kernel.connections,
        }
    )


def own_ports(config: Config) -> list[int]:
    """Ports of rover's own reports, whose traffic must not become records that are reported in turn."""
    collectors = (endpoint.split("/")[2] for endpoint in config.reporters.otlp.endpoints)
    addresses = (*config.reporters.oap.addresses, config.backend.grpc.address, *collectors)
    return sorted({port_of(address) for address in addresses} - {0})


def oap_options(config: Config, node_name: str) -> str:
    """The JSON object that makes a stream to OAP. Raises ConfigError for a token that cannot be read."""
    oap = config.reporters.oap
    # Without a Kubernetes API an OAP fails on every message with a bare address.
    options: dict[str, object] = {"addresses": list(oap.addresses), "node_name": node_name, "unknown_end": "name"}
    options["connection_seconds"] = oap.connection_seconds
    if oap.token_file is not None:
        # Read at each call; here only to say at the start what would be refused then.
        read_token(oap.token_file, "reporters.oap.token_file")
        options["token_file"] = str(oap.token_file)
    tls, spool = oap.tls, oap.spool
    files = {"ca_file": tls.ca_file, "cert_file": tls.cert_file, "key_file": tls.key_file}
    if tls.enabled or tls.server_name is not None or any(files.values()):
        named = {name: None if path is None else str(path) for name, path in files.items()}
        options["tls"] = {**named, "server_name": tls.server_name}
    if spool.path is not None:
        options["spool"] = {"path": str(spool.path), "bytes": spool.bytes, "hours": spool.hours}
    return json.dumps(options)


def otlp_options(config: Config, node_name: str) -> str | None:
    """The JSON object that makes a way to a collector; None if there is none. Raises ConfigError for bad headers."""
    otlp = config.reporters.otlp
    if not otlp.endpoints:
        return None
    tls = otlp.tls
    files = {"ca_file": tls.ca_file, "cert_file": tls.cert_file, "key_file": tls.key_file}
    return json.dumps(
        {
            "endpoints": list(otlp.endpoints),
            "protocol": otlp.protocol,
            "headers": [] if otlp.headers_file is None else read_headers(otlp.headers_file),
            "tls": {name: None if path is None else str(path) for name, path in files.items()}
            | {"server_name": tls.server_name},
            "node_name": node_name,
            "traces": otlp.traces,
            "metrics": otlp.metrics,
            "is_compressed": otlp.compression == "gzip",
            "queue_bytes": otlp.queue_bytes,
            "batch_bytes": otlp.batch_bytes,
            "batch_seconds": otlp.batch_seconds,
            "metrics_seconds": otlp.metrics_seconds,
            "connection_seconds": otlp.connection_seconds,
        }
    )


def read_headers(path: Path) -> list[tuple[str, str]]:
    """Names in lower case, and values, of a file of headers; empty lines and `#` comments are passed by.

    Raises ConfigError, which tells the line but never its value: it is a secret."""
    key, headers = "reporters.otlp.headers_file", []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}", key=key, origin=key) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise ConfigError(f"{path}: line {number} is not `name: value`", key=key, origin=key)
        headers.append((name, value))
    return headers


def file_options(config: Config) -> str | None:
    """The JSON object that makes a file of records; None if there is to be none."""
    file = config.reporters.file
    if file.path is None:
        return None
    return json.dumps(
        {
            "path": str(file.path),
            "format": file.format,
            "rotate_bytes": file.rotate_bytes,
            "rotate_hours": file.rotate_hours,
            "keep": file.keep,
        }
    )


def read_token(path: Path, key: str) -> str:
    """The first line of a token file. Raises ConfigError."""
    try:
        if path.stat().st_mode & stat.S_IROTH:
            log.warning("a token that every user can read is no secret: chmod o= file=%s", path)
        token = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}", key=key, origin=key) from error
    if not token:
        raise ConfigError(f"{path} has no token on its first line", key=key, origin=key)
    return token


def port_of(address: str) -> int:
    """The port of a checked HOST:PORT."""
    return int(address.rpartition(":")[2])
