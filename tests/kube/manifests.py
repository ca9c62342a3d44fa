"""config/kubernetes as a user would apply it: a copy with a token, rendered by kubectl."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
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
    done = subprocess.run(
        [str(BIN / "kubectl"), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=90,
        env=kubectl_environment(server),
    )
    return done.stdout + done.stderr


def kubectl_environment(server: Server | None) -> dict[str, str]:
    """Whom it asks; what it learns of a server it keeps in the machine's temporary folder, or it would do so here."""
    config = {"KUBECONFIG": str(server.kubeconfig)} if server else {}
    return {**os.environ, **config, "KUBECACHEDIR": os.path.join(tempfile.gettempdir(), "rover-kubectl")}


def applied(rendered: str) -> list[dict[str, Any]]:
    """Its objects."""
    return [each for each in yaml.safe_load_all(rendered) if each]
