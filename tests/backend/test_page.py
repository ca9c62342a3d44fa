"""The files of the web page."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from rover.backend import Backend, BackendOptions, Store


@pytest.mark.parametrize(
    "path",
    ["/", "/index.html", "/services", "/services/cart", "/services/a.b/c", "/exchanges/00ff", "/nodes", "/whatever"],
)
def test_every_view_is_the_page(quiet: httpx.Client, path: str) -> None:
    """The address says what to show: it can be opened, kept and sent to others."""
    answer = quiet.get(path)
    assert answer.status_code == 200
    assert "<title>rover</title>" in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"


def test_files_with_a_hash_in_their_name_are_kept(quiet: httpx.Client) -> None:
    """Others are asked for again, which costs a 304."""
    asset = quiet.get("/assets/index-abc123.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"].startswith("text/javascript")
    icon = quiet.get("/favicon.svg")
    assert icon.headers["cache-control"] == "no-cache"
    again = quiet.get("/favicon.svg", headers={"If-None-Match": icon.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/missing.js", "/assets/missing.js", "/favicon.svg/x.png", "/%00.js", f"/{'x' * 300}.js"]
)
def test_a_missing_file_is_404_not_the_page(quiet: httpx.Client, path: str) -> None:
    """A script that is not there must not be answered with HTML."""
    answer = quiet.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "//etc/passwd",
        "/%2e%2e/secret.txt",
        "/link.txt",
    ],
)
def test_nothing_outside_the_folder_is_served(quiet: httpx.Client, path: str) -> None:
    """Not by dots, not by slashes, not by a link."""
    # httpx would tidy the path: it is sent as it stands here.
    request = quiet.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    assert "secret" not in quiet.send(request).text


def test_without_a_built_page_it_says_how_to_build_it(
    options: BackendOptions, store: Store, tmp_path: Path, put: Callable[..., None]
) -> None:
    """And the API works."""
    backend = Backend(options, store, dict, tmp_path / "nothing")
    base = backend.start()
    answer = httpx.get(base)
    assert answer.status_code == 503
    assert "make build" in answer.text
    assert httpx.get(f"{base}api/services").status_code == 200
    backend.stop()
