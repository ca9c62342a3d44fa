"""The whole way: a request to some server, captured by the kernel, on the page."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.stage.ports import free_port
from tests.stage.rover import Rover
from tests.web.conftest import Watch

pytestmark = pytest.mark.root

WITHIN_MS = 1000
ATTEMPTS = 5
"""Somebody else may have the CPU for longer than that once, not each time."""


class Answer(BaseHTTPRequestHandler):
    """Says 418 to everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(418)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"short")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Some HTTP server on this machine that rover has never heard of."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    listening.server_close()


def is_shown_in_time(page: Page, server: str, number: int) -> bool:
    """Make one more request; whether so many are on the page within a second."""
    rows = page.locator("tbody [data-row]")
    expect(rows).to_have_count(number - 1)
    subprocess.run(["curl", "-s", f"{server}/teapot?size=small"], check=True, capture_output=True)
    try:
        expect(rows).to_have_count(number, timeout=WITHIN_MS)
    except AssertionError:
        return False
    return True


def test_a_request_is_on_the_page_within_a_second(server: str, browser: Browser, tmp_path: Path) -> None:
    """`rover up`, a browser, curl. Then the exchange in full, and the node that saw it."""
    page_port, report_port = free_port(), free_port()
    config = tmp_path / "rover.yaml"
    config.write_text(
        f"backend:\n  http: {{address: '127.0.0.1:{page_port}'}}\n  grpc: {{address: '127.0.0.1:{report_port}'}}\n"
        f"  store: {{path: '{tmp_path}/rover.db'}}\n"
    )
    url = f"http://127.0.0.1:{page_port}"
    watch = Watch(url)
    with Rover(command=("up", "-c", str(config), "--show", "json")) as rover:
        context = browser.new_context(base_url=url)
        page = context.new_page()
        watch.attach(page)
        page.goto("/exchanges?side=server&path=/teapot")
        expect(page.locator(".live-state")).to_have_text("Live")
        assert any(is_shown_in_time(page, server, number) for number in range(1, ATTEMPTS + 1))
        row = page.locator("tbody [data-row]").first
        expect(row.locator(".path")).to_have_text("/teapot?size=*")
        row.locator(".row-link").click()
        expect(page.locator(".headline p")).to_contain_text("418in ")
        expect(page.locator(".headline p")).to_contain_text("from curl to ")
        expect(page.locator(".segments tbody tr")).not_to_have_count(0)
        page.goto("/nodes")
        # What else runs on this machine may lose something; that it is told is enough here.
        expect(page.locator(".light-word")).to_have_text(re.compile("complete|lost"))
        expect(page.locator(".hooks caption").first).to_contain_text("tracepoint")
        context.close()
        rover.stop()
    assert watch.wrong == []
