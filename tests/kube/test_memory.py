"""What a large cluster costs a node: measured with as many objects as are promised."""

from __future__ import annotations

import json
import subprocess
import sys

SERVICES, PODS_EACH = 5_000, 10
LIMIT_BYTES = 64 << 20

PROGRAM = f"""
import gc, json
from rover._engine import Engine
from rover.config import load
from rover.daemon.facts import resident_bytes
from rover.daemon.naming import Naming
from rover.kube import Cluster, objects
from rover.kube.cluster import _Services, _Slices

engine = Engine("{{}}")
naming = Naming(load().config, "node-1", engine.name_addresses)
cluster = Cluster(None, "node-1", naming._tell)
services, slices = _Services(cluster.pods, cluster.addresses), _Slices(cluster.addresses)
service_of, slice_of = objects.decoder(objects.Service), objects.decoder(objects.EndpointSlice)
gc.collect()
before = resident_bytes()
for number in range({SERVICES}):
    name, namespace = f"service-{{number}}", f"namespace-{{number % 200}}"
    meta = {{"name": name, "namespace": namespace, "uid": f"s-{{number:034d}}", "annotations": {{"a": "y" * 500}}}}
    spec = {{"clusterIPs": [f"10.96.{{number // 250}}.{{number % 250}}"], "selector": {{"app": name}}}}
    services.put(service_of.decode(json.dumps({{"metadata": meta, "spec": spec}})))
    ends = []
    for each in range({PODS_EACH}):
        n = number * {PODS_EACH} + each
        address, pod = f"10.{{n >> 16}}.{{n >> 8 & 255}}.{{n & 255}}", f"{{name}}-7d9f8c6b5-{{each:05d}}"
        target = {{"kind": "Pod", "name": pod, "namespace": namespace, "uid": "x" * 36}}
        ends.append({{"addresses": [address], "nodeName": f"node-{{n % 1000}}", "targetRef": target}})
    meta = {{"name": name, "namespace": namespace, "uid": f"e-{{number:034d}}"}}
    meta["labels"] = {{"kubernetes.io/service-name": name}}
    found = {{"metadata": meta, "ports": [{{"port": 8080}}], "endpoints": ends}}
    slices.put(slice_of.decode(json.dumps(found)))
gc.collect()
print(json.dumps({{"addresses": len(cluster.addresses), "bytes": resident_bytes() - before}}))
"""


def test_five_thousand_services_with_fifty_thousand_pods_fit_into_64_mib():
    """Names of addresses on both sides of the border: what Python compares with, and what the engine looks up."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE, text=True, timeout=100)
    found = json.loads(done.stdout)
    assert found["addresses"] == SERVICES * (PODS_EACH + 1)
    assert found["bytes"] < LIMIT_BYTES, f"{found['bytes'] / 1e6:.1f} MB"
