"""One exchange in full, and the way there and back."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.web.conftest import OpenTab, Site, Watch

ROWS = "tbody [data-row]"


def test_one_line_says_it_all(site: Site, tab: OpenTab) -> None:
    """Method, path, status, duration, from, to."""
    exchange = site.call(path="/api/orders", method="POST", status=503, duration_ns=151_125_387, service="checkout")
    page = tab(f"/exchanges/{exchange}")
    expect(page.locator("h1")).to_have_text("POSTcheckout.local:8080/api/orders")
    expect(page.locator(".headline p")).to_contain_text("503in 151\u202fmsfrom frontend to checkout")
    expect(page).to_have_title("Exchange · rover")
    expect(page.locator(".tile").first).to_contain_text("151\u202f125\u202f387 ns")


def test_every_part_is_there(site: Site, tab: OpenTab) -> None:
    """Request, response, connection, both ends, trace, flags with what they mean."""
    trace = {
        "format": "w3c",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "sampled": None,
    }
    request = {
        "bytes": 400,
        "head_bytes": 100,
        "body_bytes": 300,
        "headers": {"authorization": "*", "x-tenant": "blue"},
        "trailers": {},
    }
    page = tab(
        f"/exchanges/{site.call(trace=trace, request=request, flags=['gap', 'pre_existing'], interim=[100, 103])}"
    )
    cards = page.locator(".card")
    headings = [
        "Where the time went",
        "Request",
        "Response",
        "Connection",
        "From",
        "Toobserved",
        "Trace",
    ]
    expect(cards.locator("h2")).to_have_text(headings)
    expect(cards.nth(1)).to_contain_text("x-tenantblue")
    expect(cards.nth(2)).to_contain_text("Before it100, 103")
    expect(cards.nth(3)).to_contain_text("number 1 of this connection")
    expect(cards.nth(4)).to_contain_text("frontend")
    expect(cards.nth(5)).to_contain_text("cart (pid 4711)")
    expect(cards.nth(6)).to_contain_text("4bf92f3577b34da6a3ce929d0e0e4736")
    flags = page.get_by_role("list", name="Flags")
    expect(flags).to_contain_text("gapBytes of this exchange passed without being seen")
    expect(flags).to_contain_text("pre existingThe connection is older than rover")


def test_what_was_not_measured_is_a_dash_with_its_reason(site: Site, tab: OpenTab) -> None:
    """Never 0."""
    exchange = site.call(
        status=None,
        duration_ns=None,
        response={"bytes": None, "head_bytes": None, "body_bytes": None},
        timeline=[],
        flags=["reset", "no_response"],
    )
    page = tab(f"/exchanges/{exchange}")
    expect(page.locator(".headline p")).to_contain_text("no response was seen")
    unknown = page.locator(".tile").first.locator(".unknown")
    expect(unknown).to_have_attribute("title", "No response was seen.")
    expect(page.locator(".card", has_text="Connection").locator(".unknown").first).to_have_attribute(
        "title", "its opening was not seen"
    )
    row = tab("/exchanges").locator(ROWS)
    expect(row.locator(".cell-status .unknown")).to_have_attribute("title", "No response was seen.")


def test_the_waterfall_and_its_table_agree(site: Site, tab: OpenTab) -> None:
    """Segments by layer, and their share."""
    timeline = [["read", 0], ["read_end", 100_000], ["write", 800_000], ["write_end", 1_000_000]]
    page = tab(f"/exchanges/{site.call(duration_ns=1_000_000, timeline=timeline)}")
    expect(page.locator(".lane rect.segment")).to_have_count(3)
    rows = page.locator(".segments tbody tr")
    expect(rows).to_have_text(
        [
            "socketreading the request0\u202fns100\u202fµs10.0\u202f%",
            "applicationthe application at work100\u202fµs700\u202fµs70.0\u202f%",
            "socketwriting the response800\u202fµs200\u202fµs20.0\u202f%",
        ]
    )


def test_it_can_be_copied_as_curl_and_as_json(site: Site, tab: OpenTab) -> None:
    """The JSON is the record as the API gives it."""
    exchange = site.call(path="/it's", query="q=*")
    page = tab(f"/exchanges/{exchange}")
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl --connect-to ::127.0.0.1:8080 ")
    assert "'http://cart.local:8080/it'\\''s?q=*'" in copied
    page.get_by_role("button", name="Copy as JSON").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.startsWith('{'))")
    assert json.loads(page.evaluate("navigator.clipboard.readText()"))["id"] == exchange


def test_the_way_back_ends_on_the_same_row_at_the_same_place(site: Site, tab: OpenTab) -> None:
    """New ones wait meanwhile."""
    site.traffic(80)
    page = tab("/exchanges?side=server")
    row = page.locator(ROWS).nth(50)
    expect(page.locator(".live-state")).to_have_text("Live")
    row.scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    exchange = row.get_attribute("data-id")
    row.locator(".cell-time").click()
    expect(page).to_have_url(re.compile(f"/exchanges/{exchange}$"))
    assert page.evaluate("scrollY") == 0
    site.call(0, path="/new")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/exchanges\?side=server$"))
    page.wait_for_function(f"scrollY === {scrolled}")
    assert page.evaluate("document.activeElement.closest('[data-row]').dataset.id") == exchange
    expect(page.locator(".new-pill")).to_have_text("1 new")


def test_next_and_previous_walk_the_list(site: Site, tab: OpenTab) -> None:
    """And one step back leads to the list, not through all that was seen."""
    for at in range(3):
        site.call(3 - at, path=f"/{at}")
    page = tab("/exchanges")
    page.locator(f"{ROWS} .row-link").first.click()
    expect(page.locator("h1 .path")).to_contain_text("/2")
    page.keyboard.press("j")
    expect(page.locator("h1 .path")).to_contain_text("/1")
    page.keyboard.press("j")
    expect(page.locator("h1 .path")).to_contain_text("/0")
    page.keyboard.press("k")
    expect(page.locator("h1 .path")).to_contain_text("/1")
    page.go_back()
    expect(page.locator(ROWS)).to_have_count(3)


def test_an_exchange_that_is_gone_is_told(site: Site, tab: OpenTab, watch: Watch) -> None:
    """Links outlive the store's retention."""
    watch.expects_failures = True
    page = tab(f"/exchanges/{'0' * 32}")
    expect(page.get_by_role("alert")).to_contain_text("No such exchange is stored")


def test_what_others_sent_is_text_and_breaks_nothing(site: Site, tab: OpenTab) -> None:
    """Markup, control bytes, right-to-left marks, eight thousand characters."""
    path = "/<img src=x onerror=alert(1)>\u202e\u0007" + "x" * 8000
    exchange = site.call(path=path, host="<script>alert(1)</script>", method="<B>", query="<i>=*")
    for width in (360, 1280):
        page = tab("/exchanges", width=width)
        expect(page.locator(ROWS)).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto(f"/exchanges/{exchange}")
        expect(page.locator("h1")).to_contain_text("<img src=x onerror=alert(1)>")
        assert page.locator("main img, main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
