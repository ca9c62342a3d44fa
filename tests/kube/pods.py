"""Pods of this node: an object in the API and a real container with an address, on a host that translates."""

from __future__ import annotations

import socket
import subprocess
import time
import uuid
from contextlib import suppress
from typing import Any

from tests.kube.stage import Containers, Server

PORT = 8080
GATEWAY = "10.244.0.1"
FAR = "[{cmdline: '*http.server*'}]"
"""What stands for a server elsewhere: rover knows of it only what others would."""
SERVER = ("httpd", "-f", "-p", str(PORT), "-h", "/www")


def join(containers: Containers, network: str, address: str) -> None:
    """A network namespace whose packets all go by way of the host, as in clusters that route; a bridge would pass
    answers by the translation."""
    containers.do("net", network, f"{address}/32")
    # Whoever had the address had another link address, which the host would try for seconds.
    subprocess.run(["ip", "neigh", "flush", "to", address], check=True)
    for route in (f"{GATEWAY} dev eth0", f"default via {GATEWAY}"):
        subprocess.run(["ip", "-n", network, "route", "replace", *route.split()], check=True)


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
        """A pod that runs: its name, address and container. `is_host_network`: it has the host's addresses."""
        is_host_network = more.get("is_host_network", False)
        address = GATEWAY if is_host_network else address or self.address()
        pod = self.server.pod(self.namespace, name, ip=None, labels={"app": name.rpartition("-")[0]}, **more)
        network = f"rv{uuid.uuid4().hex[:8]}"
        inside = () if is_host_network else ("--netns", network)
        if inside:
            join(self.containers, network, address)
        made = self.containers.run(
            "--pod", pod.metadata.uid, *inside, "--layout", "systemd", "--", "localhost/test:1", *command
        )
        self.made.append((network if inside else "", made["CONTAINER_ID"]))
        status = {"name": "main", "image": "shop/cart:1", "imageID": "", "ready": True, "restartCount": 0}
        status["containerID"] = f"containerd://{made['CONTAINER_ID']}"
        body = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "containerStatuses": [status]}
        self.server.core.patch_namespaced_pod_status(name, self.namespace, {"status": body})
        return {"name": name, "address": address, "network": network, "id": made["CONTAINER_ID"]}

    def ask(self, pod: dict[str, str], *urls: str) -> None:
        """Requests by processes of the pod, one each; whether they are answered well does not matter."""
        # A shell that lives on: a program that is gone before it is looked at is where its parent is.
        command = ("task", "exec", "--exec-id", uuid.uuid4().hex[:8], pod["id"], "sh", "-c")
        with suppress(subprocess.CalledProcessError):
            asking = f"for url in {' '.join(urls)}; do wget -qO /dev/null $url; done"
            self.containers.do("ctr", *command, f"sleep 0.2; {asking}; sleep 0.2")

    def remove(self, pod: dict[str, str]) -> None:
        """End one, at once."""
        self.made.remove((pod["network"], pod["id"]))
        self.containers.do("rm", pod["id"])
        self.containers.do("net-rm", pod["network"])
        self.server.core.delete_namespaced_pod(pod["name"], self.namespace, grace_period_seconds=0)

    def stop(self) -> None:
        """Remove all."""
        for network, container_id in self.made:
            self.containers.do("rm", container_id)
            if network:
                self.containers.do("net-rm", network)


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
