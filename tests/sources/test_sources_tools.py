"""Images as other programs write them: the same image through skopeo's formats gives the same tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import requires
from layerscope.analysis import read_image
from layerscope.report.listings import listing_json_lines, nodes_below
from layerscope.sources.open import open_image
from support.commands import written
from support.image_builder import Layer, directory, file, hardlink, layer, opaque, symlink, whiteout

STACK: tuple[Layer, ...] = (
    layer(directory("a"), file("a/b", b"x" * 5000), symlink("l", "a/b"), directory("d"), file("d/old", b"old")),
    layer(hardlink("a/c", "a/b"), whiteout("l"), directory("d"), opaque("d"), file("d/new", b"new")),
    layer(file("\xe9".encode("latin-1"), b"a name that is not UTF-8"), file("long/" * 30 + "name", b"")),
)


def tree_of(reference: str) -> list[bytes]:
    contents = read_image(open_image(reference))
    view = contents.tree.view(len(contents.image.layers))
    return list(listing_json_lines(view, nodes_below(view, 0)))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return written(tmp_path / "saved.tar", *STACK)


@pytest.mark.parametrize(
    ("destination", "options"),
    [
        ("docker-archive:{}:test:1", []),
        ("oci-archive:{}:1", []),
        ("oci:{}:1", []),
        ("oci:{}:1", ["--dest-compress-format", "zstd"]),
        ("oci-archive:{}:1", ["--dest-compress-format", "gzip"]),
    ],
)
def test_what_skopeo_writes_gives_the_same_tree(saved: Path, tmp_path: Path, destination: str, options: list[str]) -> None:
    requires("skopeo")
    target = destination.format(tmp_path / "copied")
    source = f"docker-archive:{saved}"
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", *options, source, target], check=True)
    assert tree_of(target) == tree_of(str(saved))


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_what_podman_saves_gives_the_same_tree(saved: Path, tmp_path: Path, form: str) -> None:
    requires("podman")
    if os.geteuid() != 0:
        pytest.skip("podman's storage without root depends on the machine")
    target = tmp_path / "copied"
    with tempfile.TemporaryDirectory(dir="/tmp") as run:  # podman refuses a run directory whose path has over 50 characters
        podman = ["podman", f"--root={tmp_path}/root", f"--runroot={run}", "--storage-driver=vfs"]
        subprocess.run([*podman, "load", "-q", "-i", saved], check=True, capture_output=True)
        subprocess.run([*podman, "save", "-q", f"--format={form}", "-o", target, "test:1"], check=True, capture_output=True)
    assert tree_of(str(target)) == tree_of(str(saved))
