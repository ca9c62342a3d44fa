"""Who is who, from the wire to the record: real containers, pods of a real API server, DNAT as kube-proxy does it."""

from __future__ import annotations

import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.kube.stage import Containers, Server
from tests.stage.ports import free_port
from tests.stage.rover import Record, Rover, unexplained

pytestmark = pytest.mark.root
PORT = 8080
GATEWAY = "10.244.0.1"
FAR = "[{cmdline: '*http.server*'}]"
"""What stands for a server elsewhere: rover knows of it only what others would."""
SERVER = ("httpd", "-f", "-p", str(PORT), "-h", "/www")


def join(containers: Containers, network: str, address: str) -> None:
    """A network namespace whose packets all go by way of the host, as in clusters that route; a bridge would pass
    answers by the translation."""
    containers.do("net", network, f"{address}/32")
    for route in (f"{GATEWAY} dev eth0", f"default via {GATEWAY}"):
        subprocess.run(["ip", "-n", network, "route", "replace", *route.split()], check=True)


@pytest.fixture(autouse=True)
def forwarding() -> Iterator[None]:
    """The host forwards, as every node of a cluster does."""
    setting = Path("/proc/sys/net/ipv4/ip_forward")
    before = setting.read_text()
    setting.write_text("1")
    yield
    setting.write_text(before)


class Pods:
    """Pods of this node: an object in the API, and a container with an address of its own."""

    def __init__(self, server: Server, containers: Containers) -> None:
        self.server, self.containers = server, containers
        self.namespace = server.namespace()
        self.made: list[tuple[str, str]] = []
        self._last = 0

    def address(self) -> str:
        """One that nobody has."""
        self._last += 1
        return f"10.244.3.{self._last}"

    def start(self, name: str, address: str | None = None, command: tuple[str, ...] = SERVER, **more: Any) -> Any:
        """A pod that runs: its name, address, container and host pid."""
        address = address or self.address()
        pod = self.server.pod(self.namespace, name, ip=None, labels={"app": name.rpartition("-")[0]}, **more)
        network = f"rv{uuid.uuid4().hex[:8]}"
        join(self.containers, network, address)
        made = self.containers.run(
            "--pod", pod.metadata.uid, "--netns", network, "--layout", "systemd", "--", "localhost/test:1", *command
        )
        self.made.append((network, made["CONTAINER_ID"]))
        status = {"name": "main", "image": "shop/cart:1", "imageID": "", "ready": True, "restartCount": 0}
        status["containerID"] = f"containerd://{made['CONTAINER_ID']}"
        body = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "containerStatuses": [status]}
        self.server.core.patch_namespaced_pod_status(name, self.namespace, {"status": body})
        return {"name": name, "address": address, "network": network, "id": made["CONTAINER_ID"]}

    def ask(self, pod: dict[str, str], url: str) -> None:
        """A request by a process of the pod; whether it is answered well does not matter."""
        # A shell that lives on: a program that is gone before it is looked at is where its parent is.
        command = ("task", "exec", "--exec-id", uuid.uuid4().hex[:8], pod["id"], "sh", "-c")
        with suppress(subprocess.CalledProcessError):
            self.containers.do("ctr", *command, f"sleep 0.2; wget -qO /dev/null {url}; sleep 0.2")

    def stop(self) -> None:
        """Remove all."""
        for network, container_id in self.made:
            self.containers.do("rm", container_id)
            self.containers.do("net-rm", network)


@pytest.fixture
def pods(server: Server, containers: Containers) -> Iterator[Pods]:
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


def translate(cluster_ip: str, to: str, *, is_masqueraded: bool = False) -> None:
    """Rules like kube-proxy's, in the host's own network namespace."""
    more = (
        f"chain post {{ type nat hook postrouting priority 100; ip daddr {to} masquerade; }}" if is_masqueraded else ""
    )
    rules = f"""table ip rover_test {{
        chain pre {{ type nat hook prerouting priority -100; ip daddr {cluster_ip} tcp dport 80 dnat to {to}:{PORT}; }}
        chain out {{ type nat hook output priority -100; ip daddr {cluster_ip} tcp dport 80 dnat to {to}:{PORT}; }}
        {more}
    }}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


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


def ends(rover: Rover, path: str, *, count: int = 2) -> dict[str, Record]:
    """The records of one exchange by side."""

    def found() -> list[Record]:
        return [record for record in rover.records if record["path"] == path]

    assert rover.wait_for(lambda: len(found()) >= count), (found(), rover.errors)
    return {record["side"]: record for record in found()}


def wait_for_server(port: int, address: str = "10.244.0.1") -> None:
    """Until it listens."""
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def pod_of(end: dict[str, Any]) -> tuple[str | None, str | None]:
    identity = end["identity"] or {}
    return identity.get("service"), identity.get("kubernetes", {}).get("pod")


def test_both_ends_of_an_exchange_between_pods_of_this_node_are_named(pods, cluster_ip, watching):
    server_pod, client_pod = pods.start("web-1"), pods.start("shop-1", command=("sleep", "1000"))
    translate(cluster_ip, server_pod["address"])
    name = f"web.{pods.namespace}"
    with watching() as rover:
        pods.ask(client_pod, f"http://{cluster_ip}/")
        found = ends(rover, "/")
        served = found["server"]["local"]["identity"]
        assert (served["service"], served["instance"]) == (name, "web-1")
        assert served["kubernetes"] == {
            "namespace": pods.namespace,
            "pod": "web-1",
            "node": "node-1",
            "labels": {"app": "web"},
        }
        assert served["container"] == {
            "id": server_pod["id"],
            "name": "main",
            "runtime": "containerd",
            "image": "shop/cart:1",
        }
        # The client asked for the service; its record has the pod that answered, and the service's address.
        remote = found["client"]["remote"]
        assert (remote["address"], remote["port"]) == (server_pod["address"], PORT)
        assert remote["via"] == {"address": cluster_ip, "port": 80}
        assert remote["identity"] == served
        assert "via" not in found["server"]["remote"]
        client = found["client"]["local"]["identity"]
        assert (client["service"], client["kubernetes"]["pod"]) == (f"shop-1.{pods.namespace}", "shop-1")
        assert found["server"]["remote"] == {**found["client"]["local"], "identity": client}
        assert unexplained(rover.stop()) == 0


def test_a_masquerade_does_not_hide_the_client(pods, cluster_ip, watching):
    server_pod, client_pod = pods.start("web-1"), pods.start("shop-1", command=("sleep", "1000"))
    translate(cluster_ip, server_pod["address"], is_masqueraded=True)
    with watching() as rover:
        pods.ask(client_pod, f"http://{cluster_ip}/")
        found = ends(rover, "/")
        remote = found["server"]["remote"]
        assert remote["address"] == client_pod["address"]
        assert remote["via"]["address"] == "10.244.0.1"
        assert remote["identity"]["kubernetes"]["pod"] == "shop-1"
        assert found["client"]["remote"]["identity"]["kubernetes"]["pod"] == "web-1"


def test_pods_of_other_nodes_are_named_by_the_slices_that_list_them(
    server, pods, cluster_ip, containers, watching, tmp_path
):
    """A server that is no container of this node: rover sees it as a process, so it is excluded."""
    from tests.kube.test_cluster import slice_of

    address, network = pods.address(), f"rv{uuid.uuid4().hex[:8]}"
    join(containers, network, address)
    command = ["ip", "netns", "exec", network, "python3", "-m", "http.server", str(PORT), "--directory", str(tmp_path)]
    slice_of(server, pods.namespace, "web", [(address, "web-9")])
    translate(cluster_ip, address)
    far = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_server(PORT, address)
    client_pod = pods.start("shop-1", command=("sleep", "1000"))
    try:
        with watching(FAR) as rover:
            pods.ask(client_pod, f"http://{cluster_ip}/far")
            remote = ends(rover, "/far", count=1)["client"]["remote"]
            assert (remote["address"], remote["via"]["address"]) == (address, cluster_ip)
            assert pod_of(remote) == (f"web.{pods.namespace}", "web-9")
            assert remote["identity"]["kubernetes"]["node"] == "node-2"
    finally:
        far.kill()
        far.wait()
        containers.do("net-rm", network)


def test_an_unknown_address_is_nobody(pods, watching, tmp_path):
    client_pod = pods.start("shop-1", command=("sleep", "1000"))
    with watching(FAR) as rover:
        far_port = free_port()
        command = ["python3", "-m", "http.server", str(far_port), "--bind", "10.244.0.1", "--directory", str(tmp_path)]
        far = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_server(far_port)
            pods.ask(client_pod, f"http://10.244.0.1:{far_port}/nobody")
            assert ends(rover, "/nobody", count=1)["client"]["remote"]["identity"] is None
        finally:
            far.kill()
            far.wait()
