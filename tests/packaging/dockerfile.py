"""The Dockerfile without an engine: its instructions, carried out in roots that debootstrap made.

As far as this Dockerfile goes: ARG, FROM, WORKDIR, COPY, RUN; what tells how to start the image is kept.
RUN is a chroot in mount and pid namespaces of its own. A base is made once and kept in the user's cache, and so is what
RUN makes of it before the first COPY. An image of Rust is the base of its Debian with this machine's toolchain."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rover/roots"
KEPT = ("USER", "ENTRYPOINT", "CMD")

TOOLCHAIN = "/usr/local/cargo"
"""Where images of Rust have it on their path."""

REACHING = re.compile(r"(?i)(.*_proxy|(pip|npm|cargo|ssl|node)_.*|.*_ca_bundle)")
"""Variables by which this machine's package managers reach what they install."""
REACHING_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/root/.npmrc", "/root/.cargo/config.toml")

IN_CHROOT = """
set -e
for folder in proc sys dev; do mount --rbind "/$folder" "$1/$folder"; done
root=$1; shift
# Copies, which go with this namespace: what is installed inside writes into these folders, not into the machine's.
mount -t tmpfs rover "$root/mnt"
count=0
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; [ -e "$root$1" ] || : >"$root$1"; fi
    count=$((count + 1))
    cp -aL "$1" "$root/mnt/$count" 2>/dev/null || [ -d "$1" ]
    mount --bind "$root/mnt/$count" "$root$1"; shift
done
shift
exec chroot "$root" "$@"
"""
TOOLCHAIN_IN_CHROOT = f"""
if [ -n "$SYSROOT" ]; then mkdir -p "$1{TOOLCHAIN}" && mount --bind "$SYSROOT" "$1{TOOLCHAIN}"; fi
"""


def instructions(text: str) -> list[tuple[str, str]]:
    """Each word and what follows it; comments and continued lines as Docker reads them."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines())]


def expand(text: str, values: dict[str, str]) -> str:
    """`${NAME}` and `${NAME:+text}`."""

    def alternative(found: re.Match[str]) -> str:
        return expand(found[2], values) if values.get(found[1]) else ""

    text = re.sub(r"\$\{(\w+):\+((?:[^{}]|\{\w+\})*)\}", alternative, text)
    return re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], ""), text)


def context(into: Path) -> None:
    """A copy of the sources that .dockerignore lets through: the last line that matches decides."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    def is_ignored(path: str) -> bool:
        ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!")
            parents = [path, *(str(parent) for parent in Path(path).parents)]
            names = [Path(each).name for each in parents] if pattern.startswith("**/") else parents
            if any(fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) for name in names if name != "."):
                ignored = not rule.startswith("!")
        return ignored

    def ignore(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if is_ignored(str((Path(folder) / name).relative_to(ROOT)))}

    shutil.copytree(ROOT, into, symlinks=True, ignore=ignore, dirs_exist_ok=True)


@dataclass
class Stage:
    """One FROM: the root that it made, and what the engine would be told."""

    name: str
    root: Path
    layer: str
    """What it was made of so far; empty once that is more than its base and packages."""
    toolchain: str = ""
    """Of an image of Rust: its folder on this machine."""
    at: str = "/"
    told: dict[str, str] = field(default_factory=dict)

    def run(self, command: str) -> None:
        """RUN. AssertionError with the end of its output if it fails."""
        if not self.layer:
            self._run(command)
            return
        self.layer += f"\n{command}"
        kept = CACHE / f"layer-{hashlib.sha256(self.layer.encode()).hexdigest()[:16]}"
        if not kept.exists():
            self._run(command)
            part = CACHE / f".{kept.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            clone(self.root, part)
            part.rename(kept)
        else:
            shutil.rmtree(self.root)
            clone(kept, self.root)

    def _run(self, command: str) -> None:
        reaching = {name: value for name, value in os.environ.items() if REACHING.fullmatch(name)}
        files = [*REACHING_FILES, *(value for value in reaching.values() if value.startswith("/"))]
        bound = [name for name in dict.fromkeys(files) if Path(name).exists()]
        environment = {**reaching, "PATH": f"{TOOLCHAIN}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        environment |= {"DEBIAN_FRONTEND": "noninteractive", "SYSROOT": self.toolchain}
        words = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "/bin/sh",
            "-ec",
            TOOLCHAIN_IN_CHROOT + IN_CHROOT,
            "sh",
        ]
        inside = [str(self.root), *bound, "--", "/bin/sh", "-c", f"cd {self.at} && {command}"]
        done = subprocess.run(
            [*words, *inside],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=2400,
            env=environment,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"

    def copy(self, words: str, stages: dict[str, Stage]) -> None:
        """COPY, of one source."""
        self.layer = ""
        *options, source, target = words.split()
        into = self.root / os.path.normpath(os.path.join(self.at, target)).lstrip("/")
        into.mkdir(parents=True, exist_ok=True)
        if options:
            (other,) = (stages[option.removeprefix("--from=")] for option in options)
            # As an engine merges layers: a link of the target (Debian's /lib) is followed, not replaced.
            subprocess.run(["cp", "-a", "--no-target-directory", f"{other.root}{source}/.", str(into)], check=True)
        else:
            assert source == "."
            context(into)


def base(image: str) -> Path:
    """What debootstrap makes of a `debian:SUITE-slim`, from the archive that this machine's apt uses."""
    suite = re.fullmatch(r"(?:debian:|rust:1-slim-)(\w+?)(?:-slim)?", image)
    assert suite, image
    made = CACHE / suite[1]
    if not made.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = CACHE / f".{suite[1]}.part"
        shutil.rmtree(part, ignore_errors=True)
        sites = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.split()
        archive = next(site for site in sites if "security" not in site)
        command = ["debootstrap", "--variant=minbase", suite[1], str(part), archive]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=900)
        part.rename(made)
    return made


def clone(root: Path, into: Path) -> None:
    """A copy, with owners and modes."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(root), str(into)], check=True)


def build(folder: Path) -> Stage:
    """Carry out all of it below a folder; the last stage, which is the image."""
    values: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        if word == "ARG":
            name, _, value = rest.partition("=")
            values[name] = value
        elif word == "FROM":
            image, _, name = expand(rest, values).partition(" AS ")
            stage = Stage(name, folder / f"stage{len(stages)}", image)
            stages[name] = stage
            if image.startswith("rust:"):
                asked = ["rustc", "--print", "sysroot"]
                stage.toolchain = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            clone(base(image), stage.root)
        elif stage is None:
            raise AssertionError(f"{word} before FROM")
        elif word == "WORKDIR":
            stage.at = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            stage.copy(rest, stages)
        elif word == "RUN":
            stage.run(rest)
        else:
            assert word in KEPT, f"{word}: not known here"
            stage.told[word] = rest
    assert stage is not None
    return stage
