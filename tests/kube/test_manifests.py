"""config/kubernetes against a real API server: taken as they are, and rights that are what the daemon uses, no more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rover.config import load
from rover.kube import Cluster, connect
from tests.kube.manifests import OVERLAYS, applied, kubectl, overlay
from tests.kube.stage import Server, need
from tests.kube.test_cluster import wait_until

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [{"level": "Metadata", "omitStages": ["RequestReceived"]}],
}
ACCOUNT = "system:serviceaccount:rover:rover-daemon"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that writes down who asked for what."""
    need("kube-apiserver", "etcd", "kubectl")
    folder = tmp_path_factory.mktemp("audited")
    (folder / "policy.json").write_text(json.dumps(AUDIT))
    flags = f"--audit-policy-file={folder}/policy.json --audit-log-path={folder}/audit.log"
    running = Server(folder, KUBE_APISERVER_ARGS=flags)
    running.core.create_namespace({"metadata": {"name": "rover"}})
    yield running
    running.do("stop")


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_server_takes_every_object_without_a_warning(audited, tmp_path, name):
    said = kubectl(audited, "apply", "-k", str(overlay(name, tmp_path)), "--server-side", "--dry-run=server")
    kinds = {line.split("/")[0].split(".")[0] for line in said.splitlines()}
    assert kinds >= {"namespace", "serviceaccount", "clusterrole", "clusterrolebinding", "configmap", "daemonset"}
    assert "arning" not in said


@pytest.mark.parametrize("name", OVERLAYS)
def test_its_configurations_are_configurations_of_rover(tmp_path, name):
    need("kubectl")
    rendered = kubectl(None, "kustomize", str(overlay(name, tmp_path)))
    files = [each["data"]["rover.yaml"] for each in applied(rendered) if each["kind"] == "ConfigMap"]
    assert files
    for number, text in enumerate(files):
        (tmp_path / f"{number}.yaml").write_text(text)
        assert load(tmp_path / f"{number}.yaml").origins


@pytest.fixture
def limited(audited: Server, tmp_path: Path) -> Path:
    """A kubeconfig of the daemon's service account, once its rights have come into force."""
    kubectl(audited, "apply", "--server-side", "-k", str(overlay("backend", tmp_path)))
    path = tmp_path / "kubeconfig"
    path.write_text(audited.do("sa-config", "rover", "rover-daemon"))
    core = audited.connect(path)
    wait_until(lambda: status_of(lambda: core.list_service_for_all_namespaces(limit=1)) == 200)
    return path


def test_the_daemon_may_do_what_it_does_and_does_all_that_it_may(audited, limited):
    """The rules of its role, compared with the server's own log of what its account asked for."""
    namespace = audited.namespace()
    owners = {"of-set": ("ReplicaSet", "web-7d9f"), "of-job": ("Job", "once")}
    uids = [audited.pod(namespace, name, owner=(*owner, "2")).metadata.uid for name, owner in owners.items()]
    following = Cluster(connect(limited), "node-1", lambda changes: None)
    following.start()
    try:
        for uid in uids:
            wait_until(lambda uid=uid: following.ask(uid)[0])
        wait_until(lambda: verbs_used(audited.folder) >= verbs_allowed(limited.parent))
    finally:
        following.stop()
    assert verbs_used(audited.folder) == verbs_allowed(limited.parent)
    assert not [event for event in events(audited.folder) if event["responseStatus"]["code"] == 403]


def test_all_else_is_refused(audited, limited):
    from kubernetes import client

    namespace = audited.namespace()
    audited.pod(namespace, "web")
    core = audited.connect(limited)
    apps = client.AppsV1Api(core.api_client)
    refused = {
        "secrets": core.list_secret_for_all_namespaces,
        "config": core.list_config_map_for_all_namespaces,
        "its own secret": lambda: core.list_namespaced_secret("rover"),
        "log": lambda: core.read_namespaced_pod_log("web", namespace),
        "delete": lambda: core.delete_namespaced_pod("web", namespace),
        "patch": lambda: core.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"a": "b"}}}),
        "node": lambda: core.patch_node("node-1", {"metadata": {"labels": {"a": "b"}}}),
        "all replica sets": apps.list_replica_set_for_all_namespaces,
        "token": lambda: core.create_namespaced_service_account_token("rover-daemon", "rover", {"spec": {}}),
    }
    assert {name: status_of(call) for name, call in refused.items()} == dict.fromkeys(refused, 403)


def status_of(call: Any) -> int:
    from kubernetes import client

    try:
        call()
    except client.ApiException as error:
        return int(error.status)
    return 200


def events(folder: Path) -> list[dict[str, Any]]:
    """What the daemon's account asked for, until the test of what it must not."""
    found = [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]
    return [event for event in found if event["user"]["username"] == ACCOUNT and "objectRef" in event]


def verbs_used(folder: Path) -> set[tuple[str, str, str]]:
    told = ((event["objectRef"], event["verb"]) for event in events(folder))
    return {(what.get("apiGroup", ""), what["resource"], verb) for what, verb in told}


def verbs_allowed(folder: Path) -> set[tuple[str, str, str]]:
    rendered = applied(kubectl(None, "kustomize", str(folder / "kubernetes/overlays/backend")))
    (role,) = (each for each in rendered if each["kind"] == "ClusterRole")
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_kustomize_says_what_to_do_where_the_token_is_missing(tmp_path):
    need("kubectl")
    place = overlay("backend", tmp_path)
    (place / "token").unlink()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        kubectl(None, "kustomize", str(place))
    assert "token" in failed.value.stderr
