"""Real containers: their cgroups name them, their runtime tells the rest."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rover.identity import Container, place_of
from rover.identity.runtimes import Runtimes
from rover.processes.procfs import ProcFs
from tests.kube.stage import HERE, LAYOUTS, Containers

DEADLINE_S = 10.0


@pytest.fixture
def runtimes(containers: Containers) -> Iterator[Runtimes]:
    asking = Runtimes([containers.socket])
    asking.start()
    yield asking
    asking.stop()


def answer_of(runtimes: Runtimes, container_id: str) -> Container | None:
    deadline = time.monotonic() + DEADLINE_S
    while not (answer := runtimes.ask(container_id, None))[1]:
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.005)
    return answer[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_process_of_a_container_is_placed_by_its_cgroup(containers, layout):
    made = containers.run("--layout", layout, "--", "localhost/test:1", "sleep", "1000")
    try:
        cgroup = ProcFs().maybe_text(int(made["CONTAINER_PID"]), "cgroup")
        place = place_of(cgroup)
        assert place.container_id == made["CONTAINER_ID"]
        is_of_pod = not layout.startswith(("docker", "podman", "ctr"))
        assert place.pod_uid == (made["CONTAINER_POD_UID"] if is_of_pod else None)
        assert place.unit is None
    finally:
        containers.do("rm", made["CONTAINER_ID"])


def test_the_gateway_keeps_its_link_address_while_networks_come_and_go(containers):
    """Whoever has it in its table would ask at the old one in vain, for up to a minute. CNI's bridges have one of
    their own too."""
    address = Path("/sys/class/net/rvk0/address")
    containers.do("net", "rvlink", "10.244.5.1/16")
    with_a_port = address.read_text()
    containers.do("net-rm", "rvlink")
    assert address.read_text() == with_a_port


def test_containerd_tells_name_image_and_labels(containers, runtimes):
    labels = {"io.kubernetes.container.name": "main", "io.kubernetes.pod.name": "cart-1", "tier": "front"}
    stated = [f"--label={key}={value}" for key, value in labels.items()]
    made = containers.run(*stated, "--", "localhost/test:1", "sleep", "1000")
    try:
        found = answer_of(runtimes, made["CONTAINER_ID"])
        assert (found.name, found.runtime, found.image) == ("main", "containerd", "localhost/test:1")
        assert {key: found.labels[key] for key in labels} == labels
        assert made["CONTAINER_ID"] in runtimes.take_changes()
    finally:
        containers.do("rm", made["CONTAINER_ID"])


def test_a_container_that_the_runtime_does_not_have_is_a_final_answer(runtimes):
    assert answer_of(runtimes, "ef" * 32) is None


def test_an_answer_comes_within_a_tenth_of_a_second(containers, runtimes):
    """What the record of a new container's first exchange waits for; best of three, as others run beside."""
    made = containers.run("--", "localhost/test:1", "sleep", "1000")
    try:
        answer_of(runtimes, "aa" * 32)  # the channel is open from the first question on
        took = []
        for _ in range(3):
            asking = Runtimes([containers.socket])
            asking.start()
            begin = time.monotonic()
            assert answer_of(asking, made["CONTAINER_ID"]) is not None
            took.append(time.monotonic() - begin)
            asking.stop()
        assert min(took) < 0.1, took
    finally:
        containers.do("rm", made["CONTAINER_ID"])


def test_a_socket_that_nobody_answers_is_a_final_answer_and_said_once(tmp_path: Path, caplog):
    path = tmp_path / "containerd.sock"
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(path))
    asking = Runtimes([path])
    asking.start()
    try:
        assert answer_of(asking, "ab" * 32) is None
        assert answer_of(asking, "cd" * 32) is None
    finally:
        asking.stop()
    assert caplog.text.count("does not answer") == 1


def test_podman_tells_name_image_and_labels(containers, tmp_path):
    """Its service, as its socket unit starts it, and a container that it runs."""
    if shutil.which("podman") is None:
        pytest.skip("needs podman: make kube installs it")
    path = tmp_path / "podman.sock"
    script = str(HERE / "containers/containers.sh")
    environment = {**os.environ, "CONTAINERS_DIR": str(containers.folder)}
    words = [
        script,
        "podman",
        "run",
        "-d",
        "--name",
        "cart",
        "--label",
        "tier=front",
        "localhost/test:1",
        "sleep",
        "99",
    ]
    made = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=60).stdout
    serve = [script, "podman", "system", "service", "--time", "60", f"unix://{path}"]
    service = subprocess.Popen(serve, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not path.is_socket():
            assert time.monotonic() < deadline
            time.sleep(0.01)  # until it listens
        asking = Runtimes([path])
        asking.start()
        try:
            found = answer_of(asking, made.strip())
            assert (found.name, found.runtime, found.image) == ("cart", "podman", "localhost/test:1")
            assert found.labels["tier"] == "front"
            assert answer_of(asking, "ab" * 32) is None
        finally:
            asking.stop()
    finally:
        service.terminate()
        service.wait()
        subprocess.run([script, "podman", "rm", "-f", "-t", "0", "cart"], check=True, env=environment, timeout=60)
    with socket.socket(socket.AF_UNIX) as asking_on, pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        asking_on.connect(str(path))  # one that outlived its script would write its store anew after `stop`
