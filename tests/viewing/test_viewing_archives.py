"""Archives inside an image are listed, within bounds; damaged ones show what there is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from layerscope.viewing.archives import MOST_MEMBERS
from layerscope.viewing.shown import Form, ShownFile, show
from support.harmless import everything, is_harmless
from support.image_builder import Layer, Member, char, directory, file, layer, symlink
from support.strategies import layers

TREE = layer(
    directory("d/", mtime=1_700_000_000),
    file("d/a", b"12345", mode=0o4755, uid=1, gid=2, mtime=1_700_000_000),
    symlink(b"\x1b[2J", b"\xe2\x80\xae"),
    char("null"),
)
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def shown(content: bytes, name: bytes = b"f") -> ShownFile:
    return show(content, name=name, size=len(content))


def names(found: ShownFile) -> list[str]:
    return [member.name for member in found.members]


def zipped(*names: str, content: bytes = b"content") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, (2024, 2, 3, 4, 5, 6)), content)
    return buffer.getvalue()


def ar(*members: tuple[bytes, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, content in members:
        parts.append(name.ljust(16) + b"1700000000  0     0     100644  " + str(len(content)).encode().ljust(10) + b"`\n")
        parts.append(content + b"\n" * (len(content) % 2))
    return b"".join(parts)


def test_a_tars_members_are_listed() -> None:
    found = shown(TREE.tar())
    assert (found.form, found.note, found.is_cut) == (Form.ARCHIVE, "tar: 4 members, 5 B", False)
    assert list(found.lines) == [
        "drwxr-xr-x 0:0                   2023-11-14 22:13  d/",
        "-rwsr-xr-x 1:2              5 B  2023-11-14 22:13  d/a",
        r"lrwxrwxrwx 0:0                   1970-01-01 00:00  \x1b[2J -> \u202e",
        "crw-r--r-- 0:0                   1970-01-01 00:00  null",
    ]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_compressed_tars_members_are_listed(packing: str) -> None:
    found = shown(PACKINGS[packing](TREE.tar()))
    assert (found.note, found.members) == (f"tar, {packing}: 4 members, 5 B", shown(TREE.tar()).members)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_compressed_text_is_text(packing: str) -> None:
    found = shown(PACKINGS[packing](b"one\ntwo"))
    assert (found.form, found.lines, found.note) == (Form.TEXT, ["one", "two"], f"{packing}, 7 B unpacked")


@pytest.mark.parametrize("packing", PACKINGS)
def test_several_streams_are_one_file(packing: str) -> None:
    assert shown(PACKINGS[packing](b"one\n") + PACKINGS[packing](b"two\n")).lines == ["one", "two"]


@pytest.mark.slow
@pytest.mark.parametrize("packing", ["gzip", "xz", "zstd"])
def test_a_truncated_compressed_tar_lists_what_came_before(packing: str) -> None:
    whole = PACKINGS[packing](layer(*(f"file {number}" for number in range(3000))).tar())
    found = shown(whole[: len(whole) // 2])
    assert 100 < len(found.members) < 3000
    assert "damaged: truncated" in found.note
    assert found.is_cut


def test_a_compressed_file_of_which_nothing_can_be_unpacked_is_shown_in_hex() -> None:
    whole = bz2.compress(layer("a").tar())
    found = shown(whole[: len(whole) // 2])
    assert (found.form, found.is_cut, found.note) == (Form.HEX, False, "bzip2, damaged: truncated")


def test_a_truncated_tar_lists_what_came_before() -> None:
    found = shown(layer("a", "b").tar()[:1800])
    assert (names(found), found.is_cut) == (["a", "b"], True)
    assert "damaged: truncated" in found.note


def test_a_tar_that_goes_wrong_lists_what_came_before() -> None:
    whole = layer("a", "b", "c").tar()
    found = shown(whole[:2048] + b"\xff" * 512 + whole[2560:])
    assert names(found) == ["a", "b"]
    assert "checksum" in found.note


def test_long_names_of_both_kinds_are_whole() -> None:
    name = "/".join(["d" * 50] * 5)
    for tar_format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        assert names(shown(Layer((file(name),)).tar(tar_format))) == [name]


def test_a_member_of_a_gigabyte_of_zeros_is_not_unpacked_whole() -> None:
    bomb = Member(b"zeros", content=b"")
    header = replace(bomb).header()
    header.size = 1 << 30
    tar = layer("a").tar()[:1024] + header.tobuf() + bytes(1 << 20)
    found = shown(gzip.compress(tar))
    assert [(member.name, member.size) for member in found.members] == [("a", 13), ("zeros", 1 << 30)]
    assert found.is_cut


def test_a_bomb_of_a_tar_is_read_no_further_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.viewing.shown.MOST_UNPACKED", 1 << 20)
    found = shown(gzip.compress(layer("a", file("zeros", bytes(10 << 20)), "b").tar(), 1))
    assert (names(found), found.is_cut, found.note) == (["a", "zeros"], True, "tar, gzip: the first 2 members, 10.5 MB")


@pytest.mark.slow
def test_no_more_members_are_listed_than_can_be_looked_through() -> None:
    found = shown(layer(*(file(str(number)) for number in range(MOST_MEMBERS + 5))).tar())
    assert (len(found.lines), found.is_cut) == (MOST_MEMBERS, True)
    found = shown(zipped(*(str(number) for number in range(MOST_MEMBERS + 5)), content=b""))
    assert (len(found.lines), found.is_cut, found.note) == (MOST_MEMBERS, True, "zip: the first 10,000 members, 0 B")


def test_a_tar_of_which_only_the_start_was_read_is_cut() -> None:
    tar = layer("a", "b").tar()
    found = show(tar[:1024], name=b"f", size=len(tar), limit=10)
    assert (names(found), found.is_cut, found.note) == (["a"], True, "tar: the first 1 member, 13 B")


def test_a_zips_members_are_listed() -> None:
    found = shown(zipped("a", "d/", "\x1b[31m\u202e"))
    assert (found.form, found.note) == (Form.ARCHIVE, "zip: 3 members, 21 B")
    assert found.lines[0] == "-rw-------      7 B  2024-02-03 04:05  a"
    assert names(found)[2] == r"\x1b[31m\u202e"


def test_a_truncated_zip_is_shown_in_hex() -> None:
    found = shown(zipped("a", "b")[:-30])
    assert (found.form, found.note) == (Form.HEX, "zip: File is not a zip file")


def test_a_zip_too_large_to_be_read_whole_is_shown_in_hex() -> None:
    content = zipped("a", "b")
    found = show(content[:60], name=b"f", size=len(content))
    assert (found.form, found.note, found.is_cut) == (Form.HEX, "zip: too large to be listed", True)


def test_an_ar_archives_members_are_listed() -> None:
    found = shown(ar((b"//", b"a_name_longer_than_sixteen.o/\n"), (b"/0", b"123"), (b"b.o/", b"4")))
    assert names(found) == ["//", "a_name_longer_than_sixteen.o", "b.o"]
    assert found.lines[1] == "-rw-r--r-- 0:0              3 B  2023-11-14 22:13  a_name_longer_than_sixteen.o"


def test_a_debian_package_lists_what_it_installs() -> None:
    control, content = gzip.compress(layer("control").tar()), lzma.compress(layer("usr/bin/tool").tar())
    found = shown(ar((b"debian-binary", b"2.0\n"), (b"control.tar.gz", control), (b"data.tar.xz", content)))
    inside = ["control.tar.gz: control", "data.tar.xz: usr/bin/tool"]
    assert names(found) == ["debian-binary", "control.tar.gz", inside[0], "data.tar.xz", inside[1]]


def test_a_damaged_debian_package_says_so() -> None:
    found = shown(ar((b"debian-binary", b"2.0\n"), (b"data.tar.gz", gzip.compress(layer("a").tar())[:-20])))
    assert names(found)[:2] == ["debian-binary", "data.tar.gz"]
    assert "damaged: " in found.note


def test_a_truncated_ar_archive_says_so() -> None:
    found = shown(ar((b"a", b"1234"), (b"b", b"5678"))[:-2])
    assert (names(found), found.note) == (["a", "b"], "ar: 2 members, 8 B; damaged: truncated at offset 134")


@given(layers, st.sampled_from([*PACKINGS, ""]), st.data())
def test_a_damaged_archive_never_fails(drawn: Layer, packing: str, data: st.DataObject) -> None:
    content = bytearray(PACKINGS[packing](drawn.tar()) if packing else drawn.tar())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    assert is_harmless(everything(shown(bytes(content[:end]))))


@given(st.data())
def test_a_damaged_zip_or_package_never_fails(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([zipped("a", "d/", "b"), ar((b"data.tar", layer("a").tar()), (b"#1/4", b"name1"))]))
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert is_harmless(everything(shown(bytes(content))))
