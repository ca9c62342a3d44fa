"""The findings as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rover.doctor.finding import Finding, is_able, remarks

_GREEN, _RED, _BOLD, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


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
            if not remark.is_good:
                yield f"    {paint(_DIM, '→ ' + remark.advice)}"
    yield ""
    yield paint(_BOLD, _verdict(finding))


def _verdict(finding: Finding) -> str:
    if not is_able(finding):
        return f"rover cannot capture here: {finding['error']}"
    missing = [remark for remark in remarks(finding) if not remark.is_good]
    if not missing:
        return "Everything works."
    return f"Capture works, with {len(missing)} exception{'s' if len(missing) > 1 else ''} marked ✗ above."
