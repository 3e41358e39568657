"""The lines of a tar-split file: an engine's record of a layer's tar (github.com/vbatts/tar-split, `tar/storage`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import unpack
from layerscope.progress import ignore
from layerscope.text import escape

FILE, SEGMENT = 1, 2
MAX_LINE = 64 << 20
"""The longest line accepted, in bytes: a segment holds the headers of one entry, or 1 MiB of padding at the end."""
TEXT = 1 << 20
"""Lines decoded at a time, in bytes: about 800 entries, which stay in the processor's cache."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line. A segment's `payload` are raw bytes of the tar; a file's the CRC-64 of its content, which has `size` bytes.

    The file's name is not read: the headers have it.
    """

    type: int
    size: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0
    payload: bytes | None = None


_DECODER = msgspec.json.Decoder(Record)


def records_of(blob: Blob, on_bytes: OnBytes = ignore) -> Iterator[list[Record]]:
    """Yield the records of a tar-split file (gzip, zstd or plain), in order, some hundreds at a time.

    `on_bytes` is called with the stored bytes read. Raises CorruptLayer, naming the line or stored offset, after the last
    records that could be read.
    """
    if not blob.size:
        raise CorruptLayer("it is empty")
    line = 1
    for text in _whole_lines(unpack(blob, on_bytes=on_bytes)):
        records = _decode(text, line)
        yield records
        line += len(records)


def _whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, cut after ends of lines, about TEXT at a time."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1 if length + len(piece) >= TEXT else 0
        if cut:
            yield b"".join([*held, memoryview(piece)[:cut]])
            held, length = [], 0
        held.append(piece[cut:])
        length += len(piece) - cut
        if length > MAX_LINE:
            raise CorruptLayer(f"it has a line longer than {MAX_LINE >> 20} MiB")
    yield b"".join(held)


def _decode(text: bytes, line: int) -> list[Record]:
    try:
        return _DECODER.decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorruptLayer(_complaint(text, line)) from None


def _complaint(text: bytes, first: int) -> str:
    """Say which of the lines cannot be decoded, and why."""
    for line, record in enumerate(text.split(b"\n"), first):
        try:
            if record.strip():
                _DECODER.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return f"line {line} is not a tar-split record ({escape(str(error))})"
    return f"a line after {first} is not a tar-split record"
