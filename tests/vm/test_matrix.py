"""rover on stock Debian kernels, in each attach mode: one boot for each runs the tests of a guest and of the layers.

`make vm` boots all, `make vm KERNEL=6.12` those of one kernel. What the tests of a guest said is told file by file.
"""

import json
import sys

import pytest

from tests.stage.rover import EXECUTABLE

from . import matrix

pytestmark = [pytest.mark.vm, pytest.mark.timeout(matrix.BOOTS * matrix.SECONDS)]

FOLDERS = ("tests/vm/guest", "tests/layers")
FILES = [
    str(path.relative_to(matrix.ROOT)) for name in FOLDERS for path in sorted((matrix.ROOT / name).glob("test_*.py"))
]
GUESTS = [(kernel, mode) for kernel in matrix.kernels() for mode in matrix.MODES]


def ids(guests):
    return ["-".join(each) for each in guests]


@pytest.fixture(scope="session")
def booted(request, tmp_path_factory):
    """The folder in which a guest left what its tests told. Each guest is booted once."""
    kernel, mode = request.param
    folder = tmp_path_factory.mktemp(f"{kernel}-{mode}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        "--timeout",
        "300",
    ]
    # Other plugins take a quarter of a minute to be imported there.
    environment = {"ROVER_KERNEL_ATTACH": mode, "VM_GUEST": "/out", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    matrix.boot(kernel, folder, [*command, "--junitxml", "/out/results.xml", *FOLDERS], environment)
    return folder


able = [guest for guest in GUESTS if guest not in matrix.REFUSED]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("booted", able, indirect=True, ids=ids(able))
def test_guest(booted, file):
    """The tests of one file in a guest: none failed."""
    results = booted / "results.xml"
    assert results.exists(), matrix.console(booted)
    verdict = matrix.verdicts(results).get(file)
    assert verdict, f"no test of {file} ran:\n{matrix.console(booted)}"
    assert not verdict.failed, "\n\n".join(verdict.failed)
    if not verdict.passed:
        pytest.skip("; ".join(verdict.skipped))


@pytest.mark.parametrize("booted", able, indirect=True, ids=ids(able))
def test_programs_are_told(booted, capsys):
    """What the verifier made of each program, and how long rover took to be ready, on the terminal."""
    told = json.loads((booted / "doctor.json").read_text())
    with capsys.disabled():
        print(f"\n{booted.name}: loaded in {told['load_ms']} ms under emulation; instructions verified:")
        for each in sorted(told["programs"], key=lambda each: -each["instructions"]):
            print(f"  {each['instructions']:>7} {each['program']} ({each['hook']})")


refused = [guest for guest in GUESTS if guest in matrix.REFUSED]


@pytest.mark.skipif(not refused, reason="no such kernel asked for")
@pytest.mark.parametrize(("kernel", "mode"), refused, ids=ids(refused))
def test_a_kernel_without_the_hooks_is_refused(tmp_path, kernel, mode):
    """Exit code 3 and what is missing, not silence."""
    status = matrix.boot(kernel, tmp_path, [EXECUTABLE, "watch", "--duration", "2"], {"ROVER_KERNEL_ATTACH": mode})
    said = matrix.console(tmp_path)
    assert status == 3, said
    assert "Traceback" not in said
    assert any("rover:" in line or "error" in line.lower() for line in said.splitlines()), said
