"""What waits for the decision on a process, in a real rover."""

import json
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import WATCH, Rover, unexplained

pytestmark = pytest.mark.root

REQUESTS = 1000


def test_a_bound_of_as_many_as_there_are_loses_none(tmp_path: Path, program) -> None:
    """The client stays undecided, for a rule asks on which port it listens; the server's records wait for its name.

    They once took half of the room, and half of the client's were lost."""
    port, file = free_port(), tmp_path / "rover.yaml"
    rules = {"exclude": [{"port": free_port()}], "port_wait_seconds": 3, "held_records": REQUESTS, "ports": [port]}
    file.write_text(json.dumps({"watch": rules}))
    with Nginx(tmp_path / "nginx", port, has_log=False), Rover("-c", str(file), command=WATCH) as rover:
        urlopen(f"http://127.0.0.1:{port}/small").close()
        sides = [rover.records_of(port, side) for side in ("server", "client")]
        assert rover.wait_for(lambda: all(sides), 20), "the server is decided on"
        load = [program("h2load"), "--h1", f"-n{REQUESTS}", "-c10", f"http://127.0.0.1:{port}/small"]
        subprocess.run(load, check=True, stdout=subprocess.DEVNULL, timeout=30)
        rover.wait_for(lambda: all(len(records) > REQUESTS for records in sides), 20)
        ledger = rover.stop()
    lost = {cause: count for cause, count in ledger.items() if count}
    assert [len(records) for records in sides] == [REQUESTS + 1] * 2, lost
    assert (ledger["unconfirmed"], unexplained(ledger)) == (0, 0), lost
