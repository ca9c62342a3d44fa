"""The part of `make bench-vm` that runs in the virtual machine: rows 1, 3 and 4; its time counts instructions."""

import sys
import tempfile
from pathlib import Path

from bench.results import print_table, write_json
from bench.rows import native_cost, server_cost
from bench.setting import Plan

ENGINE_KI, BPF_KI = 15.0, 3.0
"""The most that an exchange may cost, in thousands of instructions."""


def main() -> None:
    """`python -m bench.guest FOLDER`: measure and write the figures to FOLDER."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        # A load of a second is 25 000 requests, and figures repeat to a percent: more would only take longer.
        plan = Plan(Path(work), rounds=2, seconds=1, unit="ki")
        figures = sorted([*server_cost(plan), *native_cost(plan, ENGINE_KI, BPF_KI)], key=lambda each: each.row)
    print_table(figures)
    write_json("vm", figures, folder)


if __name__ == "__main__":
    main()
