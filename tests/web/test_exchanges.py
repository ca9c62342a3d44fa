"""The list of exchanges: filters and live tail."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OpenTab, Site, Watch

pytestmark = pytest.mark.slow

ROWS = "tbody [data-row]"


def type_filter(page: Page, text: str) -> None:
    """As a person would."""
    page.keyboard.press("f")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("service:cart", {"/a", "/b", "/c/d"}),
        ("method:DELETE", {"/b"}),
        ("path:/c/*", {"/c/d"}),
        ("status:5xx", {"/b"}),
        ("status:404,503", {"/b", "/c/d"}),
        ("slower:200ms", {"/slow"}),
        ("side:client", {"/out"}),
        ("peer:mobile", {"/slow"}),
        ("peer:127.0.0.1 status:404", {"/c/d"}),
        ("service:cart status:4xx path:/c*", {"/c/d"}),
        ("/c", {"/c/d"}),
    ],
)
def test_each_filter_finds_what_it_says(site: Site, tab: OpenTab, text: str, found: set[str]) -> None:
    """And the address holds it: another tab shows the same."""
    site.call(5, service="cart", path="/a")
    site.call(4, service="cart", path="/b", method="DELETE", status=503)
    site.call(3, service="cart", path="/c/d", status=404)
    site.call(2, service="shop", path="/slow", duration_ns=250_000_000, peer_service="mobile")
    site.call(1, service="shop", path="/out", side="client")
    page = tab("/exchanges")
    expect(page.locator(ROWS)).to_have_count(5)
    type_filter(page, text)
    expect(page.locator(ROWS)).to_have_count(len(found))
    assert set(page.locator(f"{ROWS} .path").all_inner_texts()) == found
    other = tab(page.url)
    expect(other.locator(ROWS)).to_have_count(len(found))


def test_filters_are_chips_that_can_be_edited_and_removed(site: Site, tab: OpenTab) -> None:
    """Each step can be taken back with the browser's own button."""
    site.call(service="cart", status=503)
    page = tab("/exchanges")
    type_filter(page, "service:cart status:404")
    expect(page.locator(".chip")).to_have_count(2)
    expect(page.locator(ROWS)).to_have_count(0)
    page.get_by_role("button", name="status:404").first.click()
    expect(page.get_by_role("combobox", name="Filter exchanges")).to_have_value("status:404")
    page.keyboard.press("Backspace")
    page.keyboard.type("3 ")
    page.keyboard.press("Backspace")
    expect(page).to_have_url(re.compile("service=cart$"))
    expect(page.get_by_role("combobox", name="Filter exchanges")).to_have_value("status:403")
    page.keyboard.press("Control+A")
    page.keyboard.type("status:503")
    page.keyboard.press("Enter")
    expect(page.locator(ROWS)).to_have_count(1)
    page.get_by_role("button", name="Remove the filter service:cart").click()
    expect(page).to_have_url(re.compile(r"\?status=503$"))
    page.go_back()
    expect(page.locator(".chip")).to_have_count(2)


def test_a_word_that_makes_no_sense_is_told_and_kept(site: Site, tab: OpenTab) -> None:
    """What could be read takes effect."""
    page = tab("/exchanges")
    type_filter(page, "statsu:404 service:cart")
    expect(page.get_by_role("alert")).to_contain_text("“statsu” is no filter")
    expect(page.get_by_role("combobox", name="Filter exchanges")).to_have_value("statsu:404")
    expect(page.locator(".chip")).to_have_count(1)


def test_suggestions_name_fields_and_services(site: Site, tab: OpenTab) -> None:
    """Arrow and Enter take one."""
    site.call(service="checkout")
    page = tab("/exchanges")
    page.keyboard.press("f")
    page.keyboard.type("serv")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("che")
    expect(page.get_by_role("option")).to_have_text("service:checkout")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("service=checkout"))


def test_a_refused_filter_of_an_address_is_shown_in_the_servers_words(site: Site, tab: OpenTab, watch: Watch) -> None:
    """Addresses are written by hand, too."""
    watch.expects_failures = True
    page = tab("/exchanges?status=abc")
    expect(page.get_by_role("alert")).to_contain_text("Could not load the exchanges")
    expect(page.get_by_role("alert")).to_contain_text("status", ignore_case=True)
    page.get_by_role("button", name="Remove the filter status:abc").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_new_exchange_appears_within_a_second(site: Site, tab: OpenTab) -> None:
    """On top, without a reload."""
    site.call(10, path="/before")
    page = tab("/exchanges")
    expect(page.locator(".live-state")).to_have_text("Live")
    site.call(0, path="/now")
    expect(page.locator(f"{ROWS} .path").first).to_have_text("/now", timeout=1000)


def test_the_live_list_keeps_to_its_filter(site: Site, tab: OpenTab) -> None:
    """What comes later passes the same conditions."""
    page = tab("/exchanges?status=5xx")
    expect(page.locator(".live-state")).to_have_text("Live")
    site.call(0, path="/fine")
    site.call(0, path="/broken", status=500)
    expect(page.locator(f"{ROWS} .path")).to_have_text(["/broken"])


def test_paused_means_that_nothing_moves(site: Site, tab: OpenTab) -> None:
    """And the number of new ones is told."""
    site.call(10, path="/before")
    page = tab("/exchanges")
    expect(page.locator(".live-state")).to_have_text("Live")
    page.keyboard.press("p")
    site.call(0, path="/one")
    site.call(0, path="/two")
    expect(page.locator(".live-state")).to_have_text("Paused · 2 new")
    expect(page.locator(f"{ROWS} .path")).to_have_text(["/before"])
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(f"{ROWS} .path")).to_have_text(["/two", "/one", "/before"])


def test_the_list_stands_still_under_a_reader_who_has_scrolled(site: Site, tab: OpenTab) -> None:
    """The row being read keeps its place on the screen; one click leads back to the top."""
    site.traffic(80)
    page = tab("/exchanges")
    expect(page.locator(ROWS)).to_have_count(80)
    expect(page.locator(".live-state")).to_have_text("Live")
    row = page.locator(ROWS).nth(40)
    row.scroll_into_view_if_needed()
    before = row.bounding_box()
    site.call(0, path="/new")
    pill = page.locator(".new-pill")
    expect(pill).to_have_text("1 new")
    assert row.bounding_box() == before
    pill.click()
    expect(page.locator(f"{ROWS} .path").first).to_have_text("/new")
    assert page.evaluate("scrollY") == 0


def test_older_ones_come_with_scrolling_until_the_range_ends(site: Site, tab: OpenTab) -> None:
    """Each once, newest first."""
    site.traffic(230)
    page = tab("/exchanges")
    expect(page.locator(ROWS)).to_have_count(100)
    for count in (200, 230):
        # Not to an element: the end of the list is another one as soon as more have come.
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(page.locator(ROWS)).to_have_count(count)
    expect(page.locator(".list-end")).to_have_text("That is every one in the last 15 minutes.")
    ids = page.locator(ROWS).evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert ids == sorted(set(ids), reverse=True)


def test_a_fixed_range_shows_that_time_and_does_not_follow(site: Site, tab: OpenTab) -> None:
    """`from` and `to` in the address."""
    site.call(7200, path="/then")
    site.call(1, path="/now")
    page = tab("/exchanges?range=6h")
    expect(page.locator(ROWS)).to_have_count(2)
    time = page.locator("time").last.get_attribute("datetime")
    assert time is not None
    page.goto(f"/exchanges?from={time[:16]}:00Z&to={time[:16]}:59.999Z")
    expect(page.locator(f"{ROWS} .path")).to_have_text(["/then"])
    expect(page.locator(".live-state")).to_contain_text("Fixed range")
    page.get_by_role("link", name="Go live").click()
    expect(page.locator(f"{ROWS} .path")).to_have_text(["/now"])


def test_columns_are_the_readers_choice_and_remembered(site: Site, tab: OpenTab) -> None:
    """In this browser."""
    site.call()
    page = tab("/exchanges", width=1440)
    header = page.locator("thead th")
    expect(header).to_have_text(["Time", "Status", "Request", "Duration", "Size", "From, to", "Seen at", "Flags"])
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Flags").uncheck()
    page.get_by_label("First byte").check()
    shown = ["Time", "Status", "Request", "Duration", "First byte", "Size", "From, to", "Seen at"]
    expect(header).to_have_text(shown)
    page.reload()
    expect(header).to_have_text(shown)


def test_more_than_a_list_can_follow_is_told_not_hidden(site: Site, tab: OpenTab) -> None:
    """The store has them all; the list says what it lacks and can start anew."""
    page = tab("/exchanges?service=cart")
    expect(page.locator(".live-state")).to_have_text("Live")
    for _ in range(3):
        site.traffic(2000, over_seconds=1.0)
    expect(page.locator(".banner-quiet")).to_contain_text("came faster than a live list can follow")
    page.get_by_role("button", name="Load the newest").click()
    expect(page.locator(".banner-quiet")).to_have_count(0)
    expect(page.locator(ROWS)).to_have_count(100)


def test_a_long_path_is_cut_in_its_middle(site: Site, tab: OpenTab) -> None:
    """Beginning and end tell paths apart; the whole of it is in the title."""
    path = "/docs/getting-started/" + "very/" * 30 + "index.html"
    site.call(path=path)
    for width in (360, 1280):
        page = tab("/exchanges", width=width)
        start, end = page.locator(".path-start"), page.locator(".path-end")
        expect(start).to_be_visible()
        for part in (start, end):
            box = part.bounding_box()
            assert box is not None
            assert box["width"] > 40
        expect(page.locator(f"{ROWS} .row-link")).to_have_attribute("title", f"cart.local:8080{path}")
