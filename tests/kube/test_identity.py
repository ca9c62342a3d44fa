"""Who is who, from the wire to the record: real containers, pods of a real API server, DNAT as kube-proxy does it."""

from __future__ import annotations

import subprocess
import uuid
from typing import Any

import pytest

from tests.kube.pods import FAR, PORT, join, translate, wait_for_server
from tests.stage.ports import free_port
from tests.stage.rover import Record, Rover, unexplained

pytestmark = pytest.mark.root


def ends(rover: Rover, path: str, *, count: int = 2) -> dict[str, Record]:
    """The records of one exchange by side."""

    def found() -> list[Record]:
        return [record for record in rover.records if record["path"] == path]

    assert rover.wait_for(lambda: len(found()) >= count), (found(), rover.errors)
    return {record["side"]: record for record in found()}


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
