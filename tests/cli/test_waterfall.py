"""Waterfalls in the terminal: segments, bars, both ends on one axis, figures by layer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rover.cli.both_ends import both_ends
from rover.cli.layer_figures import drops, rows
from rover.cli.lines import duration_text
from rover.cli.timeline import LAYERS, Segment, segments
from rover.cli.waterfall import BLOCKS, Screen, bar, cells, legend, show

CASES = json.loads((Path(__file__).parents[1] / "waterfall" / "cases.json").read_text())
"""Written by hand; the page and the encoder of `rover watch` are held to them too."""

PAIRS = {case["name"]: case for case in CASES["pairs"]}
KERNELS = {case["name"]: case["kernel"] for case in CASES["figures"]}


def named(kind: str) -> dict:
    return {"argvalues": CASES[kind], "ids": [case["name"] for case in CASES[kind]]}


def as_lists(parts: list[Segment]) -> list[list]:
    return [[part.layer, part.what, part.start_ns, part.end_ns] for part in parts]


def a_record(side="server", pair="one node", kernel=None, **changes):
    return {
        "time": "2026-01-31T12:34:56.789012345Z",
        "method": "GET",
        "host": "shop.example",
        "path": "/cart",
        "query": None,
        "status": 200,
        "response": {"body_bytes": 1500},
        "local": {"address": "10.0.0.1", "port": 80, "identity": {"service": "nginx" if side == "server" else "curl"}},
        "remote": {"address": "10.0.0.2", "port": 4711, "identity": None},
        "flags": [],
        **({"kernel": kernel} if kernel is not None else {}),
        **PAIRS[pair][side],
        **changes,
    }


@pytest.mark.parametrize("case", **named("segments"))
def test_what_lies_between_two_points_has_a_layer_and_a_name(case):
    assert as_lists(segments(case)) == case["segments"]


@pytest.mark.parametrize("case", **named("figures"))
def test_figures_are_by_layer_and_what_was_not_measured_is_none(case):
    assert [[row.layer, row.what, row.kind, row.sent, row.received] for row in rows(case["kernel"])] == case["rows"]
    assert drops(case["kernel"]) == case["drops"]


@pytest.mark.parametrize("case", **named("pairs"))
def test_two_records_lie_on_one_axis(case):
    both = both_ends(case["client"], case["server"])
    assert [[part.what, part.start_ns, part.end_ns] for part in both.network] == case["network"]
    starts = [part.start_ns for part in segments(case["server"])]
    assert [part.start_ns for part in both.server] == [start_ns + case["server_from"] for start_ns in starts]
    assert [both.clocks.is_one, both.clocks.offset_ns, both.clocks.within_ns] == case["clocks"]
    assert "network" not in [part.layer for part in both.client]


def test_layers_are_in_their_order():
    """Of the issue: application · TLS · socket · TCP · IP · netfilter · queue · device · network · wait."""
    assert list(BLOCKS) == list(LAYERS)
    order = [list(LAYERS).index(row.layer) for row in rows(KERNELS["every figure"])]
    assert order == sorted(order)


@pytest.mark.parametrize(
    "case", [case for case in CASES["segments"] if case["segments"]], ids=lambda case: case["name"]
)
@pytest.mark.parametrize("width", [60, 80, 81, 200])
def test_a_bar_is_to_scale_and_as_wide_as_the_terminal(case, width):
    drawn = bar(case, Screen(width))[2:]
    parts = case["segments"]
    length_ns = max(case["duration_ns"], parts[-1][3])
    assert len(drawn) == max((parts[-1][3] * (width - 2) + length_ns // 2) // length_ns, 1)
    for layer, block in BLOCKS.items():
        took = sum(end - start for name, _, start, end in parts if name == layer)
        # Of each segment at most one cell at either end is another's, and the smallest keeps one.
        most = 2 * sum(1 for name, *_ in parts if name == layer)
        others = sum(1 for name, *_ in parts if name != layer)
        assert (
            took * (width - 2) / length_ns - most - others
            <= drawn.count(block)
            <= took * (width - 2) / length_ns + most
        )


def test_what_lies_after_the_last_point_stays_empty():
    record = a_record(timeline=[["read_end", 0], ["write", 50]], duration_ns=100)
    assert bar(record, Screen(102)) == "  " + "█" * 50


def test_a_microsecond_beside_a_second_keeps_a_cell():
    parts = [Segment("application", "", 0, 999_999_000), Segment("queue", "", 999_999_000, 1_000_000_000)]
    assert cells(parts, 0, 1_000_000_000, 50) == ["application"] * 49 + ["queue"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"timeline": [], "duration_ns": None, "first_byte_ns": None}, "  – no response was seen"),
        ({"timeline": [], "first_byte_ns": None}, "  – no points in time between start and end are known"),
    ],
)
def test_what_is_not_known_is_a_dash_with_its_reason(changes, says):
    assert bar(a_record(**changes), Screen()) == says


@pytest.mark.parametrize("width", [60, 80, 132])
def test_the_legend_names_every_block_and_fits(width):
    lines = legend(Screen(width))
    assert "  ".join(line.strip() for line in lines) == "  ".join(
        f"{BLOCKS[layer]} {LAYERS[layer]}" for layer in LAYERS
    )
    assert max(map(len, lines)) <= width


def test_colours_only_repeat_what_the_blocks_say():
    plain, colored = bar(a_record(), Screen()), bar(a_record(), Screen(has_color=True))
    assert "\x1b[38;5;" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


@pytest.mark.parametrize("width", [60, 80, 110, 200])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_waterfall_fits_the_terminal(width, pair):
    client, server = a_record("client", pair), a_record("server", pair, KERNELS["every figure"])
    drawn = list(show(server, client, Screen(width)))[2:]
    figures = next(at for at, text in enumerate(drawn) if text.startswith("client: "))
    steps = [text for text in drawn[:figures] if text.startswith("  ")]
    assert max(map(len, steps), default=0) <= width


def test_client_network_and_server_stand_below_each_other_with_their_clocks():
    client, server = a_record("client", kernel={}), a_record("server", kernel=KERNELS["every figure"])
    for record, partner in ((client, server), (server, client)):
        drawn = list(show(record, partner, Screen(120)))
        assert [text for text in drawn if re.match("(client|network|server)( [a-z]+:80)?$", text)] == [
            "client curl:80",
            "network",
            "server nginx:80",
        ]
        assert "clocks: one, both ends were seen on one node" in drawn
        assert f"id {record['id']}, seen at the other end as {partner['id']}" in drawn
        assert "  – no socket operation of it was measured" in drawn
    [step] = [text for text in drawn if "the request on the network" in text]
    assert re.fullmatch(r"  network     the request on the network +12\.0 µs ░", step)


def test_the_offset_of_two_clocks_is_told_with_its_bound():
    pair = "two nodes, the server's clock 2 ms ahead"
    drawn = list(show(a_record("client", pair), a_record("server", pair), Screen()))
    said = [text for text in drawn if text.startswith("clocks: ")]
    assert said == [
        "clocks: the server's is 2.00 ms ahead of the client's (± 47.0 µs), "
        "taken out as if both ways took the same time"
    ]


def test_figures_stand_by_layer_with_a_dash_for_what_was_not_measured():
    drawn = list(show(a_record(kernel=KERNELS["tracepoints alone"]), None, Screen()))
    table = drawn[
        drawn.index("server: what the kernel did, as sums over the exchange's socket operations and packets") :
    ]
    words = [" ".join(text.split()) for text in table]
    assert "socket operations 1 1" in words
    assert "TCP (L4) packets 1 1" in words
    assert "by itself – –" in words
    assert "with the layers inside 50.0 µs" in words
    assert "wait in the socket's queue 15.0 µs" in words
    assert not any(text.startswith("dropped") for text in words)


def test_layers_below_the_socket_are_one_line_if_none_was_measured():
    drawn = list(show(a_record(kernel={"write": {"operations": 1, "bytes": 9, "syscall_ns": 5}}), None, Screen()))
    assert [text.split()[0] for text in drawn[-5:]] == ["layer", "socket", "bytes", "in", "–"]
    assert drawn[-1] == "  – the layers below the socket were not measured: their hooks are not attached"
    assert "retransmits" in "\n".join(show(a_record(kernel={"write": {"retransmits": 0}}), None, Screen()))


def test_what_the_kernel_dropped_is_told_and_no_control_character_reaches_the_terminal():
    kernel = {"write": {"interface": "e\x1b[2J", "drops": [{"reason": "NO\x07", "location": "x", "count": 3}]}}
    drawn = "\n".join(show(a_record(kernel=kernel), None, Screen()))
    assert "  dropped: 3 × NO\\x07 in x" in drawn
    assert "\x1b" not in drawn


def test_an_exchange_of_which_nothing_is_known_is_told_in_words():
    record = a_record(timeline=[], duration_ns=None, first_byte_ns=None)
    drawn = list(show(record, None, Screen()))
    assert "– no response was seen" in drawn
    assert duration_text(0) not in "\n".join(drawn)


def test_the_example_of_the_documentation_is_what_is_printed():
    """docs/waterfall.md."""
    drawn = list(show(a_record("client", kernel={}), a_record(kernel=KERNELS["every figure"]), Screen(110)))
    page = (Path(__file__).parents[2] / "docs" / "waterfall.md").read_text()
    parts = "\n".join(drawn).split("\n\n")
    assert len(parts) == 4
    assert parts[1] in page
    assert parts[3] in page
