"""Records against the truth, one by one: what is missing, what is invented, what is wrong."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from .exchange import ANY, FIELDS, Exchange, told_by
from .rover import Record

SHOWN = 12
"""How many differences of each sort a failure message lists."""


@dataclass
class Differences:
    """What separates the records from the truth. `excused` counts differences that a permitted flag explains."""

    missing: list[Exchange] = field(default_factory=list)
    invented: list[Record] = field(default_factory=list)
    wrong: list[tuple[Exchange, Record, list[str]]] = field(default_factory=list)
    excused: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.invented or self.wrong)

    def __str__(self) -> str:
        lines = [f"{len(self.missing)} missing, {len(self.invented)} invented, {len(self.wrong)} wrong"]
        lines += [f"  missing  {each}" for each in self.missing[:SHOWN]]
        lines += [f"  invented {told_by(each)}" for each in self.invented[:SHOWN]]
        for truth, record, names in self.wrong[:SHOWN]:
            told = told_by(record)
            what = ", ".join(f"{name} is {getattr(told, name)!r}, not {getattr(truth, name)!r}" for name in names)
            lines.append(f"  wrong    {truth.method} {truth.path} on {told.connection}, number {told.number}: {what}")
        return "\n".join(lines)


def compare(records: Iterable[Record], truth: Iterable[Exchange], excused: frozenset[str] = frozenset()) -> Differences:
    """Compare records of one side with the truth, connection by connection: HTTP/1 in order, HTTP/2 by stream.

    Where the truth knows no connection at all, those of the records are left aside. A difference counts as excused, not
    wrong, when the record carries one of the flags in `excused`; such a flag itself is then no difference either.
    """
    truth = list(truth)
    knows_connections = not truth or any(exchange.connection is not ANY for exchange in truth)
    found: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        found[told_by(record).connection if knows_connections else ANY].append(record)
    expected: dict[int, list[Exchange]] = defaultdict(list)
    for exchange in truth:
        expected[exchange.connection].append(exchange)
    differences = Differences()
    for connection in found.keys() | expected.keys():
        _compare_connection(found[connection], expected[connection], excused, differences)
    return differences


def _compare_connection(
    records: Sequence[Record], truth: Sequence[Exchange], excused: frozenset[str], differences: Differences
) -> None:
    is_multiplexed = any(exchange.protocol == "HTTP/2" for exchange in truth)
    for left, right in _matched(records, truth) if is_multiplexed else _aligned(records, truth):
        if left is None and right is not None:
            differences.missing.append(right)
        elif right is None and left is not None:
            differences.invented.append(left)
        elif left is not None and right is not None:
            _compare_one(left, right, excused, differences)


Pair = tuple[Record, None] | tuple[None, Exchange] | tuple[Record, Exchange]


def _matched(records: Sequence[Record], truth: Sequence[Exchange]) -> Iterable[Pair]:
    """Pair each record with its exchange in whatever order they came: those that agree in all that is known; then those
    of one stream or number, so that what differs is wrong and not missing; then those of one request."""
    known = [name for name in FIELDS if all(getattr(each, name) is not ANY for each in truth)]
    keys: list[list[str]] = [known]
    keys += [["connection", name] for name in ("stream", "number") if name in known]
    keys.append(["method", "path"])
    pairs: list[Pair] = []
    left, right = list(records), list(truth)
    for names in keys:

        def key(each: Exchange, names: list[str] = names) -> tuple[object, ...]:
            return tuple(getattr(each, name) for name in names)

        waiting: dict[tuple[object, ...], list[Exchange]] = defaultdict(list)
        for exchange in reversed(right):
            waiting[key(exchange)].append(exchange)
        unpaired = []
        for record in left:
            if same := waiting[key(told_by(record))]:
                pairs.append((record, same.pop()))
            else:
                unpaired.append(record)
        left, right = unpaired, [exchange for list_ in waiting.values() for exchange in list_]
    pairs += [(record, None) for record in left]
    pairs += [(None, exchange) for exchange in right]
    return pairs


def _aligned(records: Sequence[Record], truth: Sequence[Exchange]) -> Iterable[Pair]:
    """Pair each record with its exchange by order; where the numbers differ, by the longest common sequence."""
    if len(records) == len(truth):
        return list(zip(records, truth, strict=True))
    told = [told_by(record) for record in records]
    left = [(each.method, each.path, each.status) for each in told]
    right = [(each.method, each.path, each.status) for each in truth]
    pairs: list[Pair] = []
    for what, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if what == "equal":
            pairs += zip(records[a:b], truth[c:d], strict=True)
        else:
            pairs += [(record, None) for record in records[a:b]]
            pairs += [(None, exchange) for exchange in truth[c:d]]
    return pairs


def _compare_one(record: Record, truth: Exchange, excused: frozenset[str], differences: Differences) -> None:
    told = told_by(record)
    wrong = [name for name in FIELDS if getattr(truth, name) != getattr(told, name)]
    if not wrong:
        return
    if told.flags & excused and (told.flags - excused) == (truth.flags - excused):
        differences.excused += 1
    else:
        differences.wrong.append((truth, record, wrong))


__all__ = ["ANY", "Differences", "compare"]
