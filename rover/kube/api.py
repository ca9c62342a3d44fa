"""The official client as this package uses it: its configuration, tokens and TLS; answers are read as bytes.

The client's own objects are many times the size of what is kept of them here, so they are never made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

Parameters = list[tuple[str, str]]

_CONNECT_S = 5.0
_READ_S = 30.0
_CHUNK_BYTES = 64 * 1024
IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class KubernetesError(Exception):
    """The API could not be asked, or refused. `status` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def connect(kubeconfig: Path | None) -> Api:
    """By a kubeconfig file, else as the pod's service account. Raises KubernetesError."""
    return Api(lambda: _client(kubeconfig))


def _client(kubeconfig: Path | None) -> Any:
    from kubernetes import client, config  # half a second and 26 MB: only who has Kubernetes pays

    settings = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(settings)
        else:
            config.load_kube_config(str(kubeconfig), client_configuration=settings, persist_config=False)
    except (config.ConfigException, OSError, ValueError) as error:
        raise KubernetesError(f"no configuration for the API: {error}") from error
    settings.retries = False  # who calls knows better when to try again
    return client.ApiClient(settings)


class Api:
    """One API server. Its methods may be called from several threads."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        """Raises KubernetesError if there is no configuration."""
        self._make_client = make_client
        self._client = make_client()
        self._lock = threading.Lock()
        self._open: set[Any] = set()
        self._is_closed = False

    def get(self, path: str, parameters: Parameters, accept: str = "application/json") -> bytes:
        """The body of the answer. Raises KubernetesError."""
        with self._answer(path, parameters, _READ_S, accept) as answer:
            try:
                body: bytes = answer.read()
            except Exception as error:  # whatever breaks in the middle: urllib3, ssl, the socket
                raise KubernetesError(f"{path}: {error!r}") from error
        return body

    def watch(self, path: str, parameters: Parameters, silence_s: float) -> Iterator[bytes]:
        """Lines as they come, each one event, until the server ends the watch or `close` is called.

        Raises KubernetesError, also if nothing comes for `silence_s`."""
        with self._answer(path, [*parameters, ("watch", "true")], silence_s, "application/json") as answer:
            rest = b""
            try:
                for chunk in answer.stream(_CHUNK_BYTES):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from filter(None, lines)
            except Exception as error:
                raise KubernetesError(f"{path}: {error!r}") from error

    def renew(self) -> None:
        """Read configuration and token again: the one in use has expired. Raises KubernetesError."""
        fresh = self._make_client()
        with self._lock:
            self._client = fresh

    def close(self) -> None:
        """End every watch, from whatever thread."""
        with self._lock:
            self._is_closed = True
            answers = list(self._open)
        for answer in answers:
            with suppress(Exception):  # it may have ended by itself
                answer.shutdown()

    def _answer(self, path: str, parameters: Parameters, read_s: float, accept: str) -> _Answer:
        with self._lock:
            client = self._client
        try:
            method, url, headers, *_ = client.param_serialize(
                "GET",
                path,
                query_params=parameters,
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
            )
            answer = client.call_api(method, url, headers, _request_timeout=(_CONNECT_S, read_s)).response
        except Exception as error:  # refused, unreachable, certificates, a token file that is gone
            raise KubernetesError(f"{path}: {getattr(error, 'reason', None) or repr(error)}") from error
        if answer.status != 200:
            status = answer.status
            answer.close()
            raise KubernetesError(f"{path}: answered {status}", status)
        return _Answer(self, answer)

    def _keep(self, answer: Any) -> None:
        with self._lock:
            self._open.add(answer)
            is_closed = self._is_closed
        if is_closed:  # since it was asked for; nobody else would end it
            self._drop(answer)
            raise KubernetesError("closed")

    def _drop(self, answer: Any) -> None:
        with self._lock:
            self._open.discard(answer)
        with suppress(Exception):
            answer.close()


class _Answer:
    """An answer that is closed after its block, and can be ended from outside meanwhile."""

    def __init__(self, api: Api, answer: Any) -> None:
        self._api = api
        self._answer = answer

    def __enter__(self) -> Any:
        self._api._keep(self._answer)
        return self._answer

    def __exit__(self, *_: object) -> None:
        self._api._drop(self._answer)
