"""Exchanges of curl and nginx, both sides, record by record as nginx logged them."""

from tests.stage.clients import visit_with_curl, with_sizes
from tests.stage.comparison import compare
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import Rover

PATHS = ["/small", "/megabyte", "/nothing", "/missing", "/moved", "/gone"] * 10
SECONDS = 60
"""Deadlines are long: an emulated kernel is slow."""


def test_exchanges_are_told_as_nginx_logged_them(tmp_path):
    nginx = Nginx(tmp_path, free_port())
    (nginx.files / "megabyte").write_bytes(b"m" * (1 << 20))
    with nginx, Rover("--port", str(nginx.port)) as rover:
        seen = visit_with_curl([nginx.url(path) for path in PATHS], seconds=SECONDS)
        truth = with_sizes(nginx.truth(len(PATHS), SECONDS), [size for _, _, size in seen])
        sides = ("server", "client")
        rover.wait_for(lambda: all(len(rover.records_of(nginx.port, side)) >= len(PATHS) for side in sides), SECONDS)
        rover.stop(SECONDS)
    assert len(truth) == 60
    for side in sides:
        differences = compare(rover.records_of(nginx.port, side), truth)
        assert not differences, f"{side} side: {differences}"
