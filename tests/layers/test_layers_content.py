"""Contents read back from stored layers: from every sort of compression, past seek points, in any order, sparse ones too."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from conftest import requires
from layerscope.errors import CorruptLayer
from layerscope.layers import compression, content
from layerscope.layers.compression import PIECE
from layerscope.layers.content import HOLE, BlobContent, Stretch
from layerscope.layers.readers.blob import read_layer
from support.image_builder import blob, file, layer

SIZES = [0, 1, 511, 512, 513, 3_000, 700_000, 0, 300_000, PIECE, 20, 1_500_000, 7, 400_000]


def noise(seed: int, size: int) -> bytes:
    """Bytes that shrink by a half: neither trivial nor incompressible."""
    return bytes(random.Random(seed).choices(range(16), k=size))


CONTENTS = [noise(seed, size) for seed, size in enumerate(SIZES)]
TAR = layer(*(file(f"f{number}", each) for number, each in enumerate(CONTENTS))).tar()


def cut(size: int) -> Iterator[bytes]:
    return (TAR[start : start + size] for start in range(0, len(TAR), size))


STORED = {
    "plain": lambda: TAR,
    "gzip": lambda: gzip.compress(TAR, 1),
    "gzip of members": lambda: b"".join(gzip.compress(part, 1) for part in cut(100_001)),
    "gzip padded with zeros": lambda: gzip.compress(TAR, 1) + bytes(1000),
    "zstd": lambda: zstandard.compress(TAR),
    "zstd of frames": lambda: b"".join(zstandard.compress(part) for part in cut(100_001)),
    "zstd of frames without sizes": lambda: b"".join(
        zstandard.ZstdCompressor(write_content_size=False).compress(part) for part in cut(100_001)
    ),
}


@pytest.fixture(params=STORED)
def stored(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[BlobContent, list[Stretch]]:
    monkeypatch.setattr(compression, "SEEK_DISTANCE", 256 * 1024)
    return opened(STORED[request.param]())


def opened(data: bytes) -> tuple[BlobContent, list[Stretch]]:
    """A stored layer, and the stretches of all its entries."""
    where = blob(data)
    read = read_layer(where, layer=1)
    assert all("no engine unpacks" in problem.text for problem in read.table.problems)
    entries = read.table.entries
    columns = zip(entries.content_offset.tolist(), entries.size.tolist(), strict=True)
    return BlobContent.of(where, read), [(entry, offset, size) for entry, (offset, size) in enumerate(columns)]


def in_order(found: BlobContent, wanted: list[Stretch]) -> list[tuple[int, bytes]]:
    return [(entry, b"".join(pieces)) for entry, pieces in found.many(wanted)]


def test_every_content_is_read_back_alone(stored: tuple[BlobContent, list[Stretch]]) -> None:
    found, stretches = stored
    for stretch, expected in reversed(list(zip(stretches, CONTENTS, strict=True))):
        pieces = list(found.pieces(*stretch))
        assert b"".join(pieces) == expected
        assert all(0 < len(piece) <= PIECE for piece in pieces)


def test_all_contents_are_read_back_in_one_pass(stored: tuple[BlobContent, list[Stretch]]) -> None:
    found, stretches = stored
    assert in_order(found, stretches) == list(enumerate(CONTENTS))


def test_contents_wanted_out_of_order_are_read_back_too(stored: tuple[BlobContent, list[Stretch]]) -> None:
    found, stretches = stored
    shuffled = random.Random(3).sample(stretches, len(stretches))
    assert in_order(found, shuffled) == [(entry, CONTENTS[entry]) for entry, _, _ in shuffled]


def test_a_content_that_was_not_read_to_its_end_does_not_disturb_the_next(stored: tuple[BlobContent, list[Stretch]]) -> None:
    found, stretches = stored
    for entry, pieces in found.many(stretches):
        if entry % 2:
            next(pieces, b"")
        else:
            assert b"".join(pieces) == CONTENTS[entry]


def test_a_content_is_hashed_as_it_is_read(stored: tuple[BlobContent, list[Stretch]]) -> None:
    found, stretches = stored
    same = [found.digest(*stretch) for stretch in stretches]
    assert len(set(same)) == len(set(CONTENTS))


def test_a_content_said_to_be_longer_than_the_layer_is_damage(stored: tuple[BlobContent, list[Stretch]]) -> None:
    found, stretches = stored
    entry, offset, _ = stretches[-1]
    with pytest.raises(CorruptLayer, match=f"at offset {offset} ends [0-9]+ bytes early"):
        list(found.pieces(entry, offset, 10_000_000))
    with pytest.raises(CorruptLayer, match="ends 5 bytes early"):
        list(found.pieces(entry, 1 << 60, 5))


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of every piece that is unpacked while contents are read."""
    lengths: list[int] = []
    unpack = compression.unpack

    def counted(*args: object, **kwargs: object) -> Iterator[bytes]:
        for piece in unpack(*args, **kwargs):  # type: ignore[arg-type]
            lengths.append(len(piece))
            yield piece

    monkeypatch.setattr(content, "unpack", counted)
    return lengths


@pytest.mark.parametrize("kind", ["gzip", "gzip of members", "zstd of frames"])
def test_many_contents_cost_one_pass(kind: str, unpacked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "SEEK_DISTANCE", 256 * 1024)
    found, stretches = opened(STORED[kind]())
    in_order(found, stretches)
    assert sum(unpacked) <= len(TAR)


@pytest.mark.parametrize("kind", ["gzip", "zstd of frames"])
def test_what_lies_before_a_seek_point_is_not_unpacked(kind: str, unpacked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "SEEK_DISTANCE", 256 * 1024)
    found, stretches = opened(STORED[kind]())
    in_order(found, [stretches[1], stretches[-1]])
    assert sum(unpacked) < SIZES[-1] + 4 * PIECE


def test_a_member_that_unpacks_to_many_pieces_is_followed_by_the_next() -> None:
    zeros = bytes(4000 * 512)
    first, second = layer(file("a", zeros)).tar()[: 4001 * 512], layer(file("b", b"b")).tar()
    found, stretches = opened(gzip.compress(first) + gzip.compress(second))
    assert in_order(found, stretches) == [(0, zeros), (1, b"b")]


# Sparse files, as GNU tar writes them


SPARSE_FORMATS = {
    "old GNU": ["--format=gnu"],
    "PAX 0.0": ["--format=posix", "--sparse-version=0.0"],
    "PAX 0.1": ["--format=posix", "--sparse-version=0.1"],
    "PAX 1.0": ["--format=posix", "--sparse-version=1.0"],
}
SPARSE_FILES = {
    "hole-first": bytes(200_000) + b"end",
    "hole-last": b"start" + bytes(900_000),
    "hole-between": noise(1, 70_000) + bytes(3_000_000) + noise(2, 300_000),
    "many-runs": b"".join(noise(seed, 5_000) + bytes(16_384) for seed in range(60)),
    "only-a-hole": bytes(1_000_000),
    "plain": noise(9, 10_000),
}


def write_sparsely(path: Path, data: bytes) -> None:
    """GNU tar looks for holes only in files that take less room on disk than they are long."""
    with path.open("wb") as out:
        for start in range(0, len(data), 4096):
            block = data[start : start + 4096]
            out.seek(len(block), os.SEEK_CUR) if not any(block) else out.write(block)
        out.truncate(len(data))


@pytest.fixture(params=SPARSE_FORMATS)
def sparse_tar(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    requires("tar")
    for name, data in SPARSE_FILES.items():
        write_sparsely(tmp_path / name, data)
    options = ["--sparse", "--hole-detection=raw", *SPARSE_FORMATS[request.param]]
    command = ["tar", "--create", "--file=-", *options, *SPARSE_FILES]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return done.stdout


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_sparse_files_are_read_back_with_their_holes(sparse_tar: bytes, compress: type[bytes]) -> None:
    found, stretches = opened(compress(sparse_tar))
    assert [data for _, data in in_order(found, stretches)] == list(SPARSE_FILES.values())
    assert len(found.sparse) == len(SPARSE_FILES) - 1
    for stretch, data in zip(stretches, SPARSE_FILES.values(), strict=True):
        assert b"".join(found.pieces(*stretch)) == data


def test_a_long_hole_is_given_as_the_hole_itself(sparse_tar: bytes) -> None:
    found, stretches = opened(sparse_tar)
    between = list(SPARSE_FILES).index("hole-between")
    assert sum(piece is HOLE for piece in found.pieces(*stretches[between])) == 3_000_000 // PIECE
