"""The manifests run by a real kubelet: image of the Dockerfile's steps, DaemonSet, backend, and pods that it watches.

There is no scheduler, no kube-proxy, no DNS and no storage here: the test binds pods, translates the backend's address,
states it in place of its name, and gives folders of its own for volumes of the node. All else is as in a cluster."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from rover.identity.runtimes.cri import Cri
from tests.kube.manifests import applied, kubectl, kubectl_environment, overlay
from tests.kube.stage import BIN, HERE, Server, need, need_containers
from tests.packaging.image import image_root

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(3600)]

ADDRESS = ("10.96.0.1/32", "dev", "lo")
IMAGE = "localhost/rover:0.1.0"
BACKEND = "10.96.0.200"
"""The address that its service asks for."""
ASKED = 20
PATH = "/of-the-daemon-set"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server at the address that pods are told, with controllers and one kubelet."""
    need("kube-apiserver", "etcd", "kubelet", "kube-controller-manager", "kubectl")
    need_containers()
    subprocess.run(["ip", "addr", "replace", *ADDRESS], check=True)
    folder = tmp_path_factory.mktemp("n")
    cluster = Server(folder, KUBE_API_ADDRESS="10.96.0.1", KUBE_API_PORT="443", KUBE_SERVICE_ACCOUNTS="1")
    try:
        cluster.do("start", script="node.sh")
        yield cluster
    finally:
        cluster.do("stop", script="node.sh")
        cluster.do("stop")
        subprocess.run(["ip", "addr", "del", *ADDRESS], check=True)
        subprocess.run(["nft", "delete", "table", "ip", "rover_test"], check=False, capture_output=True)


@pytest.fixture
def image(node: Server) -> None:
    """The node has it, as if it had pulled it."""
    script = [str(HERE / "containers/containers.sh"), "image", IMAGE, str(image_root())]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CONTAINERS_DIR": str(node.folder / "containers")}
    subprocess.run(script, check=True, env=environment, timeout=300)


@pytest.fixture
def manifests(tmp_path: Path) -> list[dict[str, Any]]:
    """Those of the overlay with a backend, where there is less here than in a cluster made to do without."""
    found = applied(kubectl(None, "kustomize", str(overlay("backend", tmp_path))))
    (claim,) = (each for each in found if each["kind"] == "PersistentVolumeClaim")
    found.remove(claim)
    for each in found:
        if each["kind"] == "Service":
            each["spec"]["clusterIP"] = BACKEND
        if each["kind"] == "ConfigMap":
            each["data"] = {
                name: text.replace("rover-backend.rover.svc", BACKEND) for name, text in each["data"].items()
            }
        if each["kind"] in ("DaemonSet", "Deployment"):
            pod = each["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            container["image"] = IMAGE
            for volume in pod["volumes"]:
                if "hostPath" in volume:
                    volume["hostPath"]["path"] = str(tmp_path / volume["name"])
                if volume.pop("persistentVolumeClaim", None):
                    volume["emptyDir"] = {}
    return found


def test_the_interface_of_the_kubelet_tells_name_image_and_labels(node):
    """What CRI-O is asked by, answered by containerd, which has it as well."""
    node.core.create_namespaced_pod("default", pod_of("cri-0", "sleep 999", labels={"app": "cri"}))
    (status,) = runs(node, "default", "app=cri").status.container_statuses
    runtime = Cri(node.folder / "containers/containerd.sock")
    try:
        found = runtime.maybe_container(status.container_id.removeprefix("containerd://"))
        assert runtime.maybe_container("ab" * 32) is None
    finally:
        runtime.close()
    assert (found.name, found.runtime) == ("main", "cri-o")
    # Runtimes that do not tell what the pod stated, as this containerd, tell the image's id.
    assert found.image == "localhost/test:1" or found.image.startswith("sha256:")
    assert found.labels["io.kubernetes.pod.name"] == "cri-0"


def test_the_daemon_set_tells_the_backend_of_pods_by_their_names(node, image, manifests, tmp_path):
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    kubectl(node, "apply", "--server-side", "-f", str(tmp_path / "all.json"))
    backend = runs(node, "rover", "app.kubernetes.io/component=backend")
    rule = f"type nat hook output priority -100; ip daddr {BACKEND} dnat to {backend.status.pod_ip};"
    rules = f"table ip rover_test {{\nchain out {{ {rule} }}\n}}"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    daemon = runs(node, "rover", "app.kubernetes.io/component=daemon")
    wait_until(lambda: "ready hooks=" in log_of(node, daemon), lambda: log_of(node, daemon))
    assert "Kubernetes API does not answer" not in log_of(node, daemon), log_of(node, daemon)

    web = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    node.core.create_namespaced_service("default", web)
    started = pod_of("web-0", "httpd -f -p 8080 -h /www", labels={"app": "web"})
    node.core.create_namespaced_pod("default", started)
    address = runs(node, "default", "app=web").status.pod_ip
    each = f"wget -qO /dev/null http://{address}:8080{PATH}; "
    asking = f"sleep 1; {each * ASKED} sleep 999"
    node.core.create_namespaced_pod("default", pod_of("shop-0", asking, labels={"app": "shop"}))
    runs(node, "default", "app=shop")

    with forwarded(node, "deployment/rover-backend") as port:

        def found() -> list[dict[str, Any]]:
            url = f"http://127.0.0.1:{port}/api/exchanges?path={PATH}&limit=500"
            with urlopen(url, timeout=10) as answer:
                exchanges: list[dict[str, Any]] = json.load(answer)["exchanges"]
            return exchanges

        wait_until(lambda: len(found()) >= 2 * ASKED, lambda: (len(found()), log_of(node, daemon)))
        told = [(each["side"], names(each["local"]), names(each["remote"])) for each in found()]
    web_end, shop_end = ("web.default", "web-0", "main"), ("shop-0.default", "shop-0", "main")
    assert sorted(told) == [("client", shop_end, web_end)] * ASKED + [("server", web_end, shop_end)] * ASKED


@contextmanager
def forwarded(node: Server, what: str) -> Iterator[int]:
    """A port of this machine that leads to the page, by the words of docs/install.md."""
    command = [str(BIN / "kubectl"), "-n", "rover", "port-forward", what, ":8080"]
    environment = kubectl_environment(node)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline()
            yield int(line.split("->")[0].rpartition(":")[2])
        finally:
            process.kill()


def pod_of(name: str, command: str, labels: dict[str, str]) -> dict[str, Any]:
    container = {"name": "main", "image": "localhost/test:1", "imagePullPolicy": "Never"}
    container["command"] = ["sh", "-c", command]
    return {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": "node-1", "containers": [container]}}


def names(end: dict[str, Any]) -> tuple[str, str, str]:
    identity = end["identity"] or {}
    pod = (identity.get("kubernetes") or {}).get("pod")
    return identity.get("service"), pod, (identity.get("container") or {}).get("name")


def runs(node: Server, namespace: str, selector: str) -> Any:
    """The one pod of the selector, bound to the node as a scheduler would, once it runs."""

    def pod() -> Any:
        found = node.core.list_namespaced_pod(namespace, label_selector=selector).items
        return found[0] if found else None

    def has_started() -> Any:
        found = pod()
        if found and not found.spec.node_name:
            target = {"apiVersion": "v1", "kind": "Node", "name": "node-1"}
            body = {"metadata": {"name": found.metadata.name}, "target": target}
            node.core.create_namespaced_binding(namespace, body, _preload_content=False)
        statuses = found.status.container_statuses if found else None
        return found if statuses and statuses[0].state.running and found.status.pod_ip else None

    return wait_until(has_started, lambda: pod() and pod().status)


def log_of(node: Server, pod: Any) -> str:
    text: str = node.core.read_namespaced_pod_log(pod.metadata.name, pod.metadata.namespace)
    return text


def wait_until(condition: Callable[[], Any], what: Callable[[], object], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)  # between questions to other processes; there is nothing to wait on
    return value
