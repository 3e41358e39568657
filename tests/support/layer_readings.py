"""What engines make of one layer's tar, and what the reader does, in one form: two readings are compared with ==."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layerscope.layers.content import BlobContent
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.table import Kind, Severity
from support.engines import RunningEngine
from support.image_builder import blob, file, image, layer, write_layout

RUNTIME_OWN = ("dev", "etc", "proc", "sys", "run", ".dockerenv")
"""What engines put into every container at the top; no test's layer has such names."""
MODES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo"}


@dataclass(frozen=True, slots=True)
class RawLayer:
    """A layer's tar as it is, where helpers want something with a `tar`."""

    data: bytes

    def tar(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class Shown:
    """One path. Directories that no entry names are left out, for engines give them times and modes of their own."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    target: bytes = b""
    content: str = ""


Reading = dict[bytes, Shown] | str
"""All paths, or "refused"."""


def digest_of(content: bytes) -> str:
    return f"{len(content)} bytes {hashlib.sha256(content).hexdigest()[:12]}"


def ours(tar: bytes) -> tuple[dict[bytes, Shown], Severity | None]:
    """What the reader makes of it, and the worst of its problems."""
    stored = blob(tar)
    read = read_layer(stored, layer=1)
    entries, content = read.table.entries, BlobContent.of(stored, read)
    found: dict[bytes, Shown] = {}
    for row, path in enumerate(entries.paths.tolist()):
        kind, size = Kind(entries.kind[row]), int(entries.size[row])
        data = b"".join(content.pieces(row, int(entries.content_offset[row]), size)) if size else b""
        found[path] = Shown(
            kind=kind.name.lower(),
            mode=0o777 if kind is Kind.SYMLINK else int(entries.mode[row]),
            uid=int(entries.uid[row]),
            gid=int(entries.gid[row]),
            mtime=0 if kind is Kind.DIRECTORY else int(entries.mtime[row]),
            target=entries.links[row],
            content=digest_of(data) if kind is Kind.FILE else "",
        )
    return found, max((problem.severity for problem in read.table.problems), default=None)


def is_refused(engine: RunningEngine, tar: bytes) -> bool:
    """Whether the engine loads no image of this layer."""
    archive = image(RawLayer(tar), tag="refused:1")  # type: ignore[arg-type]
    loaded = subprocess.run([*engine.command, "load"], input=archive, capture_output=True, check=False)
    assert not loaded.returncode or b"tar" in loaded.stderr or b"EOF" in loaded.stderr, loaded.stderr
    return loaded.returncode != 0


def by_engine(engine: RunningEngine, tars: Iterable[bytes]) -> list[Reading]:
    """Load images of these layers, all in one archive; make a container of each and export it."""
    images = {f"read:{number}": image(RawLayer(tar), tag=f"read:{number}") for number, tar in enumerate(tars)}  # type: ignore[arg-type]
    engine.load(_joined(images.values()))
    host = "" if engine.kind == "docker" else "localhost/"
    containers = [engine.run("create", host + name, "/none").decode().split()[-1] for name in images]
    return [_of_export(engine.run("export", container)) for container in containers]


def _joined(archives: Iterable[bytes]) -> bytes:
    """One archive with the images of several."""
    files: dict[str, bytes] = {}
    manifests = []
    for archive in archives:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            found = {member.name: content.read() for member in opened if (content := opened.extractfile(member))}
        manifests += json.loads(found.pop("manifest.json"))
        files |= found
    files["manifest.json"] = json.dumps(manifests).encode()
    return layer(*(file(path, content) for path, content in files.items())).tar()


def _of_export(tar: bytes) -> dict[bytes, Shown]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as opened:
        for member in opened:
            name = os.fsencode(member.name.strip("/"))
            if name.split(b"/")[0].decode("ascii", "ignore") in RUNTIME_OWN or not name:
                continue
            kind = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.FIFOTYPE: "fifo"}.get(member.type, "symlink")
            opened_file = opened.extractfile(member) if member.isreg() else None
            found[name] = Shown(
                kind=kind,
                mode=member.mode & 0o7777,
                uid=member.uid,
                gid=member.gid,
                mtime=0 if kind == "directory" else int(member.mtime),
                target=os.fsencode(member.linkname),
                content=digest_of(opened_file.read()) if opened_file else "",
            )
    return found


def by_umoci(tar: bytes) -> Reading:
    """`umoci unpack`, listed from disk."""
    with tempfile.TemporaryDirectory() as place:
        layout = write_layout(Path(place) / "layout", RawLayer(tar), tag="it")  # type: ignore[arg-type]
        command = ["umoci", "unpack", "--image", f"{layout}:it", f"{place}/bundle"]
        done = subprocess.run(command, check=False, capture_output=True, timeout=60)
        return "refused" if done.returncode else _of_disk(os.fsencode(f"{place}/bundle/rootfs"))


def _of_disk(root: bytes) -> dict[bytes, Shown]:
    found = {}
    for place, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(place, name)  # noqa: PTH118  pathlib knows no bytes
            status = os.lstat(path)
            kind = MODES[stat.S_IFMT(status.st_mode)]
            found[os.path.relpath(path, root)] = Shown(
                kind=kind,
                mode=stat.S_IMODE(status.st_mode),
                uid=status.st_uid,
                gid=status.st_gid,
                mtime=0 if kind == "directory" else int(status.st_mtime // 1),
                target=os.readlink(path) if kind == "symlink" else b"",  # noqa: PTH115
                content=digest_of(Path(os.fsdecode(path)).read_bytes()) if kind == "file" else "",
            )
    return found


def without_implied(reading: Reading, shown: dict[bytes, Shown]) -> Reading:
    """The reading without directories that are parents of what `shown` has, and no entries there."""
    if isinstance(reading, str):
        return reading
    parents = {b"/".join(path.split(b"/")[:depth]) for path in shown for depth in range(1, path.count(b"/") + 1)}
    return {path: each for path, each in reading.items() if path in shown or path not in parents or each.kind != "directory"}
