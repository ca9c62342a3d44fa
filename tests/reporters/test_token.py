"""A token that is replaced while both ends run: nothing is restarted, nothing is lost."""

from pathlib import Path

import pytest

from tests.reporters.place import Place
from tests.stage.deadline import wait_until
from tests.wire.programs import BUILD_SECONDS, send_records

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

COUNT = 12


def test_the_backend_takes_the_new_token_as_soon_as_it_is_in_the_file(tmp_path: Path) -> None:
    """Of two senders with two tokens each is refused while the file has the other's."""
    place, file = Place(tmp_path, []), tmp_path / "token"
    place.tree["backend"]["grpc"]["token_file"] = str(file)
    place.tree["backend"]["store"]["retention_hours"] = 80_000
    replace(file, "the-first-token")
    with place.backend() as backend:
        addresses = [f"127.0.0.1:{place.grpc}"]
        first = send_records(addresses, COUNT, token="the-first-token")
        assert first.stats["acked"] > 0
        replace(file, "the-second-token")
        second = send_records(addresses, COUNT, token="the-second-token")
        assert second.stats["acked"] == first.stats["acked"]
        # Half a file, as somebody writes it: what was known counts.
        replace(file, "")
        third = send_records(addresses, COUNT, token="the-second-token")
        assert third.stats["acked"] == first.stats["acked"]
        wait_until(lambda: len(place.stored()) >= first.stats["acked"], "the records", 20)
        assert backend.stop()[0] == 0


def replace(file: Path, token: str) -> None:
    """As whoever rotates secrets does: a new file takes the place of the old one."""
    new = file.with_suffix(".new")
    new.write_text(f"{token}\n")
    new.chmod(0o600)
    new.rename(file)
