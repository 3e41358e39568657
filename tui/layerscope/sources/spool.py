"""Temporary copies of what cannot be mapped directly: pipes and compressed archives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from layerscope.errors import CannotWrite, CorruptLayer, NotAnImage, NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression, compression_of, unpack
from layerscope.progress import Progress
from layerscope.sources.file_type import HEAD, ZIP_MAGIC, describe_head, is_tar
from layerscope.unnamed import unnamed_file

CHUNK = 1 << 20
REPORT_EVERY = 0.1


def spool_stream(stream: BinaryIO, place: str, progress: Progress) -> Blob:
    """Copy a stream to a temporary file. Raises NotAnImage after its first bytes when it is no archive of any kind."""
    pieces = _chunks(stream, place)
    head = _head(pieces)
    if not is_tar(head) and compression_of(head) is Compression.NONE and not head.startswith(ZIP_MAGIC):
        raise NotAnImage(f"{place} is not a container image: {describe_head(head)}")
    return spool(chain([head], pieces), place, f"reading {place}", progress)


def unpack_archive(blob: Blob, place: str, progress: Progress) -> Blob:
    """Return the archive in `blob` without the gzip or zstd around it, if any.

    Raises NotAnImage for a compressed file that is no tar, CorruptLayer for damage, CannotWrite when there is no room for it.
    """
    compression = compression_of(blob.read(0, 4))
    if compression is Compression.NONE:
        return blob
    pieces = _named_damage(unpack(blob), place)
    try:
        head = _head(pieces)
    except CorruptLayer as error:
        if compression in (Compression.XZ, Compression.BZIP2):  # no more than their magic bytes say that they are these
            raise NotAnImage(f"{place} is not a container image: {describe_head(blob.read(0, HEAD))}") from error
        raise
    if not is_tar(head):
        raise NotAnImage(f"{place} is not a container image: {describe_head(head)}, compressed with {compression}")
    return spool(chain([head], pieces), place, f"unpacking {place}", progress)


def head_of(blob: Blob, place: str) -> bytes:
    """Return the first unpacked bytes of a blob in any compression. Raises CorruptLayer when none can be unpacked."""
    return _head(_named_damage(unpack(blob), place))


def _chunks(stream: BinaryIO, place: str) -> Iterator[bytes]:
    try:
        while piece := stream.read(CHUNK):
            yield piece
    except OSError as error:
        raise NotFound(f"{place} cannot be read: {error.strerror}") from error


def _named_damage(pieces: Iterator[bytes], place: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except CorruptLayer as error:
        raise CorruptLayer(f"{place}: {error}") from error


def _head(pieces: Iterator[bytes]) -> bytes:
    """Join pieces from the front until they suffice to recognize the format; the first may be short."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= HEAD:
            break
    return head


def spool(pieces: Iterator[bytes], place: str, stage: str, progress: Progress) -> Blob:
    """Write `pieces` to an unnamed temporary file and map it. Raises CannotWrite, which names `place`, without room."""
    import tempfile

    done, reported = 0, time.monotonic()
    try:
        with unnamed_file(buffering=0) as file:
            for piece in pieces:
                _write(file, piece)
                done += len(piece)
                if time.monotonic() - reported >= REPORT_EVERY:
                    reported = time.monotonic()
                    progress(stage, done, 0)
            return Blob.of_open_file(file)
    except OSError as error:
        directory = tempfile.tempdir or "the temporary directory"
        raise CannotWrite(
            f"{place} cannot be copied to {directory}: {error.strerror} after {done} bytes; set TMPDIR to a directory with room"
        ) from error


def _write(file: BinaryIO, piece: bytes) -> None:
    """Write all of `piece`: an unbuffered file may accept less at a time."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
