"""What works on this machine and, for what does not, the one thing to do.

Public surface: `examine()` asks the engine to try everything, `render()` makes the page of a terminal from its answer,
`is_able()` is the verdict."""

from rover.doctor.finding import Finding, Remark, examine, is_able, remarks
from rover.doctor.table import render

__all__ = ["Finding", "Remark", "examine", "is_able", "remarks", "render"]
