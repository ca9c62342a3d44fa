"""The copy of the cluster, kept from a real API server: what is known, and what becomes of it when the server goes."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from rover.identity import Directory, Place
from rover.kube import Cluster, KubernetesError, connect, objects
from rover.kube.addresses import Change, Holder
from rover.kube.reflector import Reflector
from tests.kube.stage import Server

DEADLINE_S = 30.0
ID = "ab" * 32


class Told:
    """Names of addresses as they are told."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, int], Holder | None] = {}
        self.history: list[Change] = []

    def __call__(self, changes: Sequence[Change]) -> None:
        self.history.extend(changes)
        self.names.update({(address, port): holder for address, port, holder in changes})


def wait_until(condition: Callable[[], Any], seconds: float = DEADLINE_S) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "condition did not come true in time"
        time.sleep(0.02)
    return value


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def cluster(server: Server, told: Told) -> Iterator[Cluster]:
    following = Cluster(connect(server.kubeconfig), "node-1", told)
    following.start()
    wait_until(lambda: all(reflector.lists for reflector in following.reflectors))
    yield following
    following.stop()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("rover-")]


def service(server: Server, namespace: str, name: str, **spec: Any) -> Any:
    body = {"metadata": {"name": name}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}}
    return server.core.create_namespaced_service(namespace, body)


def slice_of(server: Server, namespace: str, name: str, endpoints: list[tuple[str, str]], **more: Any) -> Any:
    """A slice of a service, as its controller would write it; `endpoints`: address and pod."""
    from kubernetes import client

    body = {
        "metadata": {"name": f"{name}-{uuid.uuid4().hex[:5]}", "labels": {"kubernetes.io/service-name": name}},
        "addressType": more.get("family", "IPv4"),
        "ports": [{"port": more.get("port", 8080), "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address],
                "nodeName": more.get("node", "node-2"),
                "conditions": {"ready": True, "terminating": False},
                "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
            }
            for address, pod in endpoints
        ],
    }
    return client.DiscoveryV1Api(server.core.api_client).create_namespaced_endpoint_slice(namespace, body)


def test_a_pod_of_this_node_is_known_with_labels_services_and_containers(server, cluster):
    namespace = server.namespace()
    service(server, namespace, "web")
    service(server, namespace, "all", clusterIP="None")
    service(server, namespace, "other", selector={"app": "other"})
    uid = server.pod(namespace, "web-1", annotations={"team": "a"}).metadata.uid
    pod = wait_until(lambda: (found := cluster.ask(uid)[0]) and found.containers and len(found.services) == 2 and found)
    assert (pod.namespace, pod.name, pod.node, pod.workload) == (namespace, "web-1", "node-1", None)
    assert (pod.labels["app"], pod.annotations["team"]) == ("web", "a")
    assert pod.services == ("web", "all")
    assert (pod.containers[ID].name, pod.containers[ID].runtime, pod.containers[ID].image) == (
        "main",
        "containerd",
        "shop/cart:1",
    )
    who = Directory(cluster=cluster).who(Place(ID, "containerd", uid))
    assert (who.pod, who.container.name, who.is_final) == (pod, "main", True)
    assert uid in cluster.take_changes()


def test_pods_of_other_nodes_are_not_kept(server, cluster):
    namespace = server.namespace()
    other = server.pod(namespace, "far", node="node-2").metadata.uid
    here = server.pod(namespace, "near").metadata.uid
    wait_until(lambda: cluster.ask(here)[0])
    assert cluster.ask(other) == (None, False)


def test_the_workload_is_who_made_the_replica_set(server, cluster):
    from kubernetes import client

    apps, namespace = client.AppsV1Api(server.core.api_client), server.namespace()
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "i"}]}}
    made_by = {"kind": "Deployment", "name": "a-deployment", "uid": "1", "controller": True, "apiVersion": "apps/v1"}
    body = {
        "metadata": {"name": "whatever-1a2b", "ownerReferences": [made_by]},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    apps.create_namespaced_replica_set(namespace, body)
    owners = {
        "of-deployment": ("ReplicaSet", "whatever-1a2b"),
        "of-nobody-known": ("ReplicaSet", "web-7d9f"),
        "of-set": ("StatefulSet", "db"),
        "of-job": ("Job", "once"),
    }
    uids = {name: server.pod(namespace, name, owner=(*owner, "2")).metadata.uid for name, owner in owners.items()}

    def workload(name: str) -> tuple[str | None, str | None]:
        pod = wait_until(lambda: cluster.ask(uids[name])[0])
        return pod.workload_kind, pod.workload

    assert workload("of-deployment") == ("Deployment", "a-deployment")
    assert workload("of-nobody-known") == ("Deployment", "web")  # the API has no such set: by its name
    assert workload("of-set") == ("StatefulSet", "db")
    assert workload("of-job") == ("Job", "once")


def test_a_pod_that_is_gone_is_forgotten(server, cluster):
    namespace = server.namespace()
    uid = server.pod(namespace, "short").metadata.uid
    wait_until(lambda: cluster.ask(uid)[0])
    server.core.delete_namespaced_pod("short", namespace, grace_period_seconds=0)
    wait_until(lambda: cluster.ask(uid)[0] is None)


def test_services_and_slices_name_addresses(server, cluster, told):
    namespace = server.namespace()
    address = service(server, namespace, "web").spec.cluster_ip
    service(server, namespace, "headless", clusterIP="None")
    slice_of(server, namespace, "web", [("10.244.7.1", "web-1"), ("10.244.7.2", "web-2")])
    slice_of(server, namespace, "web", [("fd00:10:244::7", "web-1")], family="IPv6")
    slice_of(server, namespace, "headless", [("10.244.7.1", "web-1")])
    wait_until(lambda: told.names.get(("10.244.7.2", 0)) and told.names.get(("fd00:10:244::7", 0)))
    assert told.names[address, 0] == Holder("web", namespace)
    assert told.names["10.244.7.2", 0] == Holder("web", namespace, "web-2", "node-2")
    assert told.names["fd00:10:244::7", 0] == Holder("web", namespace, "web-1", "node-2")


def test_an_address_changes_hands_only_by_way_of_nobody(server, cluster, told):
    from kubernetes import client

    discovery, namespace = client.DiscoveryV1Api(server.core.api_client), server.namespace()
    name = slice_of(server, namespace, "web", [("10.244.8.1", "old")]).metadata.name
    wait_until(lambda: told.names.get(("10.244.8.1", 0)))
    for change in ({"conditions": {"terminating": True}}, {"targetRef": {"kind": "Pod", "name": "new"}}):
        endpoint = {"addresses": ["10.244.8.1"], "targetRef": {"kind": "Pod", "name": "old"}, **change}
        discovery.patch_namespaced_endpoint_slice(name, namespace, {"endpoints": [endpoint]})
    wait_until(lambda: (holder := told.names["10.244.8.1", 0]) and holder.pod == "new")
    assert [holder and holder.pod for address, _, holder in told.history if address == "10.244.8.1"] == [
        "old",
        None,
        "new",
    ]


def test_on_the_network_of_a_host_the_port_tells_who_it_is(server, told):
    server.core.create_node({"metadata": {"name": "node-9"}})
    addresses = {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]}}
    server.core.patch_node_status("node-9", addresses)
    namespace = server.namespace()
    slice_of(server, namespace, "exporter", [("192.0.2.9", "exporter-1")], port=9100)
    following = Cluster(connect(server.kubeconfig), "node-1", told)
    following.start()
    try:
        wait_until(lambda: told.names.get(("192.0.2.9", 9100)))
        assert told.names["192.0.2.9", 9100] == Holder("exporter", namespace, "exporter-1", "node-2")
        assert told.names["192.0.2.9", 0] == Holder(None, None, None, "node-9")
    finally:
        following.stop()


@pytest.mark.slow
def test_a_restarted_server_is_followed_on_without_a_new_list(server, cluster):
    namespace = server.namespace()
    server.pod(namespace, "before")
    before = [reflector.lists for reflector in cluster.reflectors]
    server.do("stop-api")
    server.do("start-api")
    uid = server.pod(namespace, "after").metadata.uid
    wait_until(lambda: cluster.ask(uid)[0], 60)
    assert [reflector.lists for reflector in cluster.reflectors] == before


def open_sockets() -> set[str]:
    """Of this process."""
    names = {os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.lexists(entry.path)}
    return {name for name in names if name.startswith("socket:")}


def test_what_is_answered_after_the_end_is_closed(server):
    """A watch that begins while the daemon stops."""
    api, before = connect(server.kubeconfig), open_sockets()
    api.close()
    with pytest.raises(KubernetesError, match="closed") as caught:
        list(api.watch("/api/v1/namespaces", [], 5.0))
    assert open_sockets() == before, caught


class Seen:
    """A sink that keeps names."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def put(self, found: Any) -> None:
        self.names[found.metadata.uid] = found.metadata.name

    def remove(self, uid: str) -> None:
        self.names.pop(uid, None)

    def uids(self) -> set[str]:
        return set(self.names)

    def synced(self) -> None:
        pass


@pytest.mark.slow
def test_a_forgotten_history_costs_a_list_and_what_was_deleted_meanwhile_is_gone(server):
    """410 Gone, in the words of a watch: an ERROR event in an answer of status 200."""
    namespace = server.namespace()
    version = server.core.list_namespaced_pod(namespace).metadata.resource_version
    for name in ("a", "b", "c"):
        server.pod(namespace, name)
    server.do("stop-api")
    server.do("compact")
    server.do("start-api")
    seen, api = Seen(), connect(server.kubeconfig)
    seen.names["gone"] = "gone"
    follower = Reflector(api, f"/api/v1/namespaces/{namespace}/pods", objects.Pod, seen)
    follower._version = version  # as if it had watched until then
    follower.start()
    try:
        wait_until(lambda: set(seen.names.values()) == {"a", "b", "c"})
        assert follower.lists == 1
        server.pod(namespace, "d")
        wait_until(lambda: "d" in seen.names.values())
    finally:
        follower.ask_to_stop()
        api.close()
        follower.stop()


@pytest.mark.slow
def test_a_token_that_expires_is_read_again(server, tmp_path, told):
    from kubernetes import client

    rbac, namespace = client.RbacAuthorizationV1Api(server.core.api_client), server.namespace()
    verbs = {"apiGroups": ["", "discovery.k8s.io"], "resources": ["*"], "verbs": ["list", "watch"]}
    rbac.create_cluster_role({"metadata": {"name": namespace}, "rules": [verbs]})
    for account in ("first", "second"):
        server.core.create_namespaced_service_account(namespace, {"metadata": {"name": account}})
        rbac.create_cluster_role_binding(
            {
                "metadata": {"name": f"{namespace}-{account}"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
            }
        )
    path = tmp_path / "kubeconfig"
    path.write_text(server.do("sa-config", namespace, "first"))
    following = Cluster(connect(path), "node-1", told)
    following.start()
    try:
        wait_until(lambda: all(reflector.lists for reflector in following.reflectors))
        path.write_text(server.do("sa-config", namespace, "second"))
        server.core.delete_namespaced_service_account("first", namespace)
        server.do("stop-api")
        server.do("start-api")  # every watch has to be opened again, with a token that is worth nothing now
        uid = server.pod(namespace, "after").metadata.uid
        wait_until(lambda: following.ask(uid)[0], 60)
    finally:
        following.stop()


def test_without_a_configuration_there_is_no_api(tmp_path):
    with pytest.raises(KubernetesError, match="no configuration"):
        connect(tmp_path / "none")
