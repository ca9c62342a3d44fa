"""Services and endpoints: is something wrong, and where."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OpenTab, Site


def names(page: Page) -> list[str]:
    """The first column."""
    expect(page.locator("tbody [data-row]").first).to_be_visible()
    return page.locator("tbody .row-link").all_inner_texts()


@pytest.fixture
def services(site: Site) -> Site:
    """`busy` fails most often, `rare` the largest share, `well` never; `well` is slowest."""
    busy = [
        site.made(30 + at, service="busy", status=500 if at < 6 else 200, duration_ns=2_000_000) for at in range(60)
    ]
    site.put(
        *busy,
        site.made(40, service="rare", status=503, duration_ns=3_000_000),
        site.made(41, service="rare", duration_ns=3_000_000),
        site.made(42, service="well", duration_ns=900_000_000),
    )
    return site


def test_what_hurts_most_comes_first_and_is_said_in_a_sentence(services: Site, tab: OpenTab) -> None:
    """Failed calls per minute, not their share."""
    page = tab("/")
    assert names(page) == ["busy", "rare", "well"]
    expect(page.locator(".verdict")).to_contain_text(
        "busy fails 10.0\u202f% of its calls, and 1 more service fails some."
    )
    row = page.locator("[data-row]", has_text="busy")
    expect(row.locator("[data-label=Success]")).to_have_text("90.0\u202f%")
    # Percentiles are exact to 1 %.
    expect(row.locator("[data-label=p95]")).to_have_text(re.compile(r"^(1\.9[89]|2\.0[0-2])\u202fms$"))


def test_without_failures_the_sentence_says_so(site: Site, tab: OpenTab) -> None:
    """404 is an answer."""
    site.call(service="cart", status=404)
    expect(tab("/").locator(".verdict")).to_contain_text("Every call was answered without a server error.")


def test_a_click_on_a_column_sorts_and_the_address_remembers(services: Site, tab: OpenTab) -> None:
    """First the large figures, then the small ones, then what hurts again."""
    page = tab("/")
    column = page.get_by_role("button", name="p95")
    column.click()
    assert names(page)[0] == "well"
    assert "sort=-p95" in page.url
    expect(page.get_by_role("columnheader", name="p95")).to_have_attribute("aria-sort", "descending")
    page.reload()
    assert names(page)[0] == "well"
    column.click()
    expect(page).to_have_url(re.compile(r"sort=p95"))
    assert names(page)[-1] == "well"
    column.click()
    expect(page).not_to_have_url(re.compile("sort="))
    assert names(page)[0] == "busy"


def test_a_figure_leads_to_the_exchanges_behind_it(services: Site, tab: OpenTab) -> None:
    """The failed ones behind the success rate."""
    page = tab("/")
    page.locator("[data-row]", has_text="busy").locator("[data-label=Success] a").click()
    expect(page).to_have_url(re.compile(r"/exchanges\?service=busy&status=5xx&side=server$"))
    expect(page.locator("tbody [data-row]")).to_have_count(6)


def test_the_slow_ones_are_found_behind_a_percentile(services: Site, tab: OpenTab) -> None:
    """At least one exchange is as slow as the p99 says."""
    page = tab("/")
    page.locator("[data-row]", has_text="well").locator("[data-label=p99] a").click()
    expect(page).to_have_url(re.compile("slower="))
    expect(page.locator("tbody [data-row]")).to_have_count(1)


def test_a_service_has_figures_endpoints_and_its_latest_exchanges(services: Site, tab: OpenTab) -> None:
    """Reached by a click on its row."""
    services.call(5, service="busy", method="POST", path="/api/orders", status=201)
    page = tab("/")
    page.locator("[data-row]", has_text="busy").locator("th").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("busy")
    expect(page.locator(".tile").nth(1)).to_contain_text("90.2\u202f%")
    endpoints = page.locator(".figures tbody [data-row]")
    expect(endpoints).to_have_count(2)
    expect(endpoints.first).to_contain_text("/api/items")
    expect(page.locator(".exchanges tbody [data-row]").first).to_contain_text("/api/orders")
    endpoints.last.locator("[data-label=Calls] a").click()
    expect(page).to_have_url(re.compile(r"service=busy&method=POST&path=/api/orders&side=server"))
    expect(page.locator("tbody [data-row]")).to_have_count(1)


def test_figures_follow_the_refresh(services: Site, tab: OpenTab) -> None:
    """Without a reload."""
    page = tab("/?refresh=2s")
    assert names(page)[-1] == "well"
    services.call(service="new")
    expect(page.locator("[data-row]", has_text="new")).to_be_visible()


def test_a_service_of_any_name_has_its_page(site: Site, tab: OpenTab) -> None:
    """Slashes, spaces, percent signs, markup."""
    name = "a/b c%2F<b>?#"
    site.call(service=name)
    page = tab("/")
    page.locator("tbody .row-link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".figures tbody [data-row]")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_of_many_endpoints_the_worst_are_shown_first(site: Site, tab: OpenTab) -> None:
    """Some services have hundreds of them; all are one click away, and in the address."""
    site.put(*(site.made(10, path=f"/orders/of-{at}", status=500 if at == 33 else 200) for at in range(40)))
    page = tab("/services/cart")
    endpoints = page.locator(".figures tbody [data-row]")
    expect(endpoints).to_have_count(15)
    expect(endpoints.first).to_contain_text("/orders/of-33")
    page.get_by_role("link", name="Show all 40").click()
    expect(endpoints).to_have_count(40)
    page.reload()
    expect(endpoints).to_have_count(40)
