"""The command line. `main` is the entry point of the program `rover`.

Exit codes: 0; 1 an error of rover itself; 2 bad usage or configuration; 3 a kernel or privilege that is missing."""

from rover.cli.main import main

__all__ = ["main"]
