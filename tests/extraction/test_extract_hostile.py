"""Extracting from an image, or into a directory, that means harm; and onto disks that do not do as they are asked."""

from __future__ import annotations

import errno
import gzip
import os
import resource
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import read_image
from layerscope.errors import CannotWrite, CorruptLayer, WouldOverwrite
from layerscope.extraction import destination
from layerscope.extraction.extract import SelectionWriter
from layerscope.layers.content import BlobContent
from support.extracting import contents_of, extracted, image_in, tree_on_disk
from support.image_builder import blob, directory, fifo, file, hardlink, layer, symlink


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory in which nothing may change."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "a").write_bytes(b"precious")
    return place


@pytest.fixture
def inside(tmp_path: Path, outside: Path) -> Iterator[Path]:
    place = tmp_path / "inside"
    place.mkdir()
    yield place
    assert tree_on_disk(outside) == {"a": b"precious"}


# Links


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_in_the_destination_is_not_followed_to_a_directory(overwrite: bool, inside: Path, outside: Path) -> None:
    (inside / "d").symlink_to(outside)
    with pytest.raises(CannotWrite if overwrite else WouldOverwrite, match=r"/inside/d (already )?exists"):
        extracted(contents_of(layer("d/a", "d/b")), "/", inside, overwrite=overwrite)


def test_a_link_in_the_destination_is_replaced_not_written_through(inside: Path, outside: Path) -> None:
    (inside / "a").symlink_to(outside / "a")
    (inside / "b").symlink_to(outside / "new")
    contents = contents_of(layer(file("a", b"new"), file("b", b"new")))
    with pytest.raises(WouldOverwrite):
        extracted(contents, "/", inside)
    extracted(contents, "/", inside, overwrite=True)
    assert tree_on_disk(inside) == {"a": b"new", "b": b"new"}


def test_a_destination_that_is_a_dangling_link_is_not_written_through(inside: Path, outside: Path) -> None:
    (inside / "new").symlink_to(outside / "new")
    with pytest.raises(WouldOverwrite, match="/new already exists"):
        extracted(contents_of(layer("a")), "/a", inside / "new")


def test_the_images_own_links_lead_nothing_out(inside: Path, outside: Path) -> None:
    links = symlink("d", str(outside)), symlink("up", "../outside"), "d/a", "up/a", "up/b"
    extracted(contents_of(layer(*links)), "/", inside, overwrite=True)


def test_the_links_of_a_lower_layer_lead_nothing_out(inside: Path, outside: Path) -> None:
    links = symlink("d", str(outside)), symlink("up", "../outside")
    extracted(contents_of(layer(*links), layer("d/a", "up/a", "up/b")), "/", inside, overwrite=True)
    assert not (inside / "d").is_symlink()


def test_a_hard_link_of_the_image_does_not_reach_a_file_of_the_machine(inside: Path, outside: Path) -> None:
    found = extracted(contents_of(layer("x", hardlink("b", str(outside / "a")), hardlink("c", "../outside/a"))), "/", inside)
    assert tree_on_disk(inside) == {"x": b"content of x\n"}
    assert len(found.notes) == 2


def test_a_directory_that_becomes_a_link_meanwhile_is_not_followed(
    inside: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "MAX_OPEN", 0)
    make = SelectionWriter._make_directories

    def swapped(writer: SelectionWriter) -> None:
        make(writer)
        (inside / "d").rmdir()
        (inside / "d").symlink_to(outside)

    monkeypatch.setattr(SelectionWriter, "_make_directories", swapped)
    with pytest.raises(CannotWrite):
        extracted(contents_of(layer("d/a")), "/", inside, overwrite=True)


def test_a_file_that_appears_meanwhile_is_not_overwritten(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = SelectionWriter._make_directories

    def crossed(writer: SelectionWriter) -> None:
        make(writer)
        (inside / "b").write_bytes(b"mine")

    monkeypatch.setattr(SelectionWriter, "_make_directories", crossed)
    with pytest.raises(WouldOverwrite, match="/inside/b already exists; 1 of 2 files were written"):
        extracted(contents_of(layer("a", "b")), "/", inside)
    assert tree_on_disk(inside) == {"a": b"content of a\n", "b": b"mine"}


@pytest.mark.parametrize("call", ["link", "rename"])
def test_a_file_that_appears_at_the_last_moment_is_not_overwritten(
    call: str, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = getattr(os, call)

    def crossed(source: bytes, target: bytes, **options: Any) -> None:
        (inside / "a").write_bytes(b"mine")
        last(source, target, **options)

    monkeypatch.setattr(os, call, crossed)
    if call == "rename":  # nothing is renamed where a second name can be given
        extracted(contents_of(layer("a")), "/", inside)
        return
    with pytest.raises(WouldOverwrite, match="/inside/a already exists; 0 of 1 files were written"):
        extracted(contents_of(layer("a")), "/", inside)
    assert tree_on_disk(inside) == {"a": b"mine"}


@pytest.mark.parametrize("kind", ["link", "fifo"])
@pytest.mark.parametrize("when", ["mkfifo", "chmod", "open"])
def test_a_fifo_that_becomes_something_else_meanwhile_changes_nothing_outside(
    when: str, kind: str, inside: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write to the directory that root extracts to knows the temporary name."""
    (outside / "a").chmod(0o600)
    call = getattr(os, when)
    swapped = []

    def swap() -> None:
        for found in inside.glob(".layerscope-*"):
            found.unlink()
            found.symlink_to(outside / "a") if kind == "link" else os.mkfifo(found, 0o600)
            swapped.append(found)

    def crossed(*arguments: Any, **options: Any) -> Any:
        if when != "mkfifo":
            swap()
        done = call(*arguments, **options)
        if when == "mkfifo":
            monkeypatch.undo()
            swap()
        return done

    monkeypatch.setattr(os, when, crossed)
    umask = os.umask(0o077)
    try:
        with suppress(CannotWrite, WouldOverwrite):
            extracted(contents_of(layer(fifo("f", mode=0o666))), "/", inside)
    finally:
        os.umask(umask)
    assert swapped
    assert stat.S_IMODE((outside / "a").stat().st_mode) == 0o600


def test_a_file_system_without_hard_links_takes_files_all_the_same(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    extracted(contents_of(layer("a", "b")), "/", inside)
    assert set(tree_on_disk(inside)) == {"a", "b"}
    with pytest.raises(WouldOverwrite):
        extracted(contents_of(layer("a", "b")), "/", inside)


# Names


def test_names_that_climb_stay_inside(inside: Path) -> None:
    extracted(contents_of(layer("../../up", "/abs", "x/../../y")), "/", inside)
    assert set(tree_on_disk(inside)) == {"up", "abs", "y"}


def test_names_with_control_characters_are_written_and_shown_escaped(inside: Path) -> None:
    contents = contents_of(layer(b"d/\x1b[31m\n\xff"))
    extracted(contents, "/d", inside)
    assert [os.fsencode(path.name) for path in (inside / "d").iterdir()] == [b"\x1b[31m\n\xff"]
    with pytest.raises(WouldOverwrite) as error:
        extracted(contents, "/d", inside)
    assert r"/d/\x1b[31m\x0a\xff already exists" in str(error.value)


def test_a_name_that_is_too_long_is_found_before_anything_is_written(inside: Path) -> None:
    with pytest.raises(CannotWrite, match="has a name of 256 bytes; at most 255 are possible"):
        extracted(contents_of(layer("a", "d/" + "n" * 256)), "/", inside)
    assert tree_on_disk(inside) == {}


def test_a_name_that_is_too_long_can_be_given_another(inside: Path) -> None:
    extracted(contents_of(layer("n" * 256)), "/" + "n" * 256, inside / "short")
    assert set(tree_on_disk(inside)) == {"short"}


def test_a_tree_deeper_than_any_path_is_written(inside: Path) -> None:
    deep = ["directory"] * 408  # with `inside` before them they are more than PATH_MAX
    extracted(contents_of(layer("/".join([*deep, "file"]))), "/", inside)
    found = os.open(inside, os.O_RDONLY)
    for name in deep:
        below = os.open(name, os.O_RDONLY, dir_fd=found)
        os.close(found)
        found = below
    assert os.listdir(found) == ["file"]  # noqa: PTH208  pathlib knows no descriptors
    os.close(found)
    subprocess.run(["rm", "-rf", inside / "directory"], check=True)


# Disks, permissions and damage


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_does_not_fit_leaves_no_half_of_itself(inside: Path) -> None:
    contents = contents_of(
        layer(file("d/a", b"a" * 1000), file("d/b", b"b" * 900_000), file("d/c", b"c"), directory("d", mode=0o755))
    )
    with (
        files_no_longer_than(500_000),
        pytest.raises(CannotWrite, match="/inside/d/b: File too large; 1 of 3 files were written"),
    ):
        extracted(contents, "/", inside)
    assert tree_on_disk(inside) == {"d/": b"", "d/a": b"a" * 1000}
    assert (inside / "d").stat().st_mode & 0o777 == 0o755


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_a_sentence_and_leaves_what_is_whole(small_disk: Path) -> None:
    contents = contents_of(layer(file("d/a", b"a" * 1000), file("d/b", b"b" * 2_000_000)))
    with pytest.raises(CannotWrite, match="/small/d/b: No space left on device; 1 of 2 files were written"):
        extracted(contents, "/d", small_disk)
    assert tree_on_disk(small_disk) == {"d/": b"", "d/a": b"a" * 1000}


def test_holes_take_no_room(small_disk: Path, tmp_path: Path) -> None:
    with (tmp_path / "hole").open("wb") as sparse:
        sparse.truncate(50_000_000)
    command = ["tar", "--create", "--file=-", "--sparse", "hole"]
    tar = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
    extracted(read_image(image_in(blob(_archive(tar)))), "/", small_disk)
    assert (small_disk / "hole").stat().st_size == 50_000_000


def _archive(tar: bytes) -> bytes:
    """An image archive whose one layer is stored as given."""
    manifest = b'[{"Config":"c.json","RepoTags":null,"Layers":["l.tar"]}]'
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    return layer(file("c.json", config), file("l.tar", tar), file("manifest.json", manifest)).tar()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_is_a_sentence(inside: Path) -> None:
    inside.chmod(0o500)
    with pytest.raises(CannotWrite, match="/inside/a: Permission denied; 0 of 1 files were written"):
        extracted(contents_of(layer("a")), "/a", inside)
    inside.chmod(0o700)


def test_damage_found_on_the_way_says_how_much_was_written(inside: Path) -> None:
    whole = layer(file("a", b"a"), file("b", b"b" * 100))
    contents = contents_of(whole, compress="gzip")
    stored = contents.layers[0]
    assert isinstance(stored, BlobContent)
    shorter = replace(stored, blob=blob(gzip.compress(whole.tar()[:1600])))
    with pytest.raises(CorruptLayer, match=r"^image.tar: layer 1: /b: .* ends 36 bytes early; 1 of 2 files were written$"):
        extracted(replace(contents, layers=(shorter,)), "/", inside)
    assert tree_on_disk(inside) == {"a": b"a"}
