"""The lines of `rover status`: made from what the daemon tells, and from what it told a moment before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rover.ledger import EXPLAINED, losses

_SHOWN = 10
"""How many processes, programs and hooks are named."""


def page(now: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    """All lines."""
    yield f"rover {now['version']} on {now['node']}: {now['state']}, pid {now['pid']}, up {_span(now['uptime_s'])}"
    seconds = max(now["time_s"] - before["time_s"], 1e-3)
    if "stats" not in now or "stats" not in before:
        yield "the engine gives no figures in this state"
        return
    yield ""
    yield from _traffic(now, before, seconds)
    yield from _losses(now["ledger"])
    yield from _cost(now, before, seconds)
    yield from _reporting(now["stats"])
    yield from _hooks(now["hooks"])
    yield from _processes(now["stats"], before["stats"], seconds)


def _traffic(now: dict[str, Any], before: dict[str, Any], seconds: float) -> Iterator[str]:
    stats, was = now["stats"], before["stats"]
    rate = (stats["records"] - was["records"]) / seconds
    operations = (now["ledger"]["captured"] - before["ledger"]["captured"]) / seconds
    yield f"records      {stats['records']}, {rate:.1f}/s; operations {operations:.1f}/s"
    yield f"watched      {now['watched_processes']} processes, {stats['connections']} connections"
    waiting = {
        "records held": stats["records_held"],
        "rows": stats["rows_waiting"],
        "bytes of output": stats["output_bytes_waiting"],
        "in flight": now["ledger"]["in_flight"],
    }
    told = ", ".join(f"{count} {what}" for what, count in waiting.items() if count) or "nothing"
    yield f"waiting      {told}; at most {stats['lag_ns'] / 1e6:.0f} ms in the ring buffer"


def _losses(ledger: dict[str, int]) -> Iterator[str]:
    lost = losses(ledger)
    yield "lost         " + (", ".join(f"{cause} {count}" for cause, count in lost.items()) or "nothing")
    figures = ("captured", "reported", "in_flight", "records")
    aside = {cause: ledger[cause] for cause in sorted(EXPLAINED - set(figures)) if ledger.get(cause)}
    if aside:
        yield "left out     " + ", ".join(f"{cause} {count}" for cause, count in aside.items())


def _cost(now: dict[str, Any], before: dict[str, Any], seconds: float) -> Iterator[str]:
    share = 100 * (now["cpu_s"] - before["cpu_s"]) / seconds
    engine = (now["stats"]["engine_cpu_ns"] - before["stats"]["engine_cpu_ns"]) / seconds / 1e7
    memory = f", memory {now['rss_bytes'] / (1 << 20):.0f} MiB" if "rss_bytes" in now else ""
    yield f"own cost     {share:.1f} % of a CPU (drain {engine:.1f} %){memory}"
    if not now["bpf_stats_enabled"]:
        yield "applications not counted by this kernel: kernel.bpf_stats_enabled is 0"
    else:
        run_ns = _run_ns(now["stats"]) - _run_ns(before["stats"])
        operations = now["ledger"]["captured"] - before["ledger"]["captured"]
        each = f", {run_ns / operations:.0f} ns an operation" if operations else ""
        yield f"applications pay {run_ns / seconds / 1e7:.2f} % of a CPU{each}"
    if "governor" in now:
        yield f"governor     {now['governor']['told']}"


def _run_ns(stats: dict[str, Any]) -> int:
    return sum(program["run_ns"] for program in stats["programs"])


def _reporting(stats: dict[str, Any]) -> Iterator[str]:
    for stream in stats["oap"]:
        where = stream["backend"] or f"away: {stream['last_error'] or 'not reached yet'}"
        dropped = ", ".join(f"{cause} {count}" for cause, count in stream["dropped"].items())
        told = f", dropped {dropped}" if dropped else ""
        yield f"backend      {where}; sent {stream['sent']}, held {stream['held_records']}{told}"


def _hooks(hooks: list[dict[str, Any]]) -> Iterator[str]:
    missing = [hook["hook"] for hook in hooks if not hook["attached"]]
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    told = f"; without {', '.join(missing[:_SHOWN])}{more}" if missing else ""
    yield f"hooks        {len(hooks) - len(missing)}/{len(hooks)}{told}"


def _processes(stats: dict[str, Any], before: dict[str, Any], seconds: float) -> Iterator[str]:
    was = {each["pid"]: each["operations"] for each in before["busiest"]}
    if stats["busiest"]:
        yield ""
        yield f"{'PID':>8}  {'OPERATIONS':>12}  {'A SECOND':>9}  SERVICE"
    for each in stats["busiest"][:_SHOWN]:
        rate = max(0, each["operations"] - was.get(each["pid"], each["operations"])) / seconds
        yield f"{each['pid']:>8}  {each['operations']:>12}  {rate:>9.1f}  {each['service'] or '–'}"


def _span(seconds: float) -> str:
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, int(seconds) // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds) % 60} s" if minutes else f"{int(seconds)} s"
