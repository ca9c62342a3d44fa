"""The findings as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rover.doctor.finding import Finding, Remark, is_able, remarks

_GREEN, _RED, _BOLD, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
_NAMED = 3
"""How many of those with one advice are named."""


def render(finding: Finding, *, has_color: bool) -> Iterator[str]:
    """The lines, without line breaks."""

    def paint(color: str, text: str) -> str:
        return f"{color}{text}{_PLAIN}" if has_color else text

    kernel = finding["kernel"]
    yield f"Linux {kernel['release']} on {kernel['machine']}"
    for section, group in groupby(remarks(finding), key=lambda remark: remark.section):
        found = list(group)
        name_width = max(len(remark.name) for remark in found)
        mode_width = max(len(remark.mode) for remark in found)
        yield ""
        yield paint(_BOLD, section)
        for remark in found:
            mark = paint(_GREEN, "✓") if remark.is_good else paint(_RED, "✗")
            mode = f"  {remark.mode:<{mode_width}}" if mode_width else ""
            yield f"  {mark} {remark.name:<{name_width}}{mode}  {remark.meaning}"
            for note in remark.notes:
                yield f"    {paint(_DIM, note)}"
        for advice, names in _advice(found):
            yield f"    {paint(_DIM, f'→ {names}: {advice}')}"
    yield ""
    yield paint(_BOLD, _verdict(finding))


def _advice(found: list[Remark]) -> Iterator[tuple[str, str]]:
    """Each advice once, with whom it is for: on one kernel many hooks mostly fail for one reason."""
    bad = [remark for remark in found if not remark.is_good]
    for advice in dict.fromkeys(remark.advice for remark in bad):
        names = [remark.name for remark in bad if remark.advice == advice]
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        yield advice, shown


def _verdict(finding: Finding) -> str:
    if not is_able(finding):
        return f"rover cannot capture here: {finding['error']}"
    missing = [remark for remark in remarks(finding) if not remark.is_good]
    if not missing:
        return "Everything works."
    return f"Capture works, with {len(missing)} exception{'s' if len(missing) > 1 else ''} marked ✗ above."
