"""Extracting writes what the image holds where it was told to, and nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from layerscope.errors import CannotWrite, WouldOverwrite
from support.extracting import contents_of, extracted, tree_on_disk
from support.image_builder import Compress, char, directory, fifo, file, hardlink, layer, symlink

TREE = layer(
    directory("d", mode=0o750, mtime=1_000_000_000),
    file("d/a", b"alpha", mode=0o640, mtime=1_100_000_000),
    file("d/sub/b", b"beta", mode=0o755),
    symlink("d/link", "../../outside", mtime=1_200_000_000),
    symlink("l", "d"),
    "e",
)
D = {"a": b"alpha", "link": b"-> ../../outside", "sub/": b"", "sub/b": b"beta"}


# Where things go, as with cp -r


def test_a_directory_becomes_the_destination_that_is_not_there(tmp_path: Path) -> None:
    extracted(contents_of(TREE), "/d", tmp_path / "new")
    assert tree_on_disk(tmp_path / "new") == D


def test_a_directory_goes_into_the_destination_that_is_there(tmp_path: Path) -> None:
    extracted(contents_of(TREE), "/d", tmp_path)
    assert tree_on_disk(tmp_path / "d") == D


def test_a_file_becomes_the_destination_that_is_not_there(tmp_path: Path) -> None:
    extracted(contents_of(TREE), "/d/a", tmp_path / "other")
    assert tree_on_disk(tmp_path) == {"other": b"alpha"}


def test_the_content_of_the_root_goes_right_into_the_destination(tmp_path: Path) -> None:
    expected = {"d/": b"", **{f"d/{path}": content for path, content in D.items()}, "e": b"content of e\n", "l": b"-> d"}
    for destination in (tmp_path, tmp_path / "new"):
        extracted(contents_of(TREE), "/", destination)
        assert tree_on_disk(destination) == expected


def test_a_destination_without_a_parent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"/no is not a directory$"):
        extracted(contents_of(TREE), "/d", tmp_path / "no" / "new")
    assert tree_on_disk(tmp_path) == {}


def test_what_is_extracted_is_the_view_after_a_layer(tmp_path: Path) -> None:
    layers = layer("d/a", "d/b"), layer(file("d/a", b"new"), "d/.wh.b")
    extracted(contents_of(*layers), "/d", tmp_path / "one", after=1)
    extracted(contents_of(*layers), "/d", tmp_path / "two")
    assert tree_on_disk(tmp_path / "one") == {"a": b"content of d/a\n", "b": b"content of d/b\n"}
    assert tree_on_disk(tmp_path / "two") == {"a": b"new"}


# What is written


def test_modes_and_times_are_the_images(tmp_path: Path) -> None:
    extracted(contents_of(TREE), "/d", tmp_path)
    status = {path.name: path.lstat() for path in [tmp_path / "d", *(tmp_path / "d").rglob("*")]}
    assert {name: stat.S_IMODE(status[name].st_mode) for name in "dab"} == {"d": 0o750, "a": 0o640, "b": 0o755}
    assert [status[name].st_mtime for name in ("d", "a", "link")] == [1_000_000_000, 1_100_000_000, 1_200_000_000]


def test_setuid_setgid_and_sticky_bits_stay_behind(tmp_path: Path) -> None:
    extracted(contents_of(layer(directory("d", mode=0o1777), file("d/x", b"x", mode=0o6755))), "/d", tmp_path)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o777
    assert stat.S_IMODE((tmp_path / "d/x").stat().st_mode) == 0o755


def test_a_directory_without_permissions_is_filled_first(tmp_path: Path) -> None:
    extracted(contents_of(layer(directory("d", mode=0), file("d/x", b"x", mode=0))), "/d", tmp_path)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0
    (tmp_path / "d").chmod(0o700)
    assert stat.S_IMODE((tmp_path / "d/x").stat().st_mode) == 0


def test_names_of_one_content_are_one_file_on_disk(tmp_path: Path) -> None:
    layers = layer("d/a", hardlink("d/b", "d/a"), "out"), layer(hardlink("d/c", "out"), hardlink("d/e/f", "out"))
    found = extracted(contents_of(*layers), "/d", tmp_path)
    inode = {path.name: path.stat().st_ino for path in (tmp_path / "d").rglob("*")}
    assert inode["a"] == inode["b"]
    assert inode["c"] == inode["f"]
    assert (tmp_path / "d/c").read_bytes() == b"content of out\n"
    assert found.files == 4
    assert found.content_bytes == len(b"content of d/a\n") + len(b"content of out\n")


def test_names_of_one_content_are_copies_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    extracted(contents_of(layer(file("d/a", b"a" * 600_000, mode=0o200), hardlink("d/b", "d/a"))), "/d", tmp_path)
    assert (tmp_path / "d/b").read_bytes() == b"a" * 600_000
    assert (tmp_path / "d/b").stat().st_ino != (tmp_path / "d/a").stat().st_ino


def test_a_hard_link_to_a_symlink_is_a_symlink(tmp_path: Path) -> None:
    extracted(contents_of(layer(symlink("d/a", "x"), hardlink("d/b", "d/a"))), "/d", tmp_path)
    assert tree_on_disk(tmp_path / "d") == {"a": b"-> x", "b": b"-> x"}


def test_fifos_are_made_and_devices_left_out(tmp_path: Path) -> None:
    found = extracted(contents_of(layer(fifo("d/f", mode=0o622), char("d/null"), char("d/zero"))), "/d", tmp_path)
    assert stat.S_ISFIFO((tmp_path / "d/f").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o622
    assert (found.files, found.directories, found.devices) == (1, 1, 2)


def test_what_cannot_be_written_is_noted(tmp_path: Path) -> None:
    found = extracted(contents_of(layer("d/a", hardlink("d/b", "nowhere"), symlink("d/c", ""))), "/d", tmp_path)
    assert tree_on_disk(tmp_path / "d") == {"a": b"content of d/a\n"}
    assert found.notes == (
        "/d/b cannot be extracted: it is a broken hard link; it was left out",
        "/d/c cannot be extracted: it is a symlink whose target no file system can hold; it was left out",
    )


def test_a_device_by_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="/null cannot be extracted: it is a character device"):
        extracted(contents_of(layer(char("null"))), "/null", tmp_path)


def test_a_symlink_by_itself_is_extracted_as_a_link_and_that_is_said(tmp_path: Path) -> None:
    found = extracted(contents_of(TREE), "/l", tmp_path)
    assert (tmp_path / "l").readlink() == Path("d")
    assert found.notes == ("/l is a symlink to d: the link itself was extracted; /l/ stands for its target",)


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_files_of_several_layers_are_whole_whatever_the_compression(compress: Compress, tmp_path: Path) -> None:
    names = [f"d/{number:03}" for number in range(200)]
    layers = [layer(*(file(name, name.encode() * number) for name in names[number::3])) for number in range(3)]
    extracted(contents_of(*layers, compress=compress), "/d", tmp_path)
    assert tree_on_disk(tmp_path) == {"d/": b"", **{name: name.encode() * (number % 3) for number, name in enumerate(names)}}


def test_times_beyond_any_clock_do_not_matter(tmp_path: Path) -> None:
    extracted(contents_of(layer(file("a", b"a", mtime=1 << 40), file("b", b"b", mtime=-(1 << 40)))), "/", tmp_path)
    assert tree_on_disk(tmp_path) == {"a": b"a", "b": b"b"}


# Nothing is overwritten


def test_nothing_is_written_when_anything_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "link").write_bytes(b"mine")
    (tmp_path / "d" / "sub" / "b").write_bytes(b"mine too")
    before = tree_on_disk(tmp_path)
    with pytest.raises(
        WouldOverwrite, match=r"/d/link already exists, and so are 1 more|/d/link already exists, and so is 1 more"
    ):
        extracted(contents_of(TREE), "/d", tmp_path)
    assert tree_on_disk(tmp_path) == before


def test_directories_that_are_there_are_filled_and_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o711)
    (tmp_path / "d" / "mine").write_bytes(b"mine")
    extracted(contents_of(TREE), "/d", tmp_path)
    assert tree_on_disk(tmp_path / "d") == D | {"mine": b"mine"}
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o711


def test_files_are_replaced_when_told(tmp_path: Path) -> None:
    extracted(contents_of(TREE), "/", tmp_path)
    (tmp_path / "d/a").write_bytes(b"changed")
    inode = (tmp_path / "d/a").stat().st_ino
    extracted(contents_of(TREE), "/", tmp_path, overwrite=True)
    assert tree_on_disk(tmp_path / "d") == D
    assert (tmp_path / "d/a").stat().st_ino != inode


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_is_never_replaced_by_a_file(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "e" / "mine").mkdir(parents=True)
    with pytest.raises(CannotWrite if overwrite else WouldOverwrite, match=r"/e (already )?exists"):
        extracted(contents_of(TREE), "/", tmp_path, overwrite=overwrite)
    assert tree_on_disk(tmp_path) == {"e/": b"", "e/mine/": b""}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_never_replaced_by_a_directory(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"mine")
    with pytest.raises(CannotWrite if overwrite else WouldOverwrite, match=r"/d (already )?exists"):
        extracted(contents_of(TREE), "/", tmp_path, overwrite=overwrite)
    assert tree_on_disk(tmp_path) == {"d": b"mine"}
