"""A backend with a store of its own for each test, and a Chromium tab that tolerates no error."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from rover.backend import Backend, BackendOptions, Row, open_store
from tests.backend import rows

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "rover" / "web" / "static" / "index.html"
WEB = ROOT / "web"

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    # Chromium alone on the machine: nothing that it would fetch by itself.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = 15_000
"""How long what must come may take. No measure of the page: where that matters a test says its own."""

expect.set_options(timeout=PATIENCE_MS)

FACTS: dict[str, Any] = {
    "ledger": {"captured": 1000, "reported": 990, "in_flight": 0, "not_http": 10, "ring_full": 0, "records": 495},
    "hooks": [
        {"hook": "sock_send_length", "mode": "tracepoint", "attached": True, "feeds": "what is sent", "reason": None},
        {"hook": "tcp_sendmsg", "mode": "fentry", "attached": False, "feeds": "entry of a send", "reason": "refused"},
    ],
    "cost": {"cpu_percent": 1.5, "rss_bytes": 64 << 20, "bpf_ns_per_exchange": None},
    "watched_processes": 42,
}

SECOND = 10**9


class Site:
    """A running backend. `facts` may be changed while it runs."""

    def __init__(self, backend: Backend, store: Any) -> None:
        self.facts = dict(FACTS)
        self._backend = backend
        self._store = store
        self._sequence = 0
        self.url = ""

    def start(self) -> None:
        """Serve."""
        self.url = self._backend.start().rstrip("/")

    def put(self, *made: Row) -> None:
        """Store rows; returns when they can be read."""
        assert self._store.put(list(made)) == len(made)
        assert self._store.flush()

    def made(self, seconds_ago: float = 1.0, **fields: Any) -> Row:
        """One exchange that began so long ago, not stored."""
        self._sequence += 1
        return rows.row(time.time_ns() - int(seconds_ago * SECOND), self._sequence, **fields)

    def call(self, seconds_ago: float = 1.0, **fields: Any) -> str:
        """Store one exchange; returns its id."""
        made = self.made(seconds_ago, **fields)
        self.put(made)
        return made[0]

    def traffic(self, count: int, over_seconds: float = 600.0) -> None:
        """Store mixed traffic that ends two seconds ago."""
        step_ns = int(over_seconds * SECOND / count)
        start_ns = time.time_ns() - 2 * SECOND - count * step_ns
        self.put(*rows.traffic(count, start_ns, step_ns))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty backend."""
    assert BUILT.exists(), "the page is not built: make build"
    options = BackendOptions(store_path=tmp_path / "rover.db", http_address="127.0.0.1:0")
    store = open_store(options)
    made: list[Site] = []
    backend = Backend(options, store, lambda: made[0].facts)
    made.append(Site(backend, store))
    made[0].start()
    yield made[0]
    backend.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    executable = shutil.which("chromium")
    if executable is None and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    assert executable is not None, "chromium is not installed"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


class Watch:
    """What went wrong in a tab: errors, broken rules of the content security policy, requests to elsewhere."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.wrong: list[str] = []
        self.expects_failures = False
        """Set by tests that make requests fail: the browser reports each in its console."""

    def attach(self, page: Page) -> None:
        """Begin."""
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught {error}"))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, kind: str, text: str) -> None:
        is_network = text.startswith("Failed to load resource") or "ERR_" in text
        if kind in ("error", "warning") and not (self.expects_failures and is_network):
            self.wrong.append(f"{kind} {text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self._url, "blob:")):
            self.wrong.append(f"request to {url}")


OpenTab = Callable[..., Page]


@pytest.fixture
def watch(site: Site) -> Watch:
    """Of all tabs of the test."""
    return Watch(site.url)


@pytest.fixture
def tab(site: Site, browser: Browser, watch: Watch) -> Iterator[OpenTab]:
    """Opens a page of the site: `tab("/nodes", width=360, color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def open_tab(path: str = "/", width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = browser.new_context(
            base_url=site.url,
            viewport={"width": width, "height": height},
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        page.goto(path)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert watch.wrong == []
