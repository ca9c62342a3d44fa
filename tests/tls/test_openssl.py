"""curl, openssl and nginx: every byte that they moved through the library is told, with its connection."""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.recording import FREED, HANDSHAKE, NESTED, RX, TX, SocketOperation, TlsState
from tests.tls.conftest import Certificate, Server
from tests.tls.watching import Watching, bytes_of, count_of, watching

pytestmark = pytest.mark.root

SIZES = '{"head":%{size_header},"body":%{size_download},"request":%{size_request},"sent":%{size_upload}}\\n'


def curl(*words: str) -> tuple[int, list[dict[str, int]]]:
    """Runs curl; its process, and of each transfer what it counted."""
    command = ["curl", "-sSk", "--http1.1", "--max-time", "20", "-w", SIZES, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return process.pid, [json.loads(line) for line in out.splitlines()]


def require_connection(watch: Watching, pid: int, port: int) -> None:
    """All calls of the process name the connection to or from this port, and operations on it that end further on each
    time: what is encrypted is longer than what is not."""
    operations = [e for e in watch.events if isinstance(e, SocketOperation) and port in (e.local_port, e.remote_port)]
    cookies = {each.cookie for each in operations if each.tgid == pid}
    ends: dict[tuple[int, int], int] = {}
    for call in watch.calls_of(pid):
        assert call.cookie in cookies
        if call.flags & NESTED:
            before = ends.get((call.cookie, call.direction), 0)
            assert call.cipher_offset > before
            assert call.cipher_offset > call.offset
            ends[call.cookie, call.direction] = call.cipher_offset
    assert ends


def test_both_ends_tell_every_byte_of_a_transfer_with_its_connection(
    tmp_path: Path, s_server: Callable[[], Server]
) -> None:
    """Truth: the file, and curl's own counts. The server reads and writes through a BIO_f_ssl, not by SSL_read."""
    # Text: of what is not, little is copied before the engine knows the protocol.
    content = base64.b64encode(os.urandom(120_000))
    (tmp_path / "large.bin").write_bytes(content)
    with watching(tmp_path) as watch:
        server = s_server()
        client, counts = curl("-o", "/dev/null", f"https://127.0.0.1:{server.port}/large.bin")
    calls, served = watch.calls_of(client), watch.calls_of(server.pid)
    assert count_of(calls, TX) == counts[0]["request"]
    assert count_of(calls, RX) == counts[0]["head"] + counts[0]["body"]
    assert bytes_of(calls, TX).startswith(b"GET /large.bin HTTP/1.1\r\n")
    assert bytes_of(calls, TX) == bytes_of(served, RX)
    assert count_of(served, TX) == count_of(calls, RX)
    head = counts[0]["head"]
    begin = next(call for call in calls if call.direction == RX)
    assert begin.payload[head:] == content[: len(begin.payload) - head] != b""
    for pid in (client, server.pid):
        require_connection(watch, pid, server.port)


def test_a_session_tells_of_its_handshake_and_of_its_end(tmp_path: Path, s_server: Callable[[], Server]) -> None:
    """The handshake counts from its first call; what is freed may be another session's address at once."""
    (tmp_path / "small").write_text("hello\n")
    with watching(tmp_path) as watch:
        server = s_server()
        client, _ = curl("-o", "/dev/null", f"https://127.0.0.1:{server.port}/small")
    states = [event for event in watch.events if isinstance(event, TlsState) and event.tgid == client]
    assert [state.change for state in states] == [HANDSHAKE, FREED]
    (call, *_) = watch.calls_of(client)
    assert {(each.session, each.opened_ns, each.cookie) for each in states} == {
        (call.session, call.opened_ns, call.cookie)
    }
    assert 0 < states[0].time_ns - states[0].start_ns < 20_000_000_000
    assert states[0].time_ns <= call.start_ns


@pytest.mark.slow
def test_nginx_and_curl_agree_with_the_access_log_over_one_kept_connection(
    tmp_path: Path, certificate: Certificate, program: Callable[[str], str]
) -> None:
    """Truth: nginx's $request_length and $bytes_sent, of 200 requests."""
    program("nginx")
    port = free_port()
    extra = f"listen 127.0.0.1:{port} ssl;\n ssl_certificate {certificate.certificate};\n"
    extra += f"ssl_certificate_key {certificate.key};"
    with watching(tmp_path) as watch, Nginx(tmp_path / "nginx", free_port(), server=extra) as nginx:
        (nginx.files / "page").write_bytes(b"x" * 40_000)
        urls = [f"https://127.0.0.1:{port}/{'page' if n % 10 == 0 else 'small'}?{n}" for n in range(200)]
        client, counts = curl(*[word for url in urls for word in ("-o", "/dev/null", url)])
        (worker,) = nginx.worker_pids()
        log = nginx.lines()
    assert len(counts) == 200
    calls, served = watch.calls_of(client), watch.calls_of(worker)
    assert count_of(calls, TX) == sum(each["request"] for each in counts)
    assert count_of(calls, RX) == sum(each["head"] + each["body"] for each in counts)
    assert count_of(served, TX) == count_of(calls, RX)
    assert count_of(served, RX) == count_of(calls, TX)
    by_log = [line for line in log if line["connection"] != 0]
    assert count_of(served, TX) == sum(line["bytes"] for line in by_log)
    assert count_of(served, RX) == sum(line["request_bytes"] for line in by_log)
    assert len({call.cookie for call in calls}) == len({call.session for call in calls}) == 1
    require_connection(watch, client, port)
    require_connection(watch, worker, port)


def test_an_upload_is_told_as_it_was_given_to_the_library(
    tmp_path: Path, certificate: Certificate, program: Callable[[str], str]
) -> None:
    """Writes larger than a TLS record are one call."""
    program("nginx")
    port = free_port()
    extra = f"listen 127.0.0.1:{port} ssl;\n ssl_certificate {certificate.certificate};\n"
    extra += (
        f"ssl_certificate_key {certificate.key};\n location /put {{ proxy_pass http://127.0.0.1:{{plain}}/small; }}"
    )
    plain = free_port()
    body = tmp_path / "body"
    body.write_bytes(os.urandom(200_000))
    with watching(tmp_path) as watch, Nginx(tmp_path / "nginx", plain, server=extra.replace("{plain}", str(plain))):
        client, counts = curl("-T", str(body), "-o", "/dev/null", f"https://127.0.0.1:{port}/put")
    assert count_of(watch.calls_of(client), TX) == counts[0]["request"] + counts[0]["sent"]
