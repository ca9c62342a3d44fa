"""Pods that come and go several times a second: objects of the API, and processes in cgroups of the kubelet's names.

No runtime makes them: that would cost most of a second of CPU each. Each address has a network namespace
of its own, in which its pods follow one another."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kube.pods import PORT, join
from tests.kube.stage import Containers, Server

_UNIFIED = Path("/sys/fs/cgroup/unified")
CGROUPS = (_UNIFIED if _UNIFIED.is_dir() else Path("/sys/fs/cgroup")) / "kubepods/besteffort"
_BECOME = 'echo $$ > "$0/cgroup.procs" && exec nsenter --net="$1" busybox httpd -f -p "$2" -h "$0"'
_DEADLINE_S = 20.0


class Address:
    """One address of the pods' network, and whoever has it."""

    def __init__(self, server: Server, containers: Containers, namespace: str, address: str) -> None:
        self.address = address
        self._server, self._containers, self._namespace = server, containers, namespace
        self._core = server.connect(server.kubeconfig)  # one connection each: they are used at the same time
        self._network = f"rv{uuid.uuid4().hex[:8]}"
        join(containers, self._network, address)

    def close(self) -> None:
        """Nobody has it any more."""
        self._containers.do("net-rm", self._network)

    @contextmanager
    def pod(self, name: str) -> Iterator[None]:
        """A pod that has it and answers inside the block, and is gone after it."""
        container_id = os.urandom(32).hex()
        pod = self._server.pod(self._namespace, name, ip=None, core=self._core)
        folder = CGROUPS / f"pod{pod.metadata.uid}" / container_id
        folder.mkdir(parents=True)
        command = ["/bin/sh", "-c", _BECOME, str(folder), f"/run/netns/{self._network}", str(PORT)]
        status = {"name": "main", "image": "i", "imageID": "", "ready": True, "restartCount": 0}
        status["containerID"] = f"containerd://{container_id}"
        body = {"phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}]}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # As a kubelet: it tells of a container some time after it runs.
            told = {"status": {**body, "containerStatuses": [status]}}
            self._core.patch_namespaced_pod_status(name, self._namespace, told)
            self._wait_for_server()
            yield
        finally:
            process.kill()
            process.wait()
            self._wait_for_nobody(folder)
            self._core.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)

    def _wait_for_server(self) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            try:
                socket.create_connection((self.address, PORT), 1).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.005)  # until it listens: there is nothing to wait on
            else:
                return

    def _wait_for_nobody(self, folder: Path) -> None:
        """Processes of single connections end by themselves."""
        deadline = time.monotonic() + _DEADLINE_S
        while folder.is_dir():
            try:
                folder.rmdir()
                folder.parent.rmdir()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.005)  # until the last one is gone
