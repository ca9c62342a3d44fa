"""The image's root file system, made from the Dockerfile's steps, kept until what it is made from changes."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.packaging.dockerfile import CACHE, ROOT, build, context


def image_root() -> Path:
    """A folder with what a container of the image sees. Ten minutes or more the first time: all is compiled."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".build") as name:
        folder = Path(name)
        context(folder / "context")
        made = CACHE / f"image-{fingerprint(folder / 'context')}"
        if not made.exists():
            for older in CACHE.glob("image-*"):
                shutil.rmtree(older)
            build(folder).root.rename(made)
    return made


def fingerprint(folder: Path) -> str:
    """Of the names and contents of all files below, and of the Dockerfile."""
    found = hashlib.sha256((ROOT / "Dockerfile").read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        found.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]
