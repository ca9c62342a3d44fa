"""config/kubernetes as a user would apply it: a copy with a token, rendered by kubectl."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.kube.stage import BIN, Server

SOURCE = Path(__file__).parents[2] / "config/kubernetes"
OVERLAYS = sorted(path.name for path in (SOURCE / "overlays").iterdir())


def overlay(name: str, folder: Path) -> Path:
    """A copy of an overlay and its base, with the token that its head asks for."""
    place = folder / "kubernetes"
    shutil.copytree(SOURCE, place, dirs_exist_ok=True)
    (place / "overlays/backend/token").write_text("7" * 64 + "\n")
    return place / "overlays" / name


def kubectl(server: Server | None, *arguments: str) -> str:
    """What it printed; warnings too. CalledProcessError with `stderr` if it failed."""
    config = {"KUBECONFIG": str(server.kubeconfig)} if server else {}
    done = subprocess.run(
        [str(BIN / "kubectl"), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, **config},
    )
    return done.stdout + done.stderr


def applied(rendered: str) -> list[dict[str, Any]]:
    """Its objects."""
    return [each for each in yaml.safe_load_all(rendered) if each]
