"""Figures of a bench run: each with its unit and limit, printed as a table and written as JSON."""

import json
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path("bench-results")


@dataclass(frozen=True)
class Figure:
    """One measured value. `samples` are the values whose median it is; `limit` is the most it may be, or the least."""

    row: int
    name: str
    value: float
    unit: str
    limit: float | None = None
    is_least: bool = False
    samples: tuple[float, ...] = ()
    detail: str = ""

    @property
    def verdict(self) -> str:
        """Whether the limit is held; empty without one."""
        if self.limit is None:
            return ""
        is_held = self.value >= self.limit if self.is_least else self.value <= self.limit
        return "ok" if is_held else "MISSED"


def median_figure(row: int, name: str, samples: list[float], unit: str, **more: Any) -> Figure:
    """The median of several measurements."""
    return Figure(row, name, median(samples), unit, samples=tuple(samples), **more)


def print_table(figures: list[Figure]) -> None:
    """One line a figure; the spread of its samples shows how far to trust it."""
    print(f"row  {'what':<46} {'value':>12} {'unit':<10} {'limit':>8}  {'':<7} spread, detail")
    for each in figures:
        limit = "" if each.limit is None else f"{'≥' if each.is_least else '≤'} {each.limit:g}"
        spread = f"{min(each.samples):.4g}…{max(each.samples):.4g}" if len(each.samples) > 1 else ""
        value = f"{each.row:>3}  {each.name:<46} {each.value:>12.5g} {each.unit:<10} {limit:>8}  {each.verdict:<7}"
        print(value, *(word for word in (spread, each.detail) if word))


def write_json(name: str, figures: list[Figure], folder: Path = FOLDER) -> Path:
    """Write the figures, with what they were measured on, to a file in the folder; returns its path."""
    folder.mkdir(exist_ok=True)
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    about = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "revision": revision,
        "kernel": platform.release(),
        "figures": [{**asdict(each), "verdict": each.verdict} for each in figures],
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(about, indent=2) + "\n")
    return path
