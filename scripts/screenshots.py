#!/usr/bin/env python3
"""Takes the pictures of README and docs from a running demo: the pages as they are, with real traffic behind them.

    sudo .venv/bin/python scripts/screenshots.py             # starts rover demo and takes all of them: five minutes
    .venv/bin/python scripts/screenshots.py --url URL   # of a demo that runs already

Needs chromium and what `scripts/setup.sh test` installs."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/images"
TRAFFIC_S = 270
"""Charts have a bar a minute."""
MOST_BYTES = 200_000
RANGE = "range=5m"


@dataclass(frozen=True)
class Picture:
    """One page in one theme."""

    name: str
    path: str
    there: str
    """What has to be on the page before it is taken."""
    theme: str = "light"
    width: int = 1280
    height: int = 800


PICTURES = (
    Picture("topology-light", f"/topology?{RANGE}&source=shop&target=payments", ".map-panel"),
    Picture("topology-dark", f"/topology?{RANGE}", ".map-node", "dark"),
    Picture("topology-phone", f"/topology?{RANGE}", ".map-node", "dark", 390, 800),
    Picture("services-light", f"/?{RANGE}", "tbody [data-row]", height=620),
    Picture("service-http-light", f"/services/payments?tab=http&{RANGE}", ".chart svg"),
    Picture("service-tcp-dark", f"/services/shop?tab=tcp&{RANGE}", ".chart svg", "dark", height=900),
    Picture("exchanges-dark", f"/exchanges?{RANGE}&side=server", "tbody [data-row]", "dark"),
    Picture("exchange-light", "/exchanges/{charge}", ".segments tbody tr", height=1000),
    Picture("compare-dark", f"/compare?{RANGE}", "tbody tr th", "dark", height=560),
    Picture("nodes-light", "/nodes", ".hooks caption"),
)


def main() -> int:
    """Take all pictures, or those that are named; 1 if one of them is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", help="of a demo that runs already")
    parser.add_argument("names", nargs="*", help="only these")
    given = parser.parse_args()
    wanted = [picture for picture in PICTURES if not given.names or picture.name in given.names]
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("screenshots: chromium is not installed")
    with demo(given.url) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        charge = id_of_a_charge(url)
        sizes = {picture.name: take(browser, url, picture, charge) for picture in wanted}
        browser.close()
    for name, size in sizes.items():
        print(f"{name:24}{size / 1000:6.0f} kB{'  too large' if size > MOST_BYTES else ''}")
    return int(any(size > MOST_BYTES for size in sizes.values()))


@contextmanager
def demo(url: str | None) -> Iterator[str]:
    """The address of a demo with some minutes of traffic."""
    if url is not None:
        yield url.rstrip("/")
        return
    command = [ROOT / ".venv/bin/rover", "demo", "--seconds", str(TRAFFIC_S + 120), "--stay"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = next((match for line in process.stderr if (match := re.search(r"(http://\S+?)/topology", line))), None)
        if found is None:
            sys.exit("screenshots: rover demo did not start")
        print(f"screenshots: {TRAFFIC_S} s of traffic first", file=sys.stderr)
        time.sleep(TRAFFIC_S)
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def id_of_a_charge(url: str) -> str:
    """Id of a charge: over TLS, seen from both ends."""
    with urlopen(f"{url}/api/exchanges?path=/charge&side=server&limit=1", timeout=20) as answer:  # noqa: S310
        return str(json.load(answer)["exchanges"][0]["id"])


def take(browser: Browser, url: str, picture: Picture, charge: str) -> int:
    """One picture; its size in bytes."""
    context = browser.new_context(
        base_url=url,
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(picture.path.format(charge=charge))
    page.locator(picture.there).first.wait_for()
    page.wait_for_timeout(800)
    file = IMAGES / f"{picture.name}.png"
    page.screenshot(path=file)
    context.close()
    return file.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
