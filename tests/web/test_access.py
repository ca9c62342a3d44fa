"""Access for everybody: contrast, names and roles, judged by axe-core."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import WEB, OpenTab, Site

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def complaints(page: Page) -> list[str]:
    """What axe finds."""
    page.add_script_tag(path=AXE)
    found: dict[str, Any] = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


@pytest.fixture
def busy(site: Site) -> str:
    """Every colour and label on the screen; the id of an exchange with all of them."""
    site.traffic(30)
    site.call(30, service="slow", duration_ns=2_000_000_000)
    site.call(20, status=503, flags=["gap", "reset"], service="broken")
    site.call(10, status=None, duration_ns=None, flags=["no_response"], service="broken")
    site.call(5, status=404, kind="sse", method="DELETE")
    site.facts["ledger"] = {"captured": 100, "reported": 80, "in_flight": 1, "not_http": 9, "ring_full": 10}
    return site.call(
        2,
        status=302,
        flags=["gap", "pre_existing"],
        request={"bytes": 9, "head_bytes": 9, "body_bytes": 0, "headers": {"x-a": "*"}},
        trace={"format": "b3", "trace_id": "1" * 32, "span_id": None, "sampled": True},
    )


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1280, "light"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(360, "light", marks=pytest.mark.slow),
        pytest.param(360, "dark", marks=pytest.mark.slow),
    ],
)
def test_every_page_passes(busy: str, tab: OpenTab, theme: str, width: int) -> None:
    """WCAG 2.2 AA, in both themes, on a phone and on a desk."""
    paths = [
        "/",
        "/services/broken",
        "/exchanges?side=server",
        f"/exchanges/{busy}",
        "/nodes",
        "/exchanges?service=nobody",
    ]
    # The script that judges is not ours, so the policy that forbids it must look away.
    page = tab("/", width=width, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    for path in paths:
        page.goto(path)
        expect(page.locator("main h1, main h2").first).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert complaints(page) == [], path


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_opens_passes_too(busy: str, tab: OpenTab, theme: str) -> None:
    """Menus, suggestions, help, complaints, the paused list."""
    page = tab("/exchanges?status=5xx", color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    expect(page.locator("[data-row]").first).to_be_visible()
    page.keyboard.press("p")
    for name in ("Completeness", "Time range", "Auto-refresh", "Columns"):
        button = page.get_by_role("button", name=name)
        button.click()
        assert complaints(page) == [], name
        page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert complaints(page) == []
    page.keyboard.press("f")
    page.keyboard.type("s")
    page.keyboard.press("ArrowDown")
    assert complaints(page) == []
    page.keyboard.type("x:1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert complaints(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert complaints(page) == []
