"""Traffic in all directions between many pods: every record has the right names, and what is not known has none."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kube.pods import FAR, GATEWAY, PORT, wait_for_server
from tests.kube.stage import Server
from tests.stage.ports import free_port
from tests.stage.rover import Record, unexplained

pytestmark = [pytest.mark.root, pytest.mark.slow]

SERVICES, PODS_EACH, CLIENTS, ROUNDS = map(int, os.environ.get("KUBE_TEST_TRAFFIC", "3,2,3,15").split(","))
"""`KUBE_TEST_TRAFFIC=10,3,5,50`: twelve thousand exchanges between 37 pods, in some minutes."""
NODE_PORT = 30080
EDGE_PORT = 30081
"""Of the server on the host's network, which has the address that the host's own programs have too."""
EDGE, AGENT = "edge-0", "agent-0"


def rules_of(services: dict[str, list[str]], first: list[str]) -> str:
    """DNAT as kube-proxy does it: a service's address to one of its pods by chance, and a NodePort to the first's."""

    def chosen(addresses: list[str]) -> str:
        ways = ", ".join(f"{number} : {address}" for number, address in enumerate(addresses))
        return f"dnat to numgen random mod {len(addresses)} map {{ {ways} }}:{PORT}"

    lines = [f"ip daddr {address} tcp dport 80 {chosen(pods)};" for address, pods in services.items()]
    lines.append(f"ip daddr {GATEWAY} tcp dport {NODE_PORT} {chosen(first)};")
    chains = {"pre": "prerouting", "out": "output"}
    body = "".join(
        f"chain {name} {{ type nat hook {hook} priority -100; {' '.join(lines)} }}\n" for name, hook in chains.items()
    )
    return f"table ip rover_test {{ {body} }}"


@pytest.fixture
def translations():
    yield lambda rules: subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    subprocess.run(["nft", "delete", "table", "ip", "rover_test"], check=False, capture_output=True)


def forget(server: Server) -> None:
    """The API server goes, and when it is back it knows nothing of the past."""
    for action in ("stop-api", "compact", "start-api"):
        server.do(action)


@pytest.mark.timeout(900)
def test_every_record_of_every_direction_has_the_right_names(server, pods, watching, translations, tmp_path):
    """Also while the API server is restarted and its history compacted."""
    names = [f"web{number}" for number in range(SERVICES)]
    started = [pods.start(f"{name}-{number}") for name in names for number in range(PODS_EACH)]
    clients = [pods.start(f"shop-{number}", command=("sleep", "1000")) for number in range(CLIENTS)]
    pods.start(EDGE, command=("httpd", "-f", "-p", f"{GATEWAY}:{EDGE_PORT}"), is_host_network=True)
    agent = pods.start(AGENT, command=("sleep", "1000"), is_host_network=True)
    services = {}
    for name in names:
        body = {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}
        address = server.core.create_namespaced_service(pods.namespace, body).spec.cluster_ip
        services[address] = [pod["address"] for pod in started if pod["name"].startswith(f"{name}-")]
    translations(rules_of(services, services[next(iter(services))]))
    outside = free_port()
    command = ["python3", "-m", "http.server", str(outside), "--bind", GATEWAY, "--directory", str(tmp_path)]
    far = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_server(outside)
    urls = [f"http://{address}/" for address in services]
    urls += [f"http://{pod['address']}:{PORT}/" for pod in started]  # as a headless service's names resolve
    of_agent = [f"{url}{AGENT}" for url in urls]
    urls += [f"http://{GATEWAY}:{EDGE_PORT}/", f"http://{GATEWAY}:{outside}/"]
    node_port = f"http://{GATEWAY}:{NODE_PORT}/"
    try:
        with watching(FAR) as rover, ThreadPoolExecutor() as pool:
            asking = [pool.submit(pods.ask, client, *urls * ROUNDS) for client in clients]
            asking.append(pool.submit(pods.ask, agent, *of_agent * ROUNDS))
            asking.append(pool.submit(forget, server))
            for _ in range(ROUNDS):
                subprocess.run(["curl", "-sf", "-o", "/dev/null", node_port], check=True)
            for each in asking:
                each.result()
            to_pods = (CLIENTS * (len(urls) - 1) + len(of_agent) + 1) * ROUNDS
            count = 2 * to_pods + CLIENTS * ROUNDS
            assert rover.wait_for(lambda: len(of_test(rover.records)) >= count, 20), len(of_test(rover.records))
            assert unexplained(rover.stop()) == 0
    finally:
        far.kill()
        far.wait()
    by_address = {pod["address"]: pod["name"] for pod in [*started, *clients]}
    records = of_test(rover.records)
    assert len(records) == count
    wrong = [text for record in records for text in faults(record, by_address, pods.namespace)]
    assert not wrong, (len(wrong), wrong[:10])


def of_test(records: list[Record]) -> list[Record]:
    """Those with an address of the bridge; the other end may have another address of the host."""
    return [each for each in records if any(each[end]["address"].startswith("10.244.") for end in ("local", "remote"))]


def faults(record: Record, by_address: dict[str, str], namespace: str) -> list[str]:
    """What is wrong with the names of one record."""
    found = []
    for end in ("local", "remote"):
        address, identity = record[end]["address"], record[end]["identity"]
        pod = by_address[address] if address in by_address else maybe_on_host(record, end)
        told = (identity or {}).get("kubernetes", {}).get("pod")
        if told != pod:
            found.append(f"{record['side']} {end} {address}: {told} is {pod}: {identity}")
            continue
        if pod is None:
            continue
        workload = pod.rpartition("-")[0]
        service = f"{workload if workload.startswith('web') else pod}.{namespace}"
        if identity["service"] != service or identity["container"]["name"] != "main":
            found.append(f"{record['side']} {end} {address}: {identity} is {service}")
    return found


def maybe_on_host(record: Record, end: str) -> str | None:
    """The pod on the host's network that this end is; curl and the server that stands for another machine are none."""
    if record[end]["port"] == EDGE_PORT:
        return EDGE
    is_client = (record["side"] == "client") == (end == "local")
    return AGENT if is_client and record["path"] == f"/{AGENT}" else None
