"""Prints what the API is: `python -m rover.backend.describe openapi`, or `markdown` for docs/api.md."""

from __future__ import annotations

import sys

from rover.backend.api.openapi import API_VERSION, document, render, table
from rover.backend.api.reference import reference


def main(arguments: list[str]) -> int:
    """Exit code 2 for anything but one of the two words."""
    found = document(table(), API_VERSION)
    if arguments == ["openapi"]:
        sys.stdout.write(render(found))
    elif arguments == ["markdown"]:
        sys.stdout.write(reference(found))
    else:
        sys.stderr.write("usage: python -m rover.backend.describe openapi|markdown\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
