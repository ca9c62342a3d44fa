"""What the demo says in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rover.demo.shop import Shop


def what_runs(shop: Shop) -> Iterator[str]:
    """A line for each part, also for those that are left out."""
    yield "rover: the shop:"
    for part in shop.parts:
        yield f"  {part.name:12}{part.language:9}{part.says}"
    for name, reason in shop.left_out.items():
        yield f"  {name:12}left out: {reason}"


def where_to_look(shop: Shop, url: str) -> Iterator[str]:
    """Addresses of the page, each with what is to be seen there."""
    sights = [("topology", "who calls whom, how often, how long")]
    if "payments" in shop.ports:
        sights.append(("services/payments", "POST /charge fails each fifth time, and /checkout of shop with it"))
    sights.append(("topology?edge=shop~reviews", "the slow edge: shop waits a third of a second for reviews"))
    sights.append(("exchanges?path=/reviews/*", "open one: where its time went, layer by layer"))
    yield "rover: where to look:"
    for path, says in sights:
        yield f"  {url + path:55}{says}"
