"""The Dockerfile, without an engine: how its lines are read, and the image that its steps make."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.packaging import dockerfile
from tests.packaging.image import image_root


def test_lines_are_joined_and_comments_are_none():
    text = "# a comment\nARG A=1\nRUN one && \\\n    two\n\nCMD x\n"
    assert dockerfile.instructions(text) == [("ARG", "A=1"), ("RUN", "one && two"), ("CMD", "x")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"BASE": "b", "DIGEST": ""}, "b AS x"), ({"BASE": "b", "DIGEST": "sha256:1"}, "b@sha256:1 AS x")],
)
def test_a_digest_pins_the_base(values, expected):
    assert dockerfile.expand("${BASE}${DIGEST:+@${DIGEST}} AS x", values) == expected


def test_the_context_has_the_sources_and_nothing_that_was_built(tmp_path):
    dockerfile.context(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"Makefile", "requirements-run.lock", "bpf", "rover", "web"}
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    built = [name for name in names if name.endswith(".so") or {"target", "node_modules"} & set(name.split("/"))]
    assert not built
    assert not {name for name in names if name.split("/")[0] in (".git", ".venv", "tests", "docs", "dist")}
    assert "rover/web/static" not in names


@pytest.mark.kube
@pytest.mark.root
@pytest.mark.timeout(3600)
def test_the_image_runs_as_nobody_and_is_no_larger_than_it_has_to_be():
    """Ten minutes the first time."""
    root = image_root()
    nobody = ["chroot", "--userspec=65532:65532", str(root), "/usr/bin/rover"]
    # Of variables what every engine gives; without it chroot itself would be looked for in /bin and /usr/bin alone.
    given = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    version = subprocess.run([*nobody, "--version"], capture_output=True, text=True, check=True, env=given, timeout=60)
    assert version.stdout.startswith("rover 0.")
    subprocess.run([*nobody, "config", "check"], check=True, env=given, timeout=60)
    assert not [name for name in ("clang", "gcc", "cargo", "node", "make") if (root / "usr/bin" / name).exists()]
    size = sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(root) for name in names)
    assert size < 450 << 20, f"{size >> 20} MiB"
