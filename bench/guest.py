"""The part of `make bench-vm` that runs in the virtual machine: rows 1, 3, 4, 8 and 9; its time counts instructions."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.results import print_table, write_json
from bench.rows import http2_cost, https_cost, native_cost, server_cost
from bench.setting import Level, Plan

LEVELS = (
    Level("none", bpf_us=3, engine_us=15, server=1.15),
    Level("l4", bpf_us=3, engine_us=15, server=1.15),
    Level("all", bpf_us=8, server=1.35),
    Level("all", "fentry", bpf_us=8, server=1.35),
    Level("all", "kprobe", bpf_us=8, server=1.35),
    Level("all", "tracepoint", bpf_us=8, server=1.35),
)
"""The most that an exchange may cost, in thousands of instructions."""


def main() -> None:
    """`python -m bench.guest FOLDER ROWS`: measure and write the figures to FOLDER."""
    folder, rows = Path(sys.argv[1]), {int(row) for row in sys.argv[2].split(",")}
    with tempfile.TemporaryDirectory() as work:
        # A load of a second is 25 000 requests, and figures repeat to a percent: more would only take longer.
        plan = Plan(Path(work), rounds=1, seconds=1, unit="ki")
        figures = server_cost(plan, LEVELS) if 1 in rows else []
        for level in LEVELS if rows & {3, 4} else ():
            figures += native_cost(replace(plan, level=level))
        for streams in (1, 100) if 8 in rows else ():
            figures += http2_cost(replace(plan, level=Level("none", engine_us=18)), streams)
        if 9 in rows:
            figures += https_cost(plan, (Level("none", server=1.35), Level("all", server=1.35)))
        figures.sort(key=lambda each: each.row)
    print_table(figures)
    write_json("vm", figures, folder)


if __name__ == "__main__":
    main()
