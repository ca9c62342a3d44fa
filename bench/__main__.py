"""`python -m bench`: measure on this machine, print the table, write JSON. Needs root; takes about three minutes."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.results import Figure, print_table, write_json
from bench.rows import bystander, completeness, http2_cost, https_cost, idle_memory, native_cost, server_cost, start
from bench.setting import Level, Plan

LEVELS = (
    Level("none", bpf_us=2.5, engine_us=5, server=1.15),
    Level("l4", bpf_us=2.5, engine_us=5, server=1.15),
    Level("all", bpf_us=5, engine_us=5, server=1.35),
)
"""The most that an exchange may cost here."""

HTTP2 = Level("all", bpf_us=5, engine_us=6)
HTTPS = (Level("none", server=1.35), Level("all", server=1.35))
HTTPS_ADDED_US = 5
STREAMS = (1, 100)
"""An operation for each message, and many messages in one."""


def main() -> int:
    """Measure the rows that are asked for; returns 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", default="1,2,3,4,5,6,7,8,9", help="rows to measure, for instance 1,3")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; the median counts")
    parser.add_argument("--seconds", type=int, default=4, help="length of a load")
    parser.add_argument("--sustained", type=int, default=60, help="length of the load at a steady rate (row 2)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench: needs root: sudo make bench", file=sys.stderr)
        return 3
    rows = {int(row) for row in options.rows.split(",")}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="rover-bench.") as folder:
        plan = Plan(Path(folder), options.rounds, options.seconds, level=Level("all"))
        measures: list[tuple[set[int], Callable[[], list[Figure]]]] = [
            ({1}, lambda: server_cost(plan, LEVELS)),
            ({2}, lambda: completeness(plan, options.sustained)),
            ({3, 4}, lambda: [each for level in LEVELS for each in native_cost(replace(plan, level=level))]),
            ({5}, lambda: idle_memory(plan)),
            ({6}, lambda: start(plan)),
            ({7}, lambda: bystander(plan)),
            ({8}, lambda: [each for streams in STREAMS for each in http2_cost(replace(plan, level=HTTP2), streams)]),
            ({9}, lambda: https_cost(plan, HTTPS, HTTPS_ADDED_US)),
        ]
        for covered, measure in measures:
            if covered & rows:
                print(f"measuring row {', '.join(map(str, sorted(covered)))} …", file=sys.stderr, flush=True)
                figures += measure()
    figures.sort(key=lambda each: each.row)
    print_table(figures)
    print(f"written to {write_json('machine', figures)}")
    return 1 if any(each.verdict == "MISSED" for each in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
