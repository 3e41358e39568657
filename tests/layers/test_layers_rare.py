"""Layers compressed with xz and bzip2, which engines read: read as others are, damage and bombs included."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from layerscope.layers.compression import Compression
from layerscope.layers.readers.blob import read_layer
from support.commands import ran
from support.image_builder import blob, file, layer
from support.sources_build import config, saved, tar, write_tar

TAR = layer(file("a", b"one\n"), file("big", bytes(range(256)) * 9000)).tar()
Squeeze = Callable[[bytes], bytes]
BOTH = pytest.mark.parametrize("squeeze", [lzma.compress, bz2.compress], ids=["xz", "bzip2"])


@pytest.mark.slow
@BOTH
def test_it_is_judged_verified_and_its_files_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], squeeze: Squeeze
) -> None:
    path = write_tar(tmp_path / "image.tar", saved(squeeze(TAR), settings=config(TAR)))
    assert [ran(capsys, *command).code for command in (("ci", path), ("verify", path), (path, "--text"))] == [0, 0, 0]
    assert ran(capsys, "cat", path, "/a").out == "one\n"


@pytest.mark.slow
@BOTH
def test_many_streams_and_padding_are_one_layer(squeeze: Squeeze) -> None:
    stored = squeeze(TAR[:5000]) + squeeze(TAR[5000:]) + bytes(8)
    read = read_layer(blob(stored), layer=1)
    assert read.compression in (Compression.XZ, Compression.BZIP2)
    assert (read.table.entries.paths.tolist(), read.table.problems) == ([b"a", b"big"], ())


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("harm", [lambda raw: raw[:-5], lambda raw: raw[: len(raw) // 2], lambda raw: raw + b"no stream"])
def test_damage_is_told_with_its_offset(squeeze: Squeeze, harm: Squeeze) -> None:
    (problem,) = read_layer(blob(harm(squeeze(TAR))), layer=1).table.problems
    assert problem.is_fatal
    assert "stored offset" in problem.text


@pytest.mark.slow
@BOTH
def test_a_bomb_is_refused(squeeze: Squeeze, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_UNPACKED", "100000")
    (problem,) = read_layer(blob(squeeze(TAR)), layer=1).table.problems
    assert "unpack to more than 100000" in problem.text


@pytest.mark.slow
@BOTH
def test_an_archive_so_compressed_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str], squeeze: Squeeze) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(squeeze(tar(saved(TAR))))
    assert ran(capsys, "ci", path).code == 0
