"""What every request passes, and what every answer carries."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rover.backend import Backend, BackendOptions, Store
from rover.listener import has_token, is_loopback_host

TOKEN = "correct horse battery"
PATHS = ["/", "/api/services", "/openapi.json", "/assets/index-abc123.js", "/api/nothing", "/favicon.svg"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_security_headers(quiet: httpx.Client, path: str) -> None:
    """Errors and files included."""
    headers = quiet.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_answers_of_the_api_are_not_kept(quiet: httpx.Client) -> None:
    """Neither by the browser nor by anything between."""
    assert quiet.get("/api/services").headers["cache-control"] == "no-store"
    assert quiet.get("/api/services?x=1").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example:8080", ""]
)
def test_a_name_that_is_not_loopback_is_refused(quiet: httpx.Client, host: str) -> None:
    """DNS rebinding: the page of somebody else reaches the address, but under its own name."""
    for path in PATHS:
        answer = quiet.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert answer.json()["error"]["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "127.8.8.8", "[::1]:8080", "[::1]"])
def test_loopback_has_many_names(quiet: httpx.Client, host: str) -> None:
    """With any port: ssh -L 9999:localhost:8080 keeps its own."""
    assert quiet.get("/api/services", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "10.0.0.1", "[::]", "[::1", "::1", "localhost@x", "127.0.0.1@x", "0x7f.1", "١٢٧.0.0.1", "127.1"]
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    """Parsed as an address, not searched for a word."""
    assert not is_loopback_host(host) or host == "[::1"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_only_reading_is_allowed(quiet: httpx.Client, method: str) -> None:
    """There is nothing to change; no preflight is answered."""
    for path in PATHS:
        answer = quiet.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


def test_head_is_get_without_a_body(quiet: httpx.Client) -> None:
    """For whoever checks that it is there."""
    answer = quiet.head("/api/services")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.fixture
def guarded(tmp_path: Path, store: Store, page: Path) -> Iterator[httpx.Client]:
    """A client of a backend that is bound to every address, and so needs a token."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\nsecond line is not part of it\n")
    options = BackendOptions(store_path=tmp_path / "unused", http_address="0.0.0.0:0", http_token_file=file)
    backend = Backend(options, store, dict, page)
    with httpx.Client(base_url=backend.start().replace("0.0.0.0", "127.0.0.1")) as opened:
        yield opened
    backend.stop()


def basic(password: str) -> str:
    """As a browser sends what was typed."""
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def test_beyond_loopback_nothing_is_answered_without_the_token(guarded: httpx.Client) -> None:
    """Page and files included; a browser is told to ask for it."""
    for path in PATHS:
        for value in (
            None,
            f"Bearer {TOKEN}x",
            "Bearer",
            TOKEN,
            basic("wrong"),
            "Basic !!!",
            "Basic " + "A" * 7,
            "Digest x",
        ):
            answer = guarded.get(path, headers={} if value is None else {"Authorization": value})
            assert answer.status_code == 401, value
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert TOKEN not in answer.text


def test_beyond_loopback_the_token_opens(guarded: httpx.Client) -> None:
    """As Bearer for programs, as a password for browsers; under whatever name the node is known."""
    for value in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(TOKEN)):
        answer = guarded.get("/api/services", headers={"Authorization": value, "Host": "node-7.example"})
        assert answer.status_code == 200, value


def test_a_token_may_hold_a_colon_and_any_letter() -> None:
    """In Basic the name ends at the first colon, the password does not."""
    assert has_token("Basic " + base64.b64encode("x:a:é:b".encode()).decode(), "a:é:b")
    assert not has_token("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "x")


def test_wrong_tokens_are_limited_by_address(guarded: httpx.Client) -> None:
    """Who guesses is told 429; who has the token is not concerned, and another address is still asked for it."""
    url = guarded.base_url.join("/api/services")
    statuses = [guarded.get(url, headers={"Authorization": "Bearer wrong"}).status_code for _ in range(240)]
    assert statuses[:200] == [401] * 200
    assert 429 in statuses
    assert guarded.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as other:
        assert other.get(url).status_code == 401
