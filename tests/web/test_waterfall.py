"""The waterfall of an exchange: lanes, clocks, tables, for everybody."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.backend import rows
from tests.web.conftest import OpenTab, Site
from tests.web.test_access import complaints

pytestmark = pytest.mark.slow

CASES = json.loads((Path(__file__).parents[1] / "waterfall" / "cases.json").read_text())
KERNELS = {case["name"]: case["kernel"] for case in CASES["figures"]}
PAIRS = {case["name"]: case for case in CASES["pairs"]}
NODE, OTHER_NODE = 0x0BADCAFE, 0x0BADCAFF


def put_pair(site: Site, pair: str = "one node", runs: tuple[int, int] = (NODE, NODE), **fields: Any) -> dict[str, str]:
    """Stores both ends of an exchange as a case has them, now; their ids by side."""
    case = PAIRS[pair]
    now_ns = time.time_ns() - 5 * 10**9
    ids = {}
    for side, run in zip(("client", "server"), runs, strict=True):
        half = case[side]
        wall_ns = now_ns + int(half["id"][:16], 16) - int(case["client"]["id"][:16], 16)
        client = {"address": "10.0.0.1", "port": 40000, "identity": {"service": "frontend"}}
        server = {"address": "10.0.0.2", "port": 8080, "identity": {"service": "cart"}}
        local, remote = (client, server) if side == "client" else (server, client)
        made = rows.record(wall_ns, duration_ns=half["duration_ns"], timeline=half["timeline"], side=side)
        made |= {
            "id": f"{wall_ns:016x}{run:08x}{half['id'][24:]}",
            "start_ns": half["start_ns"],
            "end_ns": half["start_ns"] + half["duration_ns"],
            "local": local,
            "remote": remote,
            "kernel": KERNELS["every figure"],
            **fields,
        }
        site.put(rows.row_of(made))
        ids[side] = made["id"]
    return ids


def lane(page: Page, name: str) -> Locator:
    """The row of a lane."""
    return page.locator(".lane-row").filter(has=page.get_by_role("img", name=re.compile(f"^{name}: ")))


def figure(page: Page, layer: str, what: str, table: int = 0) -> Locator:
    """The two cells of a figure."""
    row = page.locator(".layers").nth(table).locator("tbody tr").filter(has_text=layer).filter(has_text=what)
    return row.locator("td.number")


def texts(cells: Locator) -> list[str]:
    """What they say, as soon as both are there."""
    expect(cells).to_have_count(2)
    return cells.all_inner_texts()


@pytest.mark.parametrize("opened", ["client", "server"])
def test_both_ends_stand_on_one_axis_with_the_network_between(site: Site, tab: OpenTab, opened: str) -> None:
    """Client above, server below, whichever record was opened."""
    ids = put_pair(site)
    page = tab(f"/exchanges/{ids[opened]}")
    names = page.locator(".lane-name")
    expect(names).to_have_text(["clientfrontend", "network", "servercart", ""])
    expect(page.locator(".clocks")).to_have_text("Both ends were seen on one node, by one clock.")
    way = lane(page, "network").locator("rect.segment")
    expect(way).to_have_count(2)
    # 13 to 25 µs and 868 to 950 µs of 1 ms; the longer is painted first.
    assert [(each.get_attribute("x"), each.get_attribute("width")) for each in way.all()] == [
        ("86.8000%", "8.2000%"),
        ("1.3000%", "1.2000%"),
    ]
    application = lane(page, "server").locator("rect.layer-application")
    assert (application.get_attribute("x"), application.get_attribute("width")) == ("5.5000%", "80.0000%")
    steps = page.locator(".segments tbody tr")
    expect(steps.filter(has_text="waiting for the other end")).to_have_text(re.compile("^clientwait.*93.0\u202f%$"))
    expect(page.locator(".layers caption")).to_have_text(["The kernel at the client", "The kernel at the server"])
    page.get_by_role("link", name=ids["server" if opened == "client" else "client"]).click()
    expect(names.first).to_have_text("clientfrontend")


def test_the_offset_of_two_nodes_clocks_is_stated(site: Site, tab: OpenTab) -> None:
    """And how far it can be trusted."""
    ids = put_pair(site, "two nodes, the server's clock 2 ms ahead", (NODE, OTHER_NODE))
    page = tab(f"/exchanges/{ids['server']}")
    expect(page.locator(".clocks")).to_contain_text(
        "the server's clock is 2.00\u202fms ahead of the client's, ± 47.0\u202fµs"
    )
    expect(lane(page, "network").locator("rect.segment")).to_have_count(2)


def test_one_record_has_one_lane(site: Site, tab: OpenTab) -> None:
    """And no word about clocks."""
    page = tab(f"/exchanges/{site.call(timeline=PAIRS['one node']['server']['timeline'], duration_ns=850_000)}")
    expect(page.locator(".lane-name")).to_have_text(["server", ""])
    expect(page.locator(".clocks")).to_have_count(0)
    expect(page.locator(".lane rect.segment")).to_have_count(11)


def test_figures_by_layer_are_the_records(site: Site, tab: OpenTab) -> None:
    """Totals, what a layer took by itself, and what only one direction has."""
    page = tab(f"/exchanges/{site.call(kernel=KERNELS['every figure'])}")
    assert texts(figure(page, "IP (L3)", "with the layers inside")) == ["30.0\u202fµs", "25.0\u202fµs"]
    assert texts(figure(page, "IP (L3)", "by itself")) == ["13.0\u202fµs", "12.0\u202fµs"]
    assert texts(figure(page, "TCP (L4)", "retransmits")) == ["1", ""]
    assert texts(figure(page, "device", "interface")) == ["eth0", "eth0"]
    expect(page.locator(".dropped")).to_have_text("Dropped by the kernel: 3 × NO_SOCKET in tcp_v4_rcv")
    expect(page.locator(".layers .unknown")).to_have_count(0)


def test_what_tracepoints_alone_cannot_tell_is_a_dash_with_its_reason(site: Site, tab: OpenTab) -> None:
    """Never 0."""
    page = tab(f"/exchanges/{site.call(kernel=KERNELS['tracepoints alone'])}")
    unknown = figure(page, "netfilter", "by itself").first.locator(".unknown")
    expect(unknown).to_have_attribute("title", re.compile("^no fentry on this kernel"))
    assert texts(figure(page, "TCP (L4)", "retransmits")) == ["0", ""]
    assert texts(figure(page, "wait", "in the socket's queue")) == ["", "15.0\u202fµs"]


def test_a_record_without_figures_says_so(site: Site, tab: OpenTab) -> None:
    """Of the socket alone, or of nothing."""
    page = tab(f"/exchanges/{site.call(kernel={'write': {'operations': 2, 'bytes': 10}})}")
    expect(page.locator(".layers tbody tr")).to_have_count(3)
    expect(page.locator(".card").first).to_contain_text("The layers below the socket were not measured")
    page.goto(f"/exchanges/{site.call(kernel={}, timeline=[], duration_ns=None, flags=['no_response'])}")
    expect(page.locator(".card").first).to_contain_text("No socket operation was measured at the server.")
    expect(page.locator(".lane")).to_have_count(0)


def test_the_picture_can_be_heard(site: Site, tab: OpenTab) -> None:
    """Each lane says its segments with their times; the tables have row and column heads."""
    page = tab(f"/exchanges/{put_pair(site)['client']}")
    expect(
        page.get_by_role("img", name=re.compile(r"^network: network 12.0\sµs, the request on the network; "))
    ).to_be_visible()
    expect(
        page.get_by_role("img", name=re.compile(r"^server: .*application 800\sµs, the application at work"))
    ).to_be_visible()
    expect(page.get_by_role("table", name="Step by step").get_by_role("rowheader").first).to_have_text("socket")
    expect(page.get_by_role("table", name="The kernel at the server").get_by_role("columnheader")).to_have_text(
        ["Layer", "Sum over the exchange", "Sent", "Received"]
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_passes_in_both_themes_on_a_phone_and_on_a_desk(site: Site, tab: OpenTab, theme: str, width: int) -> None:
    """WCAG 2.2 AA, and nothing wider than the screen."""
    ids = put_pair(site, kernel=KERNELS["tracepoints alone"])
    page = tab(f"/exchanges/{ids['client']}", width=width, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    expect(page.locator(".layers")).to_have_count(2)
    assert complaints(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".lane").first.evaluate("lane => lane.getBoundingClientRect().width > innerWidth / 2")


def test_a_microsecond_beside_a_second_is_still_to_be_seen(site: Site, tab: OpenTab) -> None:
    """At least a pixel, above the long one."""
    timeline = [["read_end", 0], ["write", 500_000_000], ["write_end", 500_001_000], ["last_nic_out", 1_000_000_000]]
    page = tab(f"/exchanges/{site.call(timeline=timeline, duration_ns=1_000_000_000)}")
    short = page.locator(".lane rect.layer-socket")
    seen = short.evaluate(
        """rect => {
          const box = rect.getBoundingClientRect();
          const lane = rect.ownerSVGElement.getBoundingClientRect();
          return [box.width, document.elementFromPoint(lane.x + lane.width / 2, lane.y + 13) === rect];
        }"""
    )
    assert float(page.evaluate("rect => getComputedStyle(rect).strokeWidth.slice(0, -2)", short.element_handle())) >= 1
    assert seen[1]
