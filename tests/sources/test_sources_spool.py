"""Standard input, pipes, and archives that are compressed themselves."""

from __future__ import annotations

import errno
import gzip
import io
import os
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from layerscope.errors import CannotWrite, NotAnImage, NotFound
from layerscope.sources.open import open_image
from support.image_builder import digest
from support.sources_build import config, layer_tar, saved, stored_blobs, tar

LAYER = layer_tar("a", "b")
RAW = tar(saved(LAYER))
COMPRESSED = {
    "plain": RAW,
    "gzip": gzip.compress(RAW),
    "gzip in members": gzip.compress(RAW[:3000]) + gzip.compress(RAW[3000:]),
    "zstd": zstandard.compress(RAW),
    "zstd in frames": b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(RAW[:3000]) + zstandard.compress(RAW[3000:]),
}


class Pipe(io.RawIOBase):
    """A stream that gives few bytes at a time and has no file behind it."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 100))


@pytest.mark.parametrize("raw", COMPRESSED.values(), ids=COMPRESSED)
def test_an_archive_may_be_compressed_and_come_from_anywhere(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(raw)
    with path.open("rb") as file:
        images = [open_image(str(path)), open_image("-", stdin=io.BytesIO(raw)), open_image("-:app:1", stdin=file)]
        images.append(open_image("docker-archive:-", stdin=Pipe(raw)))  # type: ignore[arg-type]
    for image in images:
        assert image.config_digest == digest(config(LAYER))
        assert [each.read() for each in stored_blobs(image)] == [LAYER]


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(COMPRESSED["gzip"],))
    writer.start()
    image = open_image(str(path))
    writer.join()
    assert image.layers[0].reader.stored_bytes == len(LAYER)


def test_standard_input_that_is_no_image_is_refused_after_its_first_bytes() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"y\n" * (size // 2)

    with pytest.raises(NotAnImage, match=r"^standard input is not a container image: it looks like text"):
        open_image("-", stdin=Endless())  # type: ignore[arg-type]
    with pytest.raises(NotAnImage, match="it is empty"):
        open_image("-", stdin=io.BytesIO())


def test_standard_input_that_fails_is_reported() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(NotFound, match="standard input cannot be read: Input/output error"):
        open_image("-", stdin=Broken())  # type: ignore[arg-type]


def test_a_terminal_is_no_standard_input() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(NotFound, match=r"a terminal; pipe an image into it"):
        open_image("-", stdin=Terminal())


def test_a_bomb_that_holds_no_tar_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(NotAnImage, match="all zeros, or an empty tar, compressed with gzip"):
        open_image(str(path))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_bomb_in_a_tar_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_UNPACKED", str(1 << 20))
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(tar({"zeros": bytes(2 << 20)})))
    with pytest.raises(Exception, match=f"^{path}: .*more than 1048576"):
        open_image(str(path))


class Full:
    """A temporary file on a disk with no room left."""

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_reported_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(
        CannotWrite, match=r"standard input cannot be copied to .*: No space left on device after 0 bytes; set TMPDIR"
    ):
        open_image("-", stdin=io.BytesIO(RAW))


def test_progress_tells_stage_and_bytes_but_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock) / 20)
    seen: list[tuple[str, int, int]] = []
    open_image("-", stdin=io.BytesIO(tar(saved(layer_tar("a") + bytes(20 << 20)))), progress=lambda *told: seen.append(told))
    assert {stage for stage, _, _ in seen} == {"reading standard input"}
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert 5 < len(seen) < 15


@pytest.fixture
def small_stream() -> Iterator[BinaryIO]:
    with io.BytesIO(RAW) as stream:
        yield stream


def test_nothing_is_left_in_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_stream: BinaryIO
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    image = open_image("-", stdin=small_stream)
    assert list(tmp_path.iterdir()) == []
    assert stored_blobs(image)
