#!/usr/bin/env python3
"""Turn a root file system into an image archive that `ctr images import` and `podman load` accept.

    make-image.py OUT.tar NAME [ROOTFS] [-- COMMAND...]

ROOTFS is a folder (a `debootstrap --variant=minbase` one, say) or a tar file. Without it the image is
busybox-static alone: a shell, wget, nc and httpd in 2 MB, made in well under a second. The archive follows the OCI
image layout specification; no registry, daemon or root is needed to make it.
"""

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile


def busybox_layer() -> bytes:
    """Layer of /bin/busybox, a link per applet that the tests use, and the few files that programs expect."""
    busybox = shutil.which("busybox") or sys.exit("busybox not found: install busybox-static")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "www"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(info)
        info = tarfile.TarInfo("bin/busybox")
        info.mode, info.size = 0o755, os.path.getsize(busybox)
        with open(busybox, "rb") as file:
            tar.addfile(info, file)
        for applet in [
            *("sh", "ash", "cat", "echo", "env", "false", "hostname", "httpd", "id"),
            *("ip", "ls", "mkdir", "nc", "ping", "printf", "ps", "pwd", "readlink", "sleep", "true", "wget", "yes"),
        ]:
            info = tarfile.TarInfo(f"bin/{applet}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
        for path, text in {
            "etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
            "etc/group": "root:x:0:\n",
            "etc/hosts": "127.0.0.1 localhost\n",
            "www/index.html": "hello from a container\n",
        }.items():
            info = tarfile.TarInfo(path)
            info.mode, info.size = 0o644, len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def rootfs_layer(path: str) -> bytes:
    """Layer of a folder, or of a tar file as it is."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            return file.read()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(path, arcname=".", filter=lambda info: None if info.isdev() else info)
    return out.getvalue()


def write_image(out: str, name: str, layer: bytes, command: list[str]) -> None:
    """Write the OCI layout: every blob is named by its SHA-256; index.json names the manifest and the image."""
    with tarfile.open(out, "w") as tar:

        def add(path: str, data: bytes) -> None:
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))

        def blob(data: bytes, media_type: str) -> dict:
            digest = hashlib.sha256(data).hexdigest()
            add(f"blobs/sha256/{digest}", data)
            return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
        kind = "application/vnd.oci.image."
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind + "manifest.v1+json",
            "config": blob(json.dumps(config).encode(), kind + "config.v1+json"),
            "layers": [blob(layer, kind + "layer.v1.tar")],
        }
        entry = blob(json.dumps(manifest).encode(), kind + "manifest.v1+json")
        # containerd reads its own key; podman and others read the OCI one.
        entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
        add("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


if __name__ == "__main__":
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    arguments, command = sys.argv[1:at], sys.argv[at + 1 :] or ["/bin/sh"]
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    write_image(*arguments[:2], rootfs_layer(arguments[2]) if len(arguments) == 3 else busybox_layer(), command)
