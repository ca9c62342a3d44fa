"""What this kernel, or what this process may do, is not enough: one clear line and exit code 3, for each cause its own.

Mounts and privileges are those of the process under test alone: namespaces of its own, real for all that it sees.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import running

pytestmark = [pytest.mark.slow, pytest.mark.root]


def allowed(*names: str) -> tuple[str, ...]:
    """Words that run a command as root with these capabilities and no others."""
    return ("setpriv", "--bounding-set", ",".join(("-all", *(f"+{name}" for name in names))))


def mounted(*commands: str) -> tuple[str, ...]:
    """Words that run a command with mounts that nobody else sees."""
    return ("unshare", "--mount", "sh", "-c", " && ".join((*commands, 'exec "$@"')), "sh")


def over_lockdown(modes: str) -> tuple[str, ...]:
    """The kernel's word on lockdown."""
    folder = "/sys/kernel/security"
    return mounted(f"mount -t tmpfs none {folder}", f"echo '{modes}' > {folder}/lockdown")


NO_BTF = mounted("mount -t tmpfs none /sys/kernel/btf")
CONFIDENTIALITY = over_lockdown("none integrity [confidentiality]")
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all")
ROOT_OF_A_USER_NAMESPACE = ("unshare", "--user", "--map-root-user")
"""As in a container without root: all capabilities, none of which counts here."""


@pytest.mark.parametrize(
    ("before", "missing", "advice"),
    [
        pytest.param(NO_BTF, "BTF", "CONFIG_DEBUG_INFO_BTF=y", id="no-btf"),
        pytest.param(CONFIDENTIALITY, "lockdown=confidentiality", "lockdown=integrity", id="confidentiality"),
        pytest.param(allowed("bpf"), "CAP_PERFMON", "cap_perfmon", id="bpf-without-perfmon"),
        pytest.param(allowed("perfmon"), "CAP_BPF", "cap_bpf", id="perfmon-without-bpf"),
        pytest.param(allowed(), "CAP_BPF, CAP_PERFMON", "root", id="root-without-capabilities"),
        pytest.param(
            ROOT_OF_A_USER_NAMESPACE, "permission to load BPF programs", "root", id="root-of-a-user-namespace"
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    able: dict[str, Any], before: tuple[str, ...], missing: str, advice: str
) -> None:
    """What, and what to do; `rover doctor` says the same and has the same exit code."""
    code, line = running.refused(before=before)
    assert code == running.KERNEL
    assert missing in line
    assert advice in line
    code, finding = running.found(before=before)
    assert code == running.KERNEL
    assert missing in finding["error"]
    assert advice in finding["error"]


def test_btf_that_cannot_be_read_is_said_in_one_line(able: dict[str, Any], tmp_path: Path) -> None:
    """The file is there but empty."""
    (tmp_path / "empty").touch()
    before = mounted(f"mount --bind {tmp_path}/empty /sys/kernel/btf/vmlinux")
    code, line = running.refused(before=before)
    assert code == running.KERNEL
    assert "BTF" in line
    assert "CONFIG_DEBUG_INFO_BTF=y" in line


def test_nobody_in_particular_is_told_what_is_missing(able: dict[str, Any]) -> None:
    """Without root: the interpreter must be one that anybody may run."""
    if subprocess.run([*NOBODY, sys.executable, "-c", ""], stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f"only root may run {Path(sys.executable).name} here")
    code, line = running.refused(before=NOBODY)
    assert code == running.KERNEL
    assert "CAP_BPF, CAP_PERFMON" in line


@pytest.mark.parametrize("mode", ["none", "integrity"])
def test_other_modes_of_lockdown_do_not_matter(able: dict[str, Any], mode: str) -> None:
    """The mode in brackets is the one in force."""
    modes = " ".join(f"[{each}]" if each == mode else each for each in ("none", "integrity", "confidentiality"))
    code, finding = running.found(before=over_lockdown(modes))
    assert code == 0
    assert finding["kernel"]["lockdown"] == mode


def test_a_missing_privilege_is_the_one_that_doctor_marks(able: dict[str, Any]) -> None:
    """Of all that it lists."""
    others = ("bpf", "sys_ptrace", "net_admin", "dac_read_search", "checkpoint_restore", "syslog", "sys_nice")
    _, finding = running.found(before=allowed(*others))
    assert [each["name"] for each in finding["privileges"] if not each["held"]] == ["CAP_PERFMON"]


@pytest.mark.parametrize("names", [("bpf", "perfmon"), ("sys_admin",)], ids="+".join)
def test_two_capabilities_are_enough(able: dict[str, Any], names: tuple[str, ...]) -> None:
    """CAP_SYS_ADMIN stands for both of the others. Every hook of root is there, and so is every figure of a record;
    only whose process it is needs more rights."""
    code, finding = running.found(before=allowed(*names))
    assert code == 0
    assert running.why_missing(finding) == running.why_missing(able)
    left = running.two_exchanges(before=allowed(*names))
    whole = running.two_exchanges()
    for which, record in left.items():
        lost = running.known(whole[which]) - running.known(record)
        assert {name for name in lost if not name.startswith("local.identity.")} == set(), which
