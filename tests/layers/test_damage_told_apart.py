"""Damage is told apart: a wrong checksum after good data, a cut, bytes that no engine unpacks. What is good is shown."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from layerscope.errors import CorruptLayer
from layerscope.layers.compression import unpack
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.readers.stream import read_passing
from support.commands import ran
from support.image_builder import blob, file, layer
from support.sources_build import Layout, config, layer_tar, saved, write_tar

NOISE = random.Random(5)
BIG = b"".join(NOISE.randbytes(300) + bytes(700) for _ in range(3000))
TAR = layer(file("first", BIG), file("second", NOISE.randbytes(40_000)), file("last", b"0123456789")).tar()


def flipped(stored: bytes, at: int) -> bytes:
    """One bit of a byte changed."""
    at %= len(stored)
    return stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def members(compress: Callable[[bytes], bytes], length: int) -> list[bytes]:
    """The tar in parts that are compressed apart, as eStargz, pigz and zstd:chunked do."""
    return [compress(TAR[at : at + length]) for at in range(0, len(TAR), length)]


def xz(content: bytes) -> bytes:
    return lzma.compress(content, check=lzma.CHECK_CRC32)


# The check of a lone xz block stands before its index (8 bytes, and here 8 for two sizes) and the footer of 12.
WRONG_CHECKS = {
    "gzip, CRC": (flipped(gzip.compress(TAR), -8), "the gzip checksum before stored offset "),
    "gzip, length": (flipped(gzip.compress(TAR), -2), "the gzip checksum before stored offset "),
    "zstd": (flipped(zstd(TAR), -1), "the zstd checksum before stored offset "),
    "xz": (flipped(xz(TAR), -25), "not valid xz near stored offset "),
    "bzip2, at the end": (flipped(bz2.compress(TAR), -4), "not valid bzip2 near stored offset "),
}


def readings(stored: bytes) -> list[ReadLayer]:
    """As it is read in a file, and out of a stream."""
    return [read_layer(blob(stored), layer=1), read_passing(io.BytesIO(stored), size=len(stored))]


@pytest.mark.parametrize(("stored", "words"), WRONG_CHECKS.values(), ids=WRONG_CHECKS.keys())
def test_all_before_a_wrong_checksum_is_shown_and_no_cut_is_told(stored: bytes, words: str) -> None:
    for read in readings(stored):
        assert [read.table.entries.paths[row] for row in range(len(read.table.entries))] == [b"first", b"second", b"last"]
        (problem,) = read.table.problems
        assert (problem.is_fatal, words in problem.text, "truncated" in problem.text) == (True, True, False)
        assert "its tar ends before that, so all of its entries are shown" in problem.text


@pytest.mark.parametrize(("stored", "words"), list(WRONG_CHECKS.values())[:3], ids=list(WRONG_CHECKS)[:3])
def test_every_byte_before_a_wrong_checksum_is_unpacked(stored: bytes, words: str) -> None:
    unpacked = bytearray()
    with pytest.raises(CorruptLayer, match=words):
        for piece in unpack(blob(stored)):
            unpacked += piece
    assert bytes(unpacked) == TAR


@pytest.mark.slow
@pytest.mark.parametrize(("compress", "end"), [(gzip.compress, -8), (zstd, -1)], ids=["gzip", "zstd"])
@pytest.mark.parametrize("length", [5_000, 700_000], ids=["small", "large"])
def test_a_wrong_checksum_in_the_middle_loses_nothing_before_it(
    compress: Callable[[bytes], bytes], end: int, length: int
) -> None:
    parts = members(compress, length)
    broken = len(parts) // 2
    stored = b"".join(flipped(part, end) if number == broken else part for number, part in enumerate(parts))
    unpacked = bytearray()
    with pytest.raises(CorruptLayer, match="checksum before stored offset"):
        for piece in unpack(blob(stored)):
            unpacked += piece
    assert bytes(unpacked) == TAR[: (broken + 1) * length]


@pytest.mark.slow
@pytest.mark.parametrize("compress", [gzip.compress, zstd, xz, bz2.compress], ids=["gzip", "zstd", "xz", "bzip2"])
def test_a_cut_is_called_one(compress: Callable[[bytes], bytes]) -> None:
    stored = compress(TAR)[:-1]
    for read in readings(stored):
        (problem,) = read.table.problems
        assert (problem.is_fatal, "truncated" in problem.text, "checksum" in problem.text) == (True, True, False)


@pytest.mark.slow
@pytest.mark.parametrize("at", [40_000, 400_000, 700_000])
@pytest.mark.parametrize("compress", [gzip.compress, zstd, xz], ids=["gzip", "zstd", "xz"])
def test_what_comes_before_bytes_that_do_not_unpack_is_shown(compress: Callable[[bytes], bytes], at: int) -> None:
    stored = compress(TAR)
    harmed = stored[:at] + bytes([each ^ 0x55 for each in stored[at : at + 600]]) + stored[at + 600 :]
    for read in readings(harmed):
        assert any(problem.is_fatal for problem in read.table.problems)
        assert read.table.unpacked_bytes > len(TAR) * at / len(stored) * 0.5 - 300_000


# What is no tar at all

NO_TARS = {
    "lz4": (bytes.fromhex("04224d18") + NOISE.randbytes(900), "compressed with lz4"),
    "lzma": (lzma.compress(TAR, format=lzma.FORMAT_ALONE), "compressed with lzma"),
    "zlib": (zlib.compress(TAR), "compressed with zlib"),
    "squashfs": (b"hsqs" + NOISE.randbytes(900), "a squashfs file system"),
    "a zip": (b"PK\x03\x04" + NOISE.randbytes(900), "a zip"),
    "JSON": (b'{"layers":[]}' * 99, "a JSON document"),
    "lz4 within gzip": (gzip.compress(bytes.fromhex("04224d18") + NOISE.randbytes(900)), "compressed with lz4"),
}


@pytest.mark.parametrize(("stored", "words"), NO_TARS.values(), ids=NO_TARS.keys())
def test_a_layer_that_is_something_else_is_called_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stored: bytes, words: str
) -> None:
    path = write_tar(tmp_path / "image.tar", saved(stored))
    for arguments in (["ci"], ["--text"], ["ci", "--no-verify"]):
        done = ran(capsys, *arguments[:1], path, *arguments[1:])
        assert (done.code, f"it is not a tar but {words}" in done.err, "checksum is wrong" in done.err) == (2, True, False)


SEALED: dict[str, tuple[str, dict[str, str], str]] = {
    "nydus": ("application/vnd.oci.image.layer.nydus.blob.v1", {}, "it is a nydus blob"),
    "nydus by annotation": (
        "application/vnd.oci.image.layer.v1.tar",
        {"containerd.io/snapshot/nydus-blob": "true"},
        "it is a nydus blob",
    ),
    "overlaybd": (
        "application/vnd.oci.image.layer.v1.tar",
        {"containerd.io/snapshot/overlaybd/blob-digest": "sha256:1"},
        "it is an overlaybd device",
    ),
    "encrypted": ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", {}, "it is encrypted"),
}


@pytest.mark.parametrize("harm", [b"", b"!"], ids=["sound", "another byte"])
@pytest.mark.parametrize(("media_type", "annotations", "words"), SEALED.values(), ids=SEALED.keys())
def test_what_nobody_can_read_is_named_and_its_digest_checked(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    media_type: str,
    annotations: dict[str, str],
    words: str,
    harm: bytes,
) -> None:
    layout, secret = Layout(), NOISE.randbytes(3000)
    base = layer_tar("etc/os-release")
    parts: list[Any] = [layout.add(base, "application/vnd.oci.image.layer.v1.tar"), layout.add(secret, media_type)]
    parts[1]["annotations"] = annotations
    files = layout.files(layout.image(settings=config(base, secret), changes={"layers": parts}))
    name = "blobs/" + parts[1]["digest"].replace(":", "/")
    path = write_tar(tmp_path / "image.tar", {**files, name: secret[: len(secret) - len(harm)] + harm})
    report = ran(capsys, path, "--text")
    assert (report.code, words in report.err) == (2, True)
    assert not any(wrong in report.err for wrong in ("no tar header", "not there"))
    assert ran(capsys, "ci", path).code == 2
    verified = ran(capsys, "verify", path)
    assert (verified.code, words in verified.out) == (1 if harm else 2, True)
    assert ("FAILED  layer 2 digest" if harm else "ok      layer 2 digest") in verified.out
