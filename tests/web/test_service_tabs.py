"""A service over time, its endpoints one by one, its peers, and what changed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import OpenTab, Site
from tests.web.test_access import complaints

MS = 1_000_000
KERNEL = {
    "write": {"operations": 1, "bytes": 900, "syscall_ns": 50_000, "packets": 4, "retransmits": 1, "l2_send_ns": 3_000},
    "read": {"operations": 1, "bytes": 100, "syscall_ns": 5_000, "packets": 1, "l2_to_queue_ns": 700},
}


@pytest.fixture
def busy(site: Site) -> Site:
    """`cart`: twenty calls in two minutes, two failed, one slow; two users of one endpoint."""
    made = [
        site.made(70 + at, service="cart", kernel=KERNEL, duration_ns=2 * MS, path=f"/users/{at}") for at in range(9)
    ]
    made += [site.made(10 + at, service="cart", kernel=KERNEL, duration_ns=2 * MS) for at in range(8)]
    made += [site.made(5, service="cart", status=503), site.made(6, service="cart", status=404)]
    site.put(*made, site.made(7, service="cart", duration_ns=900 * MS, path="/slow"))
    return site


def test_the_charts_of_http_lead_to_the_exchanges_of_a_cell(busy: Site, tab: OpenTab) -> None:
    """By status with sums; the slowest cell of the heat map is the slow call."""
    page = tab("/services/cart")
    page.get_by_role("link", name="HTTP", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?tab=http"))
    chart = page.locator(".chart", has_text="Calls by status")
    expect(chart.locator(".legend")).to_have_text(re.compile(r"2xx 18.*4xx 1.*5xx 1"))
    assert chart.locator("rect.class-2xx").count() >= 2
    places = page.locator(".heat-cell").evaluate_all(
        "cells => cells.map(cell => [cell.getBoundingClientRect().y, cell.getAttribute('href')])"
    )
    _, slowest = min(places)
    page.goto(slowest)
    expect(page.locator("tbody [data-row]")).to_have_count(1)
    expect(page.locator("tbody .path")).to_have_text("/slow")


def test_a_drag_over_a_chart_selects_its_time(busy: Site, tab: OpenTab) -> None:
    """The address has the two ends; the charts show only these bars."""
    page = tab("/services/cart?tab=http")
    box = page.locator(".chart svg[role=group]").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 70, steps=8)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"tab=http&from=.*&to=|from=.*&to=.*tab=http"))
    expect(page.locator(".chart").first).to_be_visible()


def test_tcp_has_layers_and_retransmits(busy: Site, tab: OpenTab) -> None:
    """Of 80 packets 20 again; only the layers that were measured."""
    page = tab("/services/cart?tab=tcp")
    expect(page.locator(".chart", has_text="Retransmits and drops").locator(".legend")).to_contain_text(
        "retransmitted 17"
    )
    expect(page.locator(".chart", has_text="Kernel time of writes").locator(".legend")).to_contain_text(
        "device 51.0\u202fµs"
    )
    page.goto("/")
    expect(page.locator("[data-row]", has_text="cart").locator("[data-label=Resent]")).to_have_text("25.0\u202f%")


def test_an_endpoint_has_a_page_of_its_own(busy: Site, tab: OpenTab) -> None:
    """Users by number are one endpoint; its exchanges are those of all of them."""
    page = tab("/services/cart")
    page.locator(".figures tbody [data-row]", has_text="/users/{id}").locator("th a").click()
    expect(page).to_have_url(re.compile(r"endpoint=GET:/users/%7Bid%7D"))
    expect(page.get_by_role("heading", level=1)).to_have_text("GET /users/{id}")
    expect(page.locator(".tile").first).to_contain_text("9 in the range")
    expect(page.locator(".exchanges tbody [data-row]")).to_have_count(8)
    page.reload()
    expect(page.locator(".chart").first).to_be_visible()
    page.get_by_role("link", name="All endpoints of cart").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("cart")


def test_peers_and_instances_are_told_apart(busy: Site, tab: OpenTab) -> None:
    """The caller leads to its edge on the map."""
    page = tab("/services/cart?tab=instances")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr th")).to_have_text("cart-1")
    page.get_by_role("link", name="Peers", exact=True).click()
    page.locator("tbody [data-row] .row-link").click()
    expect(page).to_have_url(re.compile(r"/topology\?source=frontend&target=cart"))
    expect(page.locator(".map-panel h2")).to_have_text("frontend → cart")


def test_what_changed_is_told_with_the_worst_first(site: Site, tab: OpenTab) -> None:
    """Now `pay` fails, an hour ago it did not; `new` was not there."""
    ago = 3600
    site.put(
        *(site.made(ago + 60 + at, service="pay") for at in range(20)),
        *(site.made(ago + 60 + at, service="same") for at in range(20)),
        *(site.made(60 + at, service="pay", status=500 if at < 10 else 200) for at in range(20)),
        *(site.made(60 + at, service="same") for at in range(20)),
        site.made(60, service="new"),
    )
    page = tab("/compare")
    page.get_by_role("link", name="an hour ago").click()
    expect(page).to_have_url(re.compile("against=1h"))
    rows = page.locator("tbody [data-row]")
    expect(rows.locator(".name-text")).to_have_text(["pay", "new", "same"])
    expect(rows.first.locator("[data-label=Success]")).to_have_text(re.compile(r"100.% → 50\.0.%▲ −50\.0 points"))
    expect(rows.nth(1)).to_contain_text("new")


def test_what_changed_in_a_service_is_told_by_endpoint(site: Site, tab: OpenTab) -> None:
    """From the list of services and from the service's page; a row leads to the endpoint."""
    ago = 3600
    site.put(
        *(site.made(ago + 60 + at, service="pay", path="/card") for at in range(20)),
        *(site.made(ago + 60 + at, service="pay", path="/same") for at in range(20)),
        *(site.made(60 + at, service="pay", path="/card", status=500 if at < 5 else 200) for at in range(20)),
        *(site.made(60 + at, service="pay", path="/same") for at in range(20)),
        site.made(60, service="other", path="/elsewhere"),
    )
    page = tab("/compare?against=1h")
    page.get_by_role("link", name="endpoints of pay").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What changed in pay?")
    rows = page.locator("tbody [data-row]")
    expect(rows.locator(".name-text")).to_have_text(["GET /card", "GET /same"])
    expect(rows.first.locator("[data-label=Success]")).to_have_text(re.compile(r"100.% → 75\.0.%▲ −25\.0 points"))
    rows.first.locator(".row-link").click()
    expect(page).to_have_url(re.compile(r"/services/pay\?endpoint=GET:/card"))
    page.goto(f"{site.url}/services/pay")
    page.get_by_role("link", name="What changed?").click()
    expect(page).to_have_url(re.compile(r"/compare\?service=pay$"))
    expect(rows.locator(".name-text")).to_have_text(["GET /card", "GET /same"])
    page.get_by_role("link", name="All services").click()
    expect(rows.locator(".name-text").filter(has_text="other")).to_have_count(1)


@pytest.mark.parametrize(("width", "theme"), [pytest.param(1280, "dark", marks=pytest.mark.slow), (360, "light")])
def test_the_parts_of_a_service_pass_for_everybody(busy: Site, tab: OpenTab, width: int, theme: str) -> None:
    """WCAG 2.2 AA; nothing is wider than a phone."""
    page = tab("/", width=width, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    for path, there in (
        ("/services/cart?tab=tcp", ".chart svg"),
        ("/services/cart?tab=peers", "tbody tr th"),
        ("/services/cart?endpoint=GET:/slow", ".chart svg"),
        ("/compare", "tbody tr th"),
        ("/compare?service=cart", "tbody tr th"),
    ):
        page.goto(path)
        expect(page.locator(there).first).to_be_visible()
        assert complaints(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
