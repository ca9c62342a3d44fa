"""The frame around all pages: range, refresh, search, theme, light, keyboard, states."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.web.conftest import FACTS, OpenTab, Site, Watch

ROWS = "tbody [data-row]"
PAGES = ["/", "/services/cart", "/exchanges", "/exchanges?service=nobody", "/nodes", "/nowhere"]


def test_the_empty_page_says_what_to_do_and_fills_by_itself(site: Site, tab: OpenTab) -> None:
    """A curl line to copy, then the service."""
    page = tab("/?refresh=2s")
    expect(page.get_by_role("heading", level=2)).to_have_text("No HTTP exchange in the last 15 minutes")
    expect(page.locator(".command code")).to_have_text(f"curl -s -o /dev/null {site.url}/")
    page.locator(".command button").click()
    expect(page.locator(".command")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"curl -s -o /dev/null {site.url}/"
    site.call(service="cart")
    expect(page.locator(ROWS)).to_have_text(re.compile("^cart"))


def test_an_empty_list_offers_each_way_out(site: Site, tab: OpenTab) -> None:
    """One filter less, no filter, more time."""
    site.call(service="cart", status=200)
    page = tab("/exchanges?service=cart&status=5xx")
    expect(page.locator(".ways-out li")).to_have_count(4)
    page.get_by_role("link", name="Without status:5xx").click()
    expect(page.locator(ROWS)).to_have_count(1)


def test_a_failure_says_what_and_why_and_goes_away_by_itself(site: Site, tab: OpenTab, watch: Watch) -> None:
    """With the server's own words."""
    watch.expects_failures = True
    site.call(service="cart")
    page = tab("/nodes")
    body = '{"error":{"code":"store_unreadable","message":"the store cannot be read: disk I/O error"}}'
    page.route("**/api/services?*", lambda route: route.fulfill(status=503, body=body))
    page.get_by_role("link", name="Services", exact=True).click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Could not load the services")
    expect(alert).to_contain_text("The store cannot be read: disk I/O error.")
    expect(alert).to_contain_text(re.compile(r"Trying again in \d+ s"))
    page.unroute("**/api/services?*")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(alert).to_have_count(0)


def test_old_data_stays_and_says_how_old_it_is(site: Site, tab: OpenTab, watch: Watch) -> None:
    """Until the backend answers again, at the latest when asked to."""
    watch.expects_failures = True
    site.call(service="cart")
    page = tab("/?refresh=2s")
    expect(page.locator(ROWS)).to_have_count(1)
    page.route("**/api/**", lambda route: route.abort())
    banner = page.locator(".banner-warning")
    expect(banner).to_contain_text(re.compile(r"Not updated since \d\d:\d\d:\d\d .*the backend cannot be reached"))
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(".light-word")).to_have_text("no contact")
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try now").click()
    expect(banner).to_have_count(0)
    expect(page.locator(".light-word")).to_have_text("complete")


def test_loading_keeps_the_layout(site: Site, tab: OpenTab) -> None:
    """The table's head and the frame do not move when data comes."""
    site.call(service="cart")
    page = tab("/nodes")
    held: list[Route] = []
    page.route("**/api/services?*", lambda route: held.append(route))
    page.get_by_role("link", name="Services", exact=True).click()
    expect(page.locator(".skeleton tr").first).to_be_visible()
    before = page.locator("thead").bounding_box()
    held[0].continue_()
    expect(page.locator(ROWS)).to_have_count(1)
    assert page.locator("thead").bounding_box() == before


def test_the_range_is_chosen_by_key_and_travels(site: Site, tab: OpenTab) -> None:
    """From page to page, and back to the default."""
    site.call(1800, service="earlier")
    site.call(1, service="now")
    page = tab("/")
    expect(page.locator(ROWS)).to_have_count(1)
    page.keyboard.press("t")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("range=1h"))
    expect(page.locator(ROWS)).to_have_count(2)
    page.get_by_role("link", name="Exchanges").click()
    expect(page).to_have_url(re.compile("/exchanges\\?range=1h$"))
    expect(page.locator(ROWS)).to_have_count(2)


def test_search_finds_services_paths_and_ids(site: Site, tab: OpenTab) -> None:
    """By key, with arrows and Enter."""
    exchange = site.call(service="checkout", path="/basket/7")
    page = tab("/nodes")
    page.keyboard.press("/")
    page.keyboard.type("check")
    expect(page.get_by_role("option").first).to_contain_text("checkout")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/services/checkout$"))
    page.keyboard.press("/")
    page.keyboard.type("basket")
    expect(page.get_by_role("option")).to_have_text("Exchanges with path:*basket*")
    page.keyboard.press("Enter")
    expect(page.locator(ROWS)).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.type(exchange)
    page.keyboard.press("Enter")
    expect(page.locator("h1 .path")).to_contain_text("/basket/7")


def test_rows_are_walked_opened_and_left_by_key(site: Site, tab: OpenTab) -> None:
    """j, k, Enter, Escape."""
    for name in ("a", "b", "c"):
        site.call(service=name)
    page = tab("/?sort=name")
    expect(page.locator(ROWS)).to_have_count(3)
    for key in "jjjk":
        page.keyboard.press(key)
    expect(page.locator(f"{ROWS}:focus-within")).to_contain_text("b")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("b")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/\?sort=name$"))


def test_help_opens_by_key_and_has_the_keyboard_for_itself(site: Site, tab: OpenTab) -> None:
    """Escape closes it and nothing else."""
    page = tab("/nodes")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("service:cart status:5xx slower:200ms path:/api/*")
    page.keyboard.press("t")
    expect(page.locator(".menu-panel:visible")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("/nodes$"))


def test_the_theme_follows_the_system_until_chosen(site: Site, tab: OpenTab) -> None:
    """And the choice outlives the visit."""
    page = tab("/nodes", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(ground) != dark
    page.reload()
    assert page.evaluate(ground) != dark
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(ground) == dark


def test_the_light_tells_what_is_lost_and_why(site: Site, tab: OpenTab) -> None:
    """What was left out as told is no loss."""
    page = tab("/?refresh=2s")
    expect(page.locator(".light-word")).to_have_text("complete")
    site.facts["ledger"] = FACTS["ledger"] | {"reported": 985, "ring_full": 5}
    expect(page.locator(".light-word")).to_have_text("0.50\u202f% lost")
    page.locator(".light").click()
    expect(page.locator(".light-panel .is-loss")).to_have_text("ring full5")
    page.get_by_role("link", name="Ledger and hooks of this node").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nodes")


def test_the_node_shows_ledger_hooks_cost_and_store(site: Site, tab: OpenTab) -> None:
    """A figure that is missing says why."""
    site.call()
    page = tab("/nodes")
    expect(page.locator(".tile").nth(0)).to_contain_text("1.50\u202f%")
    expect(page.locator(".tile").nth(1)).to_contain_text("64.0\u202fMiB")
    expect(page.locator(".tile").nth(2).locator(".unknown")).to_have_attribute("title", re.compile("bpf_stats_enabled"))
    expect(page.locator(".tile").nth(3)).to_contain_text("42")
    expect(page.locator(".causes tbody tr")).to_have_text(
        [re.compile(r"^ring full0"), re.compile(r"^not http101\.00\u202f%")]
    )
    expect(page.locator(".hooks caption")).to_have_text(["tracepoint 1"])
    expect(page.locator(".missing-hooks summary")).to_contain_text("refused; without it what it feeds is unknown")
    expect(page.locator(".card", has_text="Store").last).to_contain_text("1 record stored")


def test_hooks_that_are_missing_for_one_reason_are_one_line_until_it_is_opened(site: Site, tab: OpenTab) -> None:
    """By keyboard as by mouse; attached ones are told by their mode, each with what it feeds."""
    refused = [
        {"hook": f"ip_{number}", "mode": "none", "attached": False, "feeds": f"figure {number}", "reason": "refused"}
        for number in range(18)
    ]
    avoided = {"hook": "kfree_skb", "mode": "none", "attached": False, "feeds": "drops", "reason": "left alone"}
    by_fentry = {"hook": "tcp_recvmsg", "mode": "fentry", "attached": True, "feeds": "received bytes", "reason": None}
    site.facts["hooks"] = [by_fentry, *refused, avoided, FACTS["hooks"][0]]
    page = tab("/nodes")
    card = page.locator(".card", has=page.get_by_role("heading", name="Hooks"))
    expect(card).to_contain_text("2 of 21 attached.")
    expect(card.locator("caption")).to_have_text(["fentry 1", "tracepoint 1"])
    groups = card.locator(".missing-hooks")
    expect(groups.locator("summary")).to_contain_text(["not attached 18refused", "not attached 1left alone"])
    expect(card.get_by_text("figure 17")).to_be_hidden()
    groups.first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(card.get_by_text("figure 17")).to_be_visible()
    expect(groups.first.locator("tr")).to_have_count(18)
    expect(card.get_by_text("drops")).to_be_hidden()


def test_times_are_local_with_the_zone_and_exact_on_hover(site: Site, tab: OpenTab) -> None:
    """Nanoseconds and UTC in the title."""
    exchange = site.call()
    page = tab(f"/exchanges/{exchange}", timezone_id="Asia/Kolkata", locale="en-IN")
    time = page.locator(".headline time")
    expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d{3} (GMT\+5:30|IST)$"))
    expect(time).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} UTC$"))
    local, utc = time.inner_text()[:8], (time.get_attribute("title") or "")[11:19]
    minutes = [int(clock[:2]) * 60 + int(clock[3:5]) for clock in (local, utc)]
    assert (minutes[0] - minutes[1]) % 1440 == 330


@pytest.mark.parametrize("width", [360, 768, 1024])
def test_nothing_is_wider_than_the_screen(site: Site, tab: OpenTab, width: int) -> None:
    """Down to a phone's 360 pixels."""
    site.traffic(60)
    page = tab("/", width=width)
    for path in PAGES:
        page.goto(path)
        expect(page.locator("main h1, main h2").first).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_at_a_phones_width_every_figure_is_there(site: Site, tab: OpenTab) -> None:
    """Rows become cards."""
    site.call(service="cart")
    page = tab("/", width=360, height=740)
    for label in ("Calls", "Success", "p50", "p95", "p99", "Bytes"):
        expect(page.locator(f"[data-label={label}]")).to_be_visible()
    page.get_by_role("link", name="Exchanges").click()
    for cell in ("time", "status", "request", "duration", "ends"):
        expect(page.locator(f"tbody .cell-{cell}")).to_be_visible()


def test_nothing_moves_when_the_system_asks_for_rest(site: Site, tab: OpenTab) -> None:
    """The live list has the most to animate."""
    page = tab("/exchanges", reduced_motion="reduce")
    expect(page.locator(".live-state")).to_have_text("Live")
    site.call(0)
    expect(page.locator(ROWS)).to_have_count(1)
    assert page.evaluate("document.getAnimations().length") == 0


def test_on_paper_there_is_only_the_content(site: Site, tab: OpenTab) -> None:
    """No frame, no buttons."""
    site.call(service="cart")
    page = tab("/")
    expect(page.locator(ROWS)).to_have_count(1)
    page.emulate_media(media="print")
    expect(page.locator(ROWS)).to_be_visible()
    for hidden in (".nav", ".topbar"):
        expect(page.locator(hidden)).to_be_hidden()


def test_a_page_that_does_not_exist_is_told(site: Site, tab: OpenTab) -> None:
    """With a way out."""
    page = tab("/nowhere")
    page.get_by_role("link", name="Go to the services").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Services")
