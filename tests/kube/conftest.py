"""Fixtures of real parts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.stage import Containers, Server, need, need_containers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs what `make kube` builds or installs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kube)


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    """A containerd of our own."""
    need_containers()
    folder = Path(tempfile.mkdtemp(prefix="rvc"))  # a short path, for its sockets
    running = Containers(folder)
    yield running
    running.do("stop")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server of the module's own: some tests stop it."""
    need("kube-apiserver", "etcd")
    running = Server(tmp_path_factory.mktemp("kube"))
    yield running
    running.do("stop")
