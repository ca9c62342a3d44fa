"""The backend as the commands `up` and `backend` run it: gRPC services, store, page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Self

from rover._engine import Ingest
from rover.backend import Backend, BackendError, BackendOptions, NodeFacts, Renewal, open_store
from rover.config import Config, ConfigError
from rover.daemon import Capture
from rover.daemon import NodeFacts as FactsOfCapture
from rover.daemon.options import read_token
from rover.listener import host_of, is_loopback

GRPC_CERT_KEY = "backend.grpc.tls.cert_file"


class Serving:
    """Store, page and gRPC services of one configuration. Add sources to `backend`, `start`, and `stop` once."""

    def __init__(self, config: Config, facts: Callable[[], NodeFacts]) -> None:
        """Opens the store. Raises ConfigError if it cannot be used."""
        settings = config.backend
        options = BackendOptions(
            store_path=settings.store.path,
            retention_hours=settings.store.retention_hours,
            retention_bytes=settings.store.retention_bytes,
            exchanges_per_second=settings.store.exchanges_per_second,
            hours_days=settings.metrics.hours_days,
            days_days=settings.metrics.days_days,
            endpoint_patterns=settings.endpoints.patterns,
            openapi_files=settings.endpoints.openapi,
            learn_after=settings.endpoints.learn_after,
            http_address=settings.http.address,
            http_token_file=settings.http.token_file,
            http_cert_file=settings.http.tls.cert_file,
            http_key_file=settings.http.tls.key_file,
        )
        self._config = config
        self._ingest = Ingest(settings.grpc.address, _ingest_options(config))
        files = [file for file in (settings.grpc.tls.cert_file, settings.grpc.tls.key_file) if file is not None]
        self._renewal = Renewal(GRPC_CERT_KEY, files, self._ingest.renew_certificate) if files else None
        try:
            ingest = self._ingest
            self.backend = Backend(
                options, open_store(options), lambda: {**facts(), "ingest": json.loads(ingest.stats())}
            )
        except BackendError as error:
            raise _told(error) from error

    @classmethod
    def of_capture(cls, config: Config, capture: Capture) -> Self:
        """With the records of a capture in this process, which come without a network. Raises ConfigError."""
        capture.engine.add_rows()
        serving = cls(config, FactsOfCapture(capture))
        serving.backend.add_source(capture.engine)
        return serving

    def start_capture(self, capture: Capture) -> str:
        """Start it behind the backend; returns its line for a person. What stops it stops the backend too."""
        try:
            return capture.start()
        except BaseException:
            self.stop()
            raise

    def start(self) -> tuple[str, str]:
        """Listen; returns the page's URL and the gRPC address. Raises ConfigError: a port in use, a token missing,
        a certificate that cannot be used."""
        address = self._config.backend.grpc.address
        try:
            url = self.backend.start()
        except BackendError as error:
            self.backend.stop(0)
            raise _told(error) from error
        try:
            port = self._ingest.start()
        except OSError as error:
            self.backend.stop(0)
            key = "backend.grpc.address"
            raise ConfigError(f"{address}: {_reason(error)}", key=key, origin=key) from error
        except ValueError as error:
            self.backend.stop(0)
            raise ConfigError(str(error), key=GRPC_CERT_KEY, origin=GRPC_CERT_KEY) from error
        if self._renewal is not None:
            self._renewal.start()
        self.backend.add_source(self._ingest, stores_first=True)
        return url, f"{address.rpartition(':')[0]}:{port}"

    def stop(self) -> None:
        """Take no more reports, store what has come, and end."""
        if self._renewal is not None:
            self._renewal.stop()
        self._ingest.stop()
        self.backend.stop(self._config.shutdown.seconds)


def _ingest_options(config: Config) -> str:
    """The JSON object that makes a gRPC server. Raises ConfigError: beyond loopback it needs a token."""
    grpc = config.backend.grpc
    key = "backend.grpc.token_file"
    # A daemon forgets what was answered: it has to be stored by then.
    options: dict[str, object] = {
        "hold_answers": True,
        "connections_per_second": grpc.connections_per_second,
        "calls_per_second": grpc.calls_per_second,
    }
    if grpc.tls.cert_file is not None and grpc.tls.key_file is not None:
        options["tls"] = {"cert_file": str(grpc.tls.cert_file), "key_file": str(grpc.tls.key_file)}
    elif grpc.tls.cert_file is not None or grpc.tls.key_file is not None:
        missing = f"backend.grpc.tls.{'cert' if grpc.tls.cert_file is None else 'key'}_file"
        message = "a certificate and its key belong together: one is not set"
        raise ConfigError(message, key=missing, origin=missing)
    if grpc.token_file is not None:
        read_token(grpc.token_file, key)
        return json.dumps({**options, "token_file": str(grpc.token_file)})
    if not is_loopback(host_of(grpc.address)):
        address = f"backend.grpc.address {grpc.address} is beyond loopback"
        raise ConfigError(f"{address}: that needs a token", key=key, origin=key)
    return json.dumps(options)


def _told(error: BackendError) -> ConfigError:
    return ConfigError(str(error), key=error.key, origin=error.key)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
