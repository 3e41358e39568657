"""What is no image is refused in a sentence that says what it looks like; what is damaged, in one that says where."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import CorruptLayer, LayerscopeError, NotAnImage, NotFound, UsageError
from layerscope.sources.documents.files import Archive
from layerscope.sources.location import Location, locate
from layerscope.sources.open import open_files, open_image
from support.image_builder import blob, squeeze
from support.sources_build import Layout, layer_tar, saved, stored_blob, tar, write_directory, write_tar


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "b")
    return buffer.getvalue()


HELM = tar({"app/Chart.yaml": b"name: app", "app/values.yaml": b""})
LOOKS: list[tuple[bytes, str]] = [
    (b"", "it is empty"),
    (bytes(10240), "all zeros, or an empty tar"),
    (b"\x7fELF\x02\x01\x01" + bytes(600), "an ELF program"),
    (zipped(), "a zip archive"),
    (b"\xfd7zXZ\0" + bytes(600), "xz: unpack it first"),
    (b'{"schemaVersion":2,"layers":[]}', "JSON text, a manifest or config without its layers"),
    (b'\n ["a"]', "JSON text$"),
    (b"#!/bin/sh\n", "a script"),
    (b"FROM alpine\nRUN x\n" * 50, "it looks like text"),
    (b"<!DOCTYPE html><p>404", "an HTML page"),
    (b"version https://git-lfs.github.com/spec/v1\noid x", "a Git LFS pointer"),
    (bytes(range(256)) * 4, "binary data"),
    (b"\x01" * 4096, "binary data"),
    (squeeze(b"hello", "gzip"), "text, compressed with gzip"),
    (squeeze(b"", "gzip"), "it is empty, compressed with gzip"),
    (squeeze(squeeze(tar({"a": b""}), "gzip"), "gzip"), "gzip, compressed with gzip"),
    (zstandard.compress(b'{"a":1}'), "JSON text, compressed with zstd"),
    (HELM, "a Helm chart"),
    (squeeze(HELM, "gzip"), "a Helm chart"),
    (tar({"README.md": b"x"}), "a tar of one entry, such as README.md; `layerscope layer:FILE` opens any tar"),
    (tar({"a\x1b[0m": b"x", "b": b""}), r"a tar of 2 entries, such as a\\x1b\[0m"),
    (tar({"save/manifest.json": b"[]"}), "one directory down, in save/"),
    (tar({"x/oci-layout": b"{}", "x/index.json": b"{}"}), "one directory down, in x/"),
]


@pytest.mark.parametrize(("content", "words"), LOOKS)
def test_a_file_that_is_no_image_is_told_by_its_looks(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(content)
    with pytest.raises(NotAnImage, match=f"^{path} is not a container image: .*{words}") as caught:
        open_image(str(path))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "the directory is empty"),
        (["a"], "neither index.json"),
        (["Dockerfile", "a"], "a build context"),
        (["bin/a", "etc/a", "usr/a"], "a root filesystem"),
        (["blobs/sha256/a"], "blobs but no index.json"),
        (["app.tar"], "it holds app.tar"),
    ],
)
def test_a_directory_that_is_no_image_is_told_by_what_is_in_it(tmp_path: Path, names: list[str], words: str) -> None:
    (tmp_path / "it").mkdir()
    place = write_directory(tmp_path / "it", dict.fromkeys(names, b""))
    with pytest.raises(NotAnImage, match=f"is not a container image: the directory .*{words}|is empty"):
        open_image(place)


def test_a_device_is_refused() -> None:
    with pytest.raises(NotFound, match="/dev/zero is a device"):
        open_image("/dev/zero")


def test_a_path_that_is_not_there_is_answered_with_near_ones(tmp_path: Path) -> None:
    write_tar(tmp_path / "image.tar", saved())
    with pytest.raises(NotFound, match=r"there is no .*imgae.tar; did you mean `.*image.tar`\?"):
        open_image(str(tmp_path / "imgae.tar"))
    with pytest.raises(NotFound, match="there is no file or directory nginx"):
        open_image("nginx:latest")


@pytest.mark.parametrize("reference", ["", "oci:", "docker-archive:"])
def test_no_reference_at_all_is_a_mistake_in_usage(reference: str) -> None:
    with pytest.raises(UsageError):
        open_image(reference)


@pytest.mark.parametrize("reference", ["a\0b", "x" * 5000, "/dev/null/x", "\x1b[31m", "a:b:c", "::"])
def test_an_odd_reference_is_not_found(reference: str) -> None:
    with pytest.raises(NotFound) as caught:
        open_image(reference)
    assert str(caught.value).isprintable()


def test_a_loop_of_links_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(NotFound, match="cannot be read: Too many levels"):
        open_image(str(tmp_path / "loop"))


@pytest.mark.parametrize(
    ("reference", "typed", "tag"),
    [
        ("{p}", "{p}", ""),
        ("{p}:app:1", "{p}", "app:1"),
        ("{p}:host:5000/app:1", "{p}", "host:5000/app:1"),
        ("docker-archive:{p}", "docker-archive:{p}", ""),
        ("docker-archive:{p}:app:1", "docker-archive:{p}", "app:1"),
        ("oci-archive:{p}:v1", "oci-archive:{p}", "v1"),
        ("oci:{p}:v1", "oci:{p}", "v1"),
        ("{p}:colon:v1", "{p}:colon", "v1"),
        ("-", "-", ""),
        ("-:app:1", "-", "app:1"),
        ("docker-archive:-", "docker-archive:-", ""),
    ],
)
def test_every_spelling_of_a_place_is_understood(tmp_path: Path, reference: str, typed: str, tag: str) -> None:
    path = tmp_path / "a b.tar"
    path.touch()
    path.with_name("a b.tar:colon").touch()
    location = locate(reference.format(p=path))
    assert (location.typed, location.tag) == (typed.format(p=path), tag)


CUTS: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("plain", lambda raw: raw[:700], "truncated: the bytes end at offset 700"),
    ("header", lambda raw: raw[: raw.rindex(b"manifest.json\0")] + b"\xff" * 2048, "no manifest: .* offset"),
    ("gzip", lambda raw: gzip.compress(raw)[:-20], "truncated gzip: .*stored offset"),
    ("gzip middle", lambda raw: gzip.compress(raw)[:300] + b"\xff" * 64 + gzip.compress(raw)[364:], "stored offset"),
    ("zstd", lambda raw: zstandard.compress(raw)[:-20], "truncated zstd: .*cut at"),
]


@pytest.mark.parametrize(
    ("damage", "reason"), [(damage, reason) for _, damage, reason in CUTS], ids=[name for name, *_ in CUTS]
)
def test_a_damaged_archive_without_its_manifest_is_refused_with_the_offset(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(damage(tar(saved(layer_tar(*(f"file {number}" for number in range(50)))))))
    with pytest.raises(CorruptLayer, match=f"^{path}.*{reason}"):
        open_image(str(path))


def test_a_truncated_archive_with_its_manifest_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    files = dict(reversed(saved(layer_tar("a"), layer_tar("b")).items()))
    raw = tar(files)
    path = tmp_path / "image.tar"
    path.write_bytes(raw[: raw.rindex(b"content of a") + 4])
    image = open_image(str(path))
    assert [stored_blob(each) is None for each in image.layers] == [True, False]
    assert "the archive is damaged (truncated: the bytes end at offset" in image.layers[0].reader.unreadable
    assert any("the archive is damaged" in note for note in image.notes)


@pytest.mark.parametrize("size", [0, 1, 100, 511, 512, 513, 1024, 1536, 4000])
def test_an_archive_cut_anywhere_is_refused_in_a_sentence(tmp_path: Path, size: int) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar(saved(layer_tar("a")))[:size])
    with pytest.raises((CorruptLayer, NotAnImage), match=str(path)):
        open_image(str(path))


def base_archive() -> bytes:
    layout = Layout()
    return tar(layout.files(layout.image(layer_tar("a"))))


RAW = base_archive()


@given(st.integers(0, len(RAW) - 1), st.binary(min_size=1, max_size=40))
def test_an_archive_with_any_bytes_changed_is_opened_or_refused(at: int, change: bytes) -> None:
    raw = RAW[:at] + change + RAW[at + len(change) :]
    try:
        open_files(Archive.of("it", blob(raw)), Location("it", Path("it")), reference="it", platform=None)
    except LayerscopeError as error:
        assert str(error).startswith("it")
