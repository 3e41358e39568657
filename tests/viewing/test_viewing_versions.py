"""The versions of one path, as the file view lists them."""

from __future__ import annotations

from pathlib import Path

from layerscope.analysis import Contents, read_image
from layerscope.layers.table import Kind
from layerscope.sources.open import open_image
from layerscope.tree.lookup import resolve
from layerscope.tree.tree import Change
from layerscope.viewing.history import Metadata, PathVersion, versions_of_path
from support.image_builder import Layer, file, hardlink, image, layer, symlink, whiteout


def read(tmp_path: Path, *layers: Layer) -> Contents:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*layers))
    return read_image(open_image(str(path)))


def versions(contents: Contents, path: bytes) -> list[PathVersion]:
    return versions_of_path(contents, contents.tree.nodes.paths.tolist().index(path))


def test_every_version_is_listed_oldest_first(tmp_path: Path) -> None:
    contents = read(tmp_path, layer(file("a", b"1")), layer("b"), layer(file("a", b"22", mode=0o755, uid=7, gid=8, mtime=9)))
    first, second = versions(contents, b"a")
    assert (first.layer, first.change, first.size, first.until) == (1, Change.ADDED, 1, 3)
    assert (second.layer, second.change, second.size, second.until) == (3, Change.MODIFIED, 2, 4)
    assert second.metadata == Metadata(0o755, 7, 8, 9)
    assert second.step is not None
    assert second.step.created_by == "step 3"


def test_a_removal_is_a_version_without_an_entry(tmp_path: Path) -> None:
    added, removed = versions(read(tmp_path, layer("a"), layer(whiteout("a"))), b"a")
    assert added.content_entry == added.entry
    assert (removed.change, removed.entry, removed.origin, removed.kind, removed.metadata) == (
        Change.REMOVED,
        -1,
        -1,
        None,
        None,
    )
    assert removed.content_entry is None


def test_a_version_that_its_own_layer_buries_comes_before_the_one_that_stays(tmp_path: Path) -> None:
    found = versions(read(tmp_path, layer(file("a", b"old"), file("a", b"newer"), file("b"), file("b"))), b"a")
    assert [(version.is_shadowed, version.size) for version in found] == [(True, 3), (False, 5)]


def test_a_hard_link_shows_what_it_leads_to(tmp_path: Path) -> None:
    contents = read(tmp_path, layer(file("a", b"text"), hardlink("b", "a")))
    (link,), (target,) = versions(contents, b"b"), versions(contents, b"a")
    assert (link.kind, link.size, link.link, link.content_entry) == (Kind.FILE, 4, "a", target.entry)


def test_a_symlinks_target_is_escaped(tmp_path: Path) -> None:
    (version,) = versions(read(tmp_path, layer(symlink("a", b"\x1b[31m"))), b"a")
    assert (version.kind, version.link, version.content_entry) == (Kind.SYMLINK, r"\x1b[31m", None)


def test_a_directory_that_no_entry_names_has_no_metadata(tmp_path: Path) -> None:
    contents = read(tmp_path, layer("d/a"))
    (version,) = versions_of_path(contents, resolve(contents.tree.view(1), b"d", follow_last=False))
    assert (version.kind, version.entry, version.metadata, version.link) == (Kind.DIRECTORY, -1, None, "")
