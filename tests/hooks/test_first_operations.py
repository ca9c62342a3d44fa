"""Connections that rover meets only at their first operation: figures of what went before are unknown, never 0."""

import json
import socket
from pathlib import Path

import pytest

from tests.fidelity.messages import request, response
from tests.stage.dialogue import Dialogue
from tests.stage.ports import free_port
from tests.stage.rover import Rover

from . import running

pytestmark = [pytest.mark.slow, pytest.mark.root]


def require_known_or_right(figures: dict[str, int]) -> None:
    """A write of one packet has either no figures of packets or the right ones."""
    for name in ("packets", "packet_bytes", "queue_entries"):
        assert figures.get(name) != 0, json.dumps(figures)


def test_a_connection_that_is_older_than_rover() -> None:
    """The first that rover sees of it is the client's write."""
    with Dialogue(free_port()) as talk:
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with Rover("--port", str(talk.port)) as rover:
            talk.ask(request("GET", "/"))
            talk.answer(response(200))
            assert rover.wait_for(lambda: len(rover.records) >= 2)
    for record in rover.records:
        assert record["flags"] == ["pre_existing"]
        require_known_or_right(record["kernel"]["write"])


def test_a_connection_whose_opening_no_hook_shows(tmp_path: Path) -> None:
    """Without inet_sock_set_state every connection is met at its first operation."""
    file = tmp_path / "rover.yaml"
    file.write_text("kernel:\n  avoid: [inet_sock_set_state]\n")
    for record in running.two_exchanges("-c", str(file)).values():
        require_known_or_right(record["kernel"]["write"])
