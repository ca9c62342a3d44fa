"""The page, the API and the gRPC services over TLS: real certificates, real clients."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from rover._engine import Ingest
from rover.backend import Backend, BackendError, BackendOptions, Store
from tests.backend.rows import row
from tests.reporters.test_tls import Certificates

TOKEN = "correct-horse-battery-staple"
PATHS = ["/", "/assets/index-abc123.js", "/api/services", "/api/exchanges/stream", "/openapi.json", "/metrics"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """`localhost`, also by its address."""
    return Certificates(tmp_path_factory.mktemp("tls") / "known").issue("localhost", ",IP:127.0.0.1")


@pytest.fixture
def secured(options: BackendOptions, known: Certificates, tmp_path: Path) -> BackendOptions:
    """Beyond loopback, with a token and a certificate."""
    (tmp_path / "token").write_text(TOKEN)
    return dataclasses.replace(
        options,
        http_address="0.0.0.0:0",
        http_token_file=tmp_path / "token",
        http_cert_file=Path(known.path("localhost.crt")),
        http_key_file=Path(known.path("localhost.key")),
    )


@pytest.fixture
def url(secured: BackendOptions, store: Store, page: Path) -> Iterator[str]:
    """Of a running backend."""
    backend = Backend(secured, store, dict, page)
    found = backend.start()
    assert found.startswith("https://0.0.0.0:")
    yield found.replace("0.0.0.0", "localhost")
    backend.stop()


def trusting(known: Certificates) -> ssl.SSLContext:
    """A client that knows the authority."""
    return ssl.create_default_context(cafile=known.path("ca.crt"))


def test_the_page_and_all_of_the_api_are_served_over_tls(url: str, known: Certificates, store: Store) -> None:
    """To who has the token; the live tail too, while it lasts."""
    with httpx.Client(base_url=url, verify=trusting(known), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        for path in PATHS:
            with client.stream("GET", path) as answer:
                assert answer.status_code == 200, path
        services = {"query": '{ listServices(layer: "") { name } }'}
        assert "errors" not in client.post("/graphql", json=services).json()
        with client.stream("GET", "/api/exchanges/stream", timeout=10) as answer:
            store.put([row(time.time_ns(), path="/over-tls")])
            assert any("/over-tls" in line for line in answer.iter_lines() if line.startswith("data"))


def test_nothing_is_answered_without_the_token(url: str, known: Certificates) -> None:
    """Not one path, GraphQL and the live tail included."""
    with httpx.Client(base_url=url, verify=trusting(known)) as client:
        for path in PATHS:
            assert client.get(path).status_code == 401, path
        assert client.post("/graphql", json={"query": "{ version }"}).status_code == 401


def test_plain_http_and_old_tls_get_nothing(url: str, known: Certificates, store: Store) -> None:
    """And whoever does not know the authority does not talk to it."""
    port = httpx.URL(url).port
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        httpx.get(f"http://127.0.0.1:{port}/api/services")
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(url)
    old = trusting(known)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", port or 0)) as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw, server_hostname="localhost")
    # A client that never finishes its handshake holds nobody up.
    with socket.create_connection(("127.0.0.1", port or 0)):
        connection = http.client.HTTPSConnection("localhost", port, context=trusting(known), timeout=5)
        connection.request("GET", "/api/services", headers={"Authorization": f"Bearer {TOKEN}"})
        assert connection.getresponse().status == 200
        connection.close()


def test_files_that_make_no_server_are_told_in_one_line(
    secured: BackendOptions, store: Store, known: Certificates, tmp_path: Path
) -> None:
    """Before anything listens."""
    text = tmp_path / "text.crt"
    text.write_text("nothing of the kind")
    other = Certificates(tmp_path / "other").issue("localhost")
    for changes, words in (
        ({"http_key_file": None}, "belong together"),
        ({"http_cert_file": None}, "belong together"),
        ({"http_cert_file": tmp_path / "none.crt"}, "No such file"),
        ({"http_cert_file": text}, "no certificate and key of one server"),
        ({"http_key_file": Path(other.path("localhost.key"))}, "KEY_VALUES_MISMATCH"),
    ):
        with pytest.raises(BackendError, match=words) as caught:
            Backend(dataclasses.replace(secured, **changes), store, dict).start()
        assert "\n" not in str(caught.value)
        assert caught.value.key.startswith("backend.http.tls.")


def ingest(known: Certificates, **files: str) -> Ingest:
    """The gRPC services with a certificate."""
    tls = {"cert_file": known.path("localhost.crt"), "key_file": known.path("localhost.key"), **files}
    return Ingest("127.0.0.1:0", json.dumps({"token": TOKEN, "tls": tls}))


def test_the_grpc_services_take_reports_over_tls(known: Certificates) -> None:
    """With the token, from a client that knows the authority; a client without TLS gets nowhere."""
    server = ingest(known)
    port = server.start()
    method = "/skywalking.v3.ManagementService/keepAlive"
    credentials = grpc.ssl_channel_credentials(known.read("ca.crt"))
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        call = channel.unary_unary(method)
        call(b"", metadata=[("authentication", TOKEN)], timeout=10)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=[("authentication", "wrong")], timeout=10)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with grpc.insecure_channel(f"localhost:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(b"", metadata=[("authentication", TOKEN)], timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    server.stop()


def test_grpc_says_which_file_is_wrong(known: Certificates, tmp_path: Path) -> None:
    """In one line that names it."""
    with pytest.raises(ValueError, match=r"none\.crt: No such file"):
        ingest(known, cert_file=str(tmp_path / "none.crt")).start()
    (tmp_path / "text.crt").write_text("nothing of the kind")
    with pytest.raises(ValueError, match=r"text\.crt: no certificate and key for a server"):
        ingest(known, cert_file=str(tmp_path / "text.crt")).start()


def test_an_encrypted_key_does_not_wait_for_a_password(secured: BackendOptions, store: Store, tmp_path: Path) -> None:
    """There is nobody at a terminal to type it."""
    key = tmp_path / "locked.key"
    command = ["openssl", "ec", "-in", str(secured.http_key_file), "-aes256", "-passout", "pass:secret", "-out", key]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(BackendError, match="no certificate and key of one server"):
        Backend(dataclasses.replace(secured, http_key_file=key), store, dict).start()
