"""Fixtures of real parts."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.pods import Pods
from tests.kube.stage import Containers, Server, need, need_containers
from tests.stage.rover import Rover


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


@pytest.fixture
def forwarding() -> Iterator[None]:
    """The host forwards, as every node of a cluster does."""
    setting = Path("/proc/sys/net/ipv4/ip_forward")
    before = setting.read_text()
    setting.write_text("1")
    yield
    setting.write_text(before)


@pytest.fixture
def pods(server: Server, containers: Containers, forwarding: None) -> Iterator[Pods]:
    made = Pods(server, containers)
    yield made
    made.stop()


@pytest.fixture
def cluster_ip(server: Server, pods: Pods) -> Iterator[str]:
    """A service of the pods called web-…, whose address leads to the first of them: what kube-proxy would set up."""
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    address = server.core.create_namespaced_service(pods.namespace, body).spec.cluster_ip
    yield address
    subprocess.run(["nft", "delete", "table", "ip", "rover_test"], check=False, capture_output=True)


@pytest.fixture
def watching(server: Server, containers: Containers):
    def start(exclude: str = "[]") -> Rover:
        environment = {
            "ROVER_WATCH_EXCLUDE": exclude,
            "ROVER_KUBERNETES_KUBECONFIG": str(server.kubeconfig),
            "ROVER_NODE_NAME": "node-1",
            "ROVER_CONTAINERS_SOCKETS": str(containers.socket),
        }
        return Rover(environment=environment)

    return start
