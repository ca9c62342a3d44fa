"""The Grafana dashboard asks for nothing that a running daemon and its backend do not tell."""

import json
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.running import Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port

from .conftest import get, metrics_port
from .test_traffic import Handler

ROOT = Path(__file__).resolve().parents[2]
BOARD = json.loads((ROOT / "config/grafana/rover.json").read_text())
OF_A_MINUTE = re.compile("rover_service_(calls|failures)_per_minute|rover_service_duration_seconds")
"""Told of the last whole minute, for which nobody waits here: tests/backend/test_exposition.py has their values."""


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Title of the panel, and what it asks."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target


def asked() -> set[str]:
    """Every name of a metric in the file, those of its variables included."""
    queries = [target["expr"] for _, target in targets()]
    queries += [variable["query"] for variable in BOARD["templating"]["list"] if variable["type"] == "query"]
    return {name for query in queries for name in re.findall(r"\brover_\w+", query)}


@pytest.mark.root
def test_every_metric_of_the_dashboard_is_told(tmp_path: Path) -> None:
    """By a daemon that reports to a backend; with values, not by name alone."""
    port, http, grpc = free_port(), free_port(), free_port()
    environment = {
        "ROVER_BACKEND_HTTP_ADDRESS": f"127.0.0.1:{http}",
        "ROVER_BACKEND_GRPC_ADDRESS": f"127.0.0.1:{grpc}",
        "ROVER_BACKEND_STORE_PATH": str(tmp_path / "rover.db"),
        "ROVER_REPORTERS_OAP_ADDRESSES": f"127.0.0.1:{grpc}",
        "ROVER_REPORTERS_OAP_SPOOL_PATH": str(tmp_path / "spool"),
        "ROVER_WATCH_PORTS": str(port),
        "ROVER_KUBERNETES_ENABLED": "off",
    }

    def told() -> tuple[set[str], set[str]]:
        """Names that have values, and all names."""
        texts = [get(http, "/metrics")[1], get(metrics_port(daemon), "/metrics")[1]]
        families = [family for text in texts for family in text_string_to_metric_families(text)]
        assert len({family.name for family in families} & {"rover_ready", "rover_store_records"}) == 2
        return {sample.name for family in families for sample in family.samples}, {family.name for family in families}

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Running("backend", environment=environment), Running("daemon", environment=environment) as daemon:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            for status in (200, 500):
                connection.request("GET", f"/{status}")
                connection.getresponse().read()
            connection.close()
            assert get(http, "/api/services")[0].status == 200
            of_a_minute = {name for name in asked() if OF_A_MINUTE.fullmatch(name)}
            missing: list[set[str]] = [set()]

            def is_all_told() -> bool:
                missing[0] = (asked() - of_a_minute) - told()[0]
                return not missing[0]

            try:
                wait_until(is_all_told, "all metrics of the dashboard", 30)
            finally:
                assert not missing[0]
            assert of_a_minute <= told()[1]
            server.shutdown()


def test_the_dashboard_is_well_formed() -> None:
    """Each panel has a title, a query and a place of its own; each query names its source by the variable."""
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["targets"]
    assert len(asked()) > 35
    for title, target in targets():
        assert target["expr"].count("(") == target["expr"].count(")"), title
        for name in re.findall(r"rover_\w+_(?:total|bucket)\b", target["expr"]):
            assert f"rate({name}" in target["expr"], f"{title}: a counter without rate"
