"""What a cgroup says of where a process stands: layouts that runtimes and drivers make. tests/kube has real ones."""

from __future__ import annotations

import pytest

from rover.identity import Place, place_of

ID = "ab" * 32
OUTER = "cd" * 32
UID = "0a1b2c3d-1111-2222-3333-444455556666"
SLICED = UID.replace("-", "_")
SLICE = f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICED}.slice"

LAYOUTS = {
    "cgroupfs": (f"/kubepods/besteffort/pod{UID}/{ID}", Place(ID, None, UID)),
    "cgroupfs, guaranteed": (f"/kubepods/pod{UID}/{ID}", Place(ID, None, UID)),
    "systemd": (f"/{SLICE}/cri-containerd-{ID}.scope", Place(ID, "containerd", UID)),
    "systemd, guaranteed": (
        f"/kubepods.slice/kubepods-pod{SLICED}.slice/cri-containerd-{ID}.scope",
        Place(ID, "containerd", UID),
    ),
    "colon": (
        f"/system.slice/containerd.service/kubepods-besteffort-pod{SLICED}.slice:cri-containerd:{ID}",
        Place(ID, "containerd", UID),
    ),
    "crio": (f"/{SLICE}/crio-{ID}.scope", Place(ID, "cri-o", UID)),
    "crio-cgroupfs": (f"/kubepods/besteffort/pod{UID}/crio-{ID}", Place(ID, "cri-o", UID)),
    "cri-dockerd": (f"/{SLICE}/docker-{ID}.scope", Place(ID, "docker", UID)),
    "kind": (
        f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
        f"kubelet-kubepods-besteffort-pod{SLICED}.slice/cri-containerd-{ID}.scope",
        Place(ID, "containerd", UID),
    ),
    "kind in docker": (
        f"/docker/{OUTER}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SLICED}.slice/cri-containerd-{ID}.scope",
        Place(ID, "containerd", UID),
    ),
    "the node of kind in docker": (
        f"/docker/{OUTER}/kubelet.slice/kubelet.service",
        Place(OUTER, "docker", None, "kubelet.service"),
    ),
    "docker": (f"/docker/{ID}", Place(ID, "docker")),
    "docker-systemd": (f"/system.slice/docker-{ID}.scope", Place(ID, "docker")),
    "podman": (f"/libpod_parent/libpod-{ID}", Place(ID, "podman")),
    "podman-systemd": (f"/machine.slice/libpod-{ID}.scope", Place(ID, "podman")),
    "podman of a user": (
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
        Place(ID, "podman"),
    ),
    "podman's monitor": (f"/machine.slice/libpod-conmon-{ID}.scope", Place()),
    "CRI-O's monitor": (f"/{SLICE}/crio-conmon-{ID}.scope", Place()),
    "ctr": (f"/k8s.io/{ID}", Place(ID)),
    "a static pod": (f"/kubepods/besteffort/pod{UID.replace('-', '')}/{ID}", Place(ID, None, UID.replace("-", ""))),
    "seen from another cgroup namespace": (f"/../../pod{UID}/{ID}", Place(ID, None, UID)),
    "a unit": ("/system.slice/nginx.service", Place(unit="nginx.service")),
    "a unit of a template": ("/system.slice/system-getty.slice/getty@tty1.service", Place(unit="getty@tty1.service")),
    "a unit with groups of its own": ("/system.slice/docker.service/payload", Place(unit="docker.service")),
    "a session": ("/user.slice/user-0.slice/session-3.scope", Place()),
    "a user's own systemd": ("/user.slice/user-1000.slice/user@1000.service/init.scope", Place()),
    "a user's unit": (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
        Place(unit="web.service"),
    ),
    "systemd in a container": (f"/docker/{ID}/system.slice/cron.service", Place(ID, "docker", None, "cron.service")),
    "too short for an id": (f"/docker/{ID[:63]}", Place()),
    "too long for an id": (f"/docker/{ID}0", Place()),
    "the root": ("/", Place()),
}


@pytest.mark.parametrize(("path", "place"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_cgroup_path_names_container_pod_and_unit(path, place):
    assert place_of(f"0::{path}\n") == place


@pytest.mark.parametrize(("path", "place"), LAYOUTS.values(), ids=LAYOUTS)
def test_version_1_names_the_same_in_the_hierarchy_of_systemd(path, place):
    assert place_of(f"12:cpu,cpuacct:{path}\n1:name=systemd:{path}\n") == place


def test_on_a_hybrid_host_one_line_that_names_the_container_is_enough():
    path, place = LAYOUTS["cgroupfs"]
    assert place_of(f"9:name=systemd:/\n4:memory:{path}\n0::/\n") == place
    assert place_of(f"9:name=systemd:/system.slice/containerd.service\n4:memory:/\n0::{path}\n") == place


@pytest.mark.parametrize("text", ["", "nonsense", "0::\n", "::\n", "0::/\n\n:::::\n"])
def test_text_that_names_nothing_is_the_host(text):
    assert place_of(text) == Place()
