"""The image for container engines: an OCI archive of one layer, which nothing but this file makes."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import certifi
import elf
from tree import Tree, gzipped

# The user and group that the program runs as.
USER = 65532
CONFIG: dict[str, Any] = {
    "User": f"{USER}:{USER}",
    "ExposedPorts": {"8080/tcp": {}},
    "Env": [
        "PATH=/usr/bin",
        "HOME=/var/lib/cronbox",
        "CRONBOX_LISTEN=0.0.0.0:8080",
        "CRONBOX_DATA_DIR=/var/lib/cronbox",
        "CRONBOX_INTERPRETER_CACHE=/var/lib/cronbox/interpreter",
        "CRONBOX_ADMIN_TOKEN_FILE=/var/lib/cronbox/admin.token",
    ],
    "Entrypoint": ["/usr/lib/cronbox/cronbox"],
    "Cmd": ["serve"],
    "Volumes": {"/var/lib/cronbox": {}},
    "WorkingDir": "/var/lib/cronbox",
    "StopSignal": "SIGTERM",
}


def layer(archive: Tree, programs: list[Path]) -> Tree:
    """The files of the image: the program, the libraries that it is linked with, and what these read."""
    tree = Tree()
    for part in ["cronbox", "uv", "interpreter"]:
        tree.copy(f"usr/lib/cronbox/{part}", archive, part)
    tree.add_link("usr/bin/cronbox", "../lib/cronbox/cronbox")
    for library in elf.libraries(programs):
        tree.add(str(library).lstrip("/"), library.resolve(), 0o755)
    for package in ["libc6", "libgcc-s1"]:
        # On a system that is not Debian's, the licences of these are elsewhere.
        licence = Path(f"/usr/share/doc/{package}/copyright")
        if licence.exists():
            tree.add(str(licence).lstrip("/"), licence.resolve())
    tree.add("etc/passwd", f"root:x:0:0:root:/:/none\ncronbox:x:{USER}:{USER}:Cronbox:/var/lib/cronbox:/none\n")
    tree.add("etc/group", f"root:x:0:\ncronbox:x:{USER}:\n")
    tree.add("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    tree.add("etc/ssl/certs/ca-certificates.crt", Path(certifi.where()))
    tree.copy("usr/share/doc/cronbox/LICENCES.txt", archive, "LICENCES.txt")
    tree.copy("usr/share/doc/cronbox/sbom", archive, "sbom")
    # Engines give the volume the owner and the mode of this folder.
    tree.add_folder("var/lib/cronbox", 0o700)
    tree.add_folder("tmp", 0o1777)
    return tree


def owned(tar: bytes, path: str) -> bytes:
    """A tar file in which a folder belongs to the user of the image."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(tar)) as source, tarfile.open(
        fileobj=out, mode="w", format=tarfile.GNU_FORMAT
    ) as target:
        for member in source:
            if member.name == path:
                member.uid = member.gid = USER
                member.uname = member.gname = "cronbox"
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    return out.getvalue()


def image(tree: Tree, version: str, epoch: int) -> bytes:
    """The archive, as `docker load`, `podman load` and `skopeo` read it."""
    plain = owned(tree.tar(epoch), "var/lib/cronbox")
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    archive = Tree()

    def blob(media: str, content: bytes | dict[str, Any]) -> dict[str, Any]:
        if isinstance(content, dict):
            content = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(content).hexdigest()
        archive.add(f"blobs/sha256/{digest}", content)
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)}

    packed = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzipped(plain))
    config = blob("application/vnd.oci.image.config.v1+json", {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {**CONFIG, "Labels": {
            "org.opencontainers.image.title": "cronbox",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
        }},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
        "history": [{"created": created, "created_by": "make dist"}],
    })
    manifest = blob("application/vnd.oci.image.manifest.v1+json", {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [packed],
    })
    name = f"cronbox:{version}"
    manifest["annotations"] = {"io.containerd.image.name": f"docker.io/library/{name}", "org.opencontainers.image.ref.name": version}
    archive.add("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}))
    archive.add("index.json", json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest],
    }, sort_keys=True))

    def place(described: dict[str, Any]) -> str:
        return "blobs/sha256/" + described["digest"].removeprefix("sha256:")

    # Engines that are older than the OCI layout read this.
    archive.add("manifest.json", json.dumps([
        {"Config": place(config), "RepoTags": [name], "Layers": [place(packed)]}
    ]))
    return archive.tar(epoch)
