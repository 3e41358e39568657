"""What real engines make of layers: an image is loaded, a container is created of it, and its files are exported."""

from __future__ import annotations

import io
import subprocess
import tarfile

from support.engines import RunningEngine
from support.image_builder import Layer, image
from support.kept_images import KeptImages
from support.unpacked import OnDisk, Refused, Shown

INJECTED = (b"dev", b"etc", b"proc", b"sys", b"run", b".dockerenv")
"""What engines put into every container; names that tests of this sort must not use."""
KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "fifo",
}


def load_and_export(engine: RunningEngine | KeptImages, stack: list[Layer]) -> Shown | Refused:
    """What a container of these layers starts with, or why there is none."""
    loaded = subprocess.run([*engine.command, "load"], input=image(*stack), capture_output=True, check=False)
    if loaded.returncode:
        return Refused((loaded.stderr.strip().splitlines() or [b""])[-1].decode(errors="replace"))
    name = engine.run("create", "test:1", "/nothing").decode().strip()
    try:
        return files_of(engine.run("export", name))
    finally:
        engine.run("rm", "-f", name)
        engine.run("rmi", "-f", "test:1")


def files_of(archive: bytes) -> Shown:
    """Every path of an exported container but what the engine put there."""
    found: Shown = {}
    with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            path = member.name.strip("/").encode("utf-8", "surrogateescape")
            if path.split(b"/")[0] in INJECTED or not path:
                continue
            if member.islnk():
                found[path] = found[member.linkname.strip("/").encode("utf-8", "surrogateescape")]
                continue
            kind = KINDS[member.type]
            target = member.linkname.encode("utf-8", "surrogateescape") if kind == "symlink" else b""
            found[path] = OnDisk(kind, member.mode & 0o7777, member.uid, member.gid, member.size, target)
    return found
