"""Real parts for tests: an API server with its etcd, and containers in the cgroups that runtimes make (README.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
BIN = Path(
    os.environ.get("KUBE_TEST_BIN")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rover/kube/bin"
)
LAYOUTS = [
    *("cgroupfs", "systemd", "colon", "crio", "crio-cgroupfs", "cri-dockerd", "kind"),
    *("docker", "docker-systemd", "podman", "podman-systemd", "ctr"),
]


def missing(*binaries: str) -> str:
    """Which of them are not built, and what builds them; empty: none."""
    absent = [name for name in binaries if not (BIN / name).exists()]
    return f"{', '.join(absent)} not in {BIN}: make kube builds them" if absent else ""


def need(*binaries: str) -> None:
    """Skip the test, saying why, where a binary is not built."""
    if reason := missing(*binaries):
        pytest.skip(reason)


def need_containers() -> None:
    """The same for containers."""
    if os.geteuid() != 0 or not shutil.which("containerd") or not shutil.which("runc"):
        pytest.skip("needs root, containerd and runc: make kube installs them")


def lines(text: str) -> dict[str, str]:
    """The KEY=VALUE lines that both scripts print."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class Containers:
    """A private containerd in a folder; the folder's path must be short."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "containerd.sock"
        self.do("start", *options)

    def do(self, *arguments: str) -> dict[str, str]:
        """One command of containers.sh; what it printed."""
        command = [str(HERE / "containers/containers.sh"), *arguments]
        # No pipe for stderr: the runtime's shim would keep it open for as long as the container lives.
        done = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "CONTAINERS_DIR": str(self.folder)},
            timeout=110,
        )
        return lines(done.stdout)

    def run(self, *arguments: str) -> dict[str, str]:
        """A container that runs: CONTAINER_ID, CONTAINER_PID, CONTAINER_CGROUP."""
        return self.do("run", *arguments)


class Server:
    """One kube-apiserver with its etcd in a folder of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.env = lines(self.do("start", **environment))
        self.kubeconfig = folder / "kubeconfig"
        self.core = self.connect(self.kubeconfig)

    def do(self, *arguments: str, script: str = "api.sh", **environment: str) -> str:
        """One command of the script; what it printed."""
        command = [str(HERE / "apiserver" / script), *arguments, str(self.folder)]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}, timeout=90
        ).stdout

    @staticmethod
    def connect(kubeconfig: Path) -> Any:
        """A client for a kubeconfig."""
        from kubernetes import client, config

        return client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))

    def namespace(self) -> str:
        """A fresh namespace: with no controllers a deleted one stays Terminating, so every test takes its own."""
        name = f"t-{uuid.uuid4().hex[:8]}"
        self.core.create_namespace({"metadata": {"name": name}})
        return name

    def pod(self, namespace: str, name: str, ip: str | None = "10.244.1.5", **more: Any) -> Any:
        """A pod as a kubelet would report it once its container runs.

        `more`: `container_id`, `node`, `labels`, `annotations`, `owner` (kind, name, uid), `is_host_network`; `core`:
        another client than the server's own."""
        metadata: dict[str, Any] = {"name": name, "labels": more.get("labels", {"app": "web"})}
        metadata["annotations"] = more.get("annotations", {})
        if "owner" in more:
            kind, owner, uid = more["owner"]
            reference = {"kind": kind, "name": owner, "uid": uid, "controller": True, "apiVersion": "apps/v1"}
            metadata["ownerReferences"] = [reference]
        spec = {
            "nodeName": more.get("node", "node-1"),
            "hostNetwork": more.get("is_host_network", False),
            "containers": [{"name": "main", "image": "shop/cart:1"}],
        }
        core = more.get("core", self.core)
        created = core.create_namespaced_pod(namespace, {"metadata": metadata, "spec": spec})
        if ip is None:
            return created
        status = {
            "name": "main",
            "image": "shop/cart:1",
            "imageID": "sha256:0",
            "ready": True,
            "restartCount": 0,
            "containerID": f"containerd://{more.get('container_id', 'ab' * 32)}",
            "state": {"running": {"startedAt": "2025-01-01T00:00:00Z"}},
        }
        addresses = [{"ip": each} for each in ip.split(",")]
        body = {"phase": "Running", "hostIP": "127.0.0.1", "podIP": addresses[0]["ip"], "podIPs": addresses}
        body["containerStatuses"] = [status]
        return core.patch_namespaced_pod_status(name, namespace, {"status": body})
