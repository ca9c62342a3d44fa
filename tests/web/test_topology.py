"""The map in a browser: who calls whom, what hurts, and what lies between two ends."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import OpenTab, Site
from tests.web.test_access import complaints

MS = 1_000_000
HOSTILE = "<img src=x onerror=alert(1)>'\";--"


def both(site: Site, source: str, target: str, *, client_ms: int = 14, server_ms: int = 10, status: int = 200) -> None:
    """One call, told by both ends."""
    site.put(
        site.made(service=target, peer_service=source, duration_ns=server_ms * MS, status=status),
        site.made(side="client", service=source, peer_service=target, duration_ns=client_ms * MS, status=status),
    )


@pytest.fixture
def shop(site: Site) -> Site:
    """`front` calls `cart`, which calls `pay` and an address; `pay` fails half the time."""
    both(site, "front", "cart")
    both(site, "cart", "pay", client_ms=250, server_ms=50)
    both(site, "cart", "pay", client_ms=250, server_ms=50, status=503)
    away = {"address": "93.184.216.34", "port": 443, "identity": None}
    site.call(side="client", service="cart", peer_service=None, remote=away)
    return site


def test_callers_stand_left_of_whom_they_call_and_figures_on_the_edges(shop: Site, tab: OpenTab) -> None:
    """p95 as the caller sees it."""
    page = tab("/topology")
    expect(page.locator(".map-node")).to_have_count(4)
    expect(page.locator(".map-edge")).to_have_count(3)
    places = {
        name: page.locator(".map-node", has_text=name).locator(".ring").first.bounding_box()
        for name in ("front", "cart", "pay", "93.184")
    }
    assert places["front"]["x"] < places["cart"]["x"] < places["pay"]["x"]
    failing = page.locator(".map-edge.map-error")
    expect(failing).to_have_count(1)
    expect(failing.locator(".map-label")).to_have_text(re.compile(r"^2(4[789]|5[0-3])\s*ms$"))
    expect(page.locator(".map-node.map-error .map-name")).to_have_text("pay")
    expect(page.locator(".map-external .map-name")).to_have_text("93.184.216.34")


def test_an_edge_opens_both_views_side_by_side(shop: Site, tab: OpenTab) -> None:
    """The difference of the means is network and queues; the address remembers."""
    page = tab("/topology")
    page.evaluate("globalThis.isSame = true")
    page.locator(".map-edge.map-error .map-label").click()
    assert page.evaluate("globalThis.isSame"), "the page was loaded anew"
    expect(page).to_have_url(re.compile("source=cart&target=pay"))
    panel = page.locator(".map-panel")
    expect(panel).to_contain_text("cart → pay")
    expect(panel.get_by_role("row", name=re.compile("^Mean"))).to_have_text(re.compile(r"250.ms50\.0.ms200.ms"))
    expect(panel.locator(".network-share")).to_contain_text(re.compile(r"network and queues 200.ms \(80\.0.%\)"))
    page.reload()
    expect(panel).to_contain_text("cart → pay")
    panel.get_by_role("link", name="the failed ones").click()
    expect(page).to_have_url(re.compile(r"/exchanges\?service=pay&status=5xx&side=server"))
    expect(page.locator("tbody [data-row]")).to_have_count(1)


def test_a_node_tells_whom_it_has_to_do_with_and_leads_to_its_page(shop: Site, tab: OpenTab) -> None:
    """By keys alone: j to the first, Enter, Escape."""
    page = tab("/topology")
    expect(page.locator(".map-node")).to_have_count(4)
    page.locator(".map-node", has_text="cart").locator("a").focus()
    page.keyboard.press("Enter")
    panel = page.locator(".map-panel")
    expect(panel.locator("caption")).to_have_text(["Called by", "Calls"])
    panel.get_by_role("link", name="Only this and its neighbours").click()
    expect(page).to_have_url(re.compile("focus=cart"))
    expect(page.locator(".map-node")).to_have_count(4)
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("focus"))
    page.locator(".map-node", has_text="pay").locator("a").click()
    panel.get_by_role("link", name="Open the service").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pay")


def test_two_hundred_services_open_as_groups_and_one_is_found(site: Site, tab: OpenTab) -> None:
    """Each group opens by a click; a search shows one service with its neighbours."""
    names = [f"service-{at:03}.ns-{at % 8}" for at in range(200)]
    site.put(
        *(site.made(service=names[at], peer_service=names[max(0, at - 1 - at % 5)]) for at in range(1, 200)),
        *(
            site.made(side="client", service=names[max(0, at - 1 - at % 5)], peer_service=names[at], duration_ns=MS)
            for at in range(1, 200)
        ),
    )
    page = tab("/topology")
    expect(page.locator(".map-group.map-node, .map-node.map-group")).to_have_count(8)
    expect(page.locator(".map-count")).to_contain_text("200 services, closed into 8 groups")
    page.locator(".map-node", has_text="ns-3").locator("a").click()
    expect(page.locator(".map-node")).to_have_count(7 + 25)
    page.keyboard.press("f")
    page.keyboard.type("service-101")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("focus=service-101.ns-5"))
    expect(page.locator(".map-node.is-chosen .map-name")).to_have_text("service-101.ns-5")
    assert 2 <= page.locator(".map-node").count() <= 12
    page.get_by_role("link", name="Show all 200").click()
    expect(page.locator(".map-node")).to_have_count(7 + 25)


def test_names_are_text_whatever_is_in_them(site: Site, tab: OpenTab) -> None:
    """No markup, no script."""
    both(site, HOSTILE, "group:x")
    page = tab("/topology")
    expect(page.locator(".map-node")).to_have_count(2)
    page.locator(".map-edge .map-label").click()
    expect(page.locator(".map-panel h2")).to_have_text(f"{HOSTILE} → group:x")
    page.reload()
    expect(page.locator(".map-panel h2")).to_have_text(f"{HOSTILE} → group:x")
    assert page.locator("img").count() == 0


def test_the_layout_stays_while_figures_change(shop: Site, tab: OpenTab) -> None:
    """A refresh moves nothing."""
    page = tab("/topology?refresh=2s")
    expect(page.locator(".map-node")).to_have_count(4)
    before = page.locator(".map-node").evaluate_all("nodes => nodes.map(one => one.getAttribute('transform'))")
    both(shop, "cart", "pay", client_ms=2500, server_ms=50)
    expect(page.locator(".map-edge.map-error .map-label")).to_have_text(re.compile(r"^2\.[45]\d\s*s$"))
    after = page.locator(".map-node").evaluate_all("nodes => nodes.map(one => one.getAttribute('transform'))")
    assert after == before


def test_without_traffic_it_says_what_to_do(site: Site, tab: OpenTab) -> None:
    """As every page does."""
    page = tab("/topology")
    expect(page.get_by_role("heading", level=2)).to_have_text("Nobody talked to anybody in the last 15 minutes")
    expect(page.locator(".command code")).to_contain_text("curl")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_the_map_and_its_panels_pass_for_everybody(shop: Site, tab: OpenTab, width: int, theme: str) -> None:
    """WCAG 2.2 AA; nothing is wider than a phone."""
    page = tab("/topology", width=width, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    for path in ("/topology", "/topology?source=cart&target=pay", "/topology?node=cart", "/services/cart?tab=http"):
        page.goto(path)
        expect(page.locator(".map-node, .chart svg").first).to_be_visible()
        assert complaints(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
