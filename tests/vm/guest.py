"""Runs in the virtual machine: traffic between curl and nginx under `rover watch`, compared with nginx's log."""

import json
import sys
import tempfile
from pathlib import Path

from tests.stage.clients import visit_with_curl, with_sizes
from tests.stage.comparison import compare
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import Rover

PATHS = ["/small", "/megabyte", "/nothing", "/missing", "/moved", "/gone"] * 10
SECONDS = 60
"""Deadlines are long: an emulated kernel is slow."""


def main() -> None:
    """`python -m tests.vm.guest FILE`: write what was different to FILE."""
    with tempfile.TemporaryDirectory() as folder:
        nginx = Nginx(Path(folder), free_port())
        (nginx.files / "megabyte").write_bytes(b"m" * (1 << 20))
        with nginx, Rover("--port", str(nginx.port)) as rover:
            seen = visit_with_curl([nginx.url(path) for path in PATHS], seconds=SECONDS)
            truth = with_sizes(nginx.truth(len(PATHS), SECONDS), [size for _, _, size in seen])
            sides = ("server", "client")
            rover.wait_for(
                lambda: all(len(rover.records_of(nginx.port, side)) >= len(PATHS) for side in sides), SECONDS
            )
            rover.stop(SECONDS)
        differences = {side: compare(rover.records_of(nginx.port, side), truth) for side in sides}
    told = {side: str(each) if each else "" for side, each in differences.items()}
    Path(sys.argv[1]).write_text(json.dumps({"exchanges": len(truth), "differences": told}))


if __name__ == "__main__":
    main()
