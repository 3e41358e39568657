"""Smaller images as the kernel shows them: the engine's layers mounted over each other, entry by entry."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from layerscope.cli.main import run
from support.kept_images import KeptImages, found
from support.overlay import overlay

Seen = dict[str, tuple[object, ...]]


@pytest.mark.slow
def test_the_kernel_shows_the_same_files(kept_containers: KeptImages, tmp_path: Path) -> None:
    """Docker's image is asked of its API, Podman's put together from its storage: no service runs."""
    kept, out = kept_containers, tmp_path / "slim.tar"
    prefix = "" if kept.kind == "docker" else "localhost/"
    assert run(["slim", f"{kept.kind}:{prefix}app:1", "-o", str(out), "--tag", f"{prefix}slimmed:1"]) == 0
    kept.run("load", "-i", out)
    try:
        with mounted(kept, f"{prefix}app:1") as place:
            before = entries(place)
        with mounted(kept, f"{prefix}slimmed:1") as place:
            after = entries(place)
    finally:
        kept.run("rmi", f"{prefix}slimmed:1")
    assert after == before
    kinds = {stat.S_IFMT(int(str(mode))) for mode, *_ in after.values()}
    assert kinds >= {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO}
    assert any(len(names) > 1 for *_, names in after.values() if isinstance(names, frozenset))
    assert any(xattrs for *_, xattrs, _ in after.values())


def test_a_file_that_was_changed_in_the_storage_is_noticed(
    podman_images: KeptImages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = found(podman_images, monkeypatch).layers_of_storage[0] / "work/a"
    content, times = changed.read_bytes(), changed.stat()
    try:
        changed.write_bytes(content[:-1] + b"X")
        assert run(["slim", "podman:app:1", "-o", f"{tmp_path}/slim.tar", "--no-cache"]) == 2
    finally:
        changed.write_bytes(content)
        os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    words = "layer 1: what the engine keeps of it in its storage is not what its digest says"
    assert words in capsys.readouterr().err
    assert not (tmp_path / "slim.tar").exists()


@contextmanager
def mounted(kept: KeptImages, name: str) -> Iterator[Path]:
    """The files of an image: by `podman image mount`, or Docker's layers in an overlay."""
    if kept.kind == "podman":
        yield Path(kept.run("image", "mount", name).decode().strip())
        kept.run("image", "umount", name)
        return
    (image,) = json.loads(kept.run("image", "inspect", name))
    data = image["GraphDriver"]["Data"]
    with overlay(list(map(Path, [data["UpperDir"], *data["LowerDir"].split(":")][::-1]))) as place:
        yield place


def entries(place: Path) -> Seen:
    """All below a mount by path: mode and type, owner, time, size, device, target, hash, extended attributes, and names."""
    paths = sorted(place.rglob("*"))
    names: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        facts = path.lstat()
        names.setdefault((facts.st_dev, facts.st_ino), []).append(str(path.relative_to(place)))
    return {str(path.relative_to(place)): _facts(path, names) for path in paths}


def _facts(path: Path, names: dict[tuple[int, int], list[str]]) -> tuple[object, ...]:
    facts = path.lstat()
    is_file, is_directory = stat.S_ISREG(facts.st_mode), stat.S_ISDIR(facts.st_mode)
    return (
        facts.st_mode,
        facts.st_uid,
        facts.st_gid,
        facts.st_mtime_ns,
        0 if is_directory else facts.st_size,
        facts.st_rdev,
        path.readlink() if path.is_symlink() else None,
        hashlib.sha256(path.read_bytes()).digest() if is_file else None,
        {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)},
        frozenset(names[facts.st_dev, facts.st_ino]),
    )
