"""The command line. `main` is the entry point of the program `rover`."""


def main() -> int:
    """Run the command line; returns the exit code."""
    raise SystemExit("rover: not built yet")
