"""The lines of a tar-split file: what an engine keeps of a layer's tar (github.com/vbatts/tar-split, `tar/storage`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob, OnBytes, uncounted
from layerscope.layers.compression import unpack
from layerscope.text import escape

FILE, SEGMENT = 1, 2
MAX_LINE = 64 << 20
"""The longest line we believe, in bytes. A segment holds the headers of one entry; padding at the end comes in pieces of 1 MiB."""
TEXT = 4 << 20
"""Lines decoded at a time, in bytes: about 3,000 entries."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line. A segment's `payload` are raw bytes of the tar; a file's the CRC-64 of its content, which has `size` bytes.

    The file's name is not read: the headers have it.
    """

    type: int
    size: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0
    payload: bytes | None = None


_DECODER = msgspec.json.Decoder(Record)


def records_of(blob: Blob, on_bytes: OnBytes = uncounted) -> Iterator[list[Record]]:
    """The records of a tar-split file (gzip, zstd or plain), in order, some thousands at a time.

    `on_bytes` is called with the stored bytes got through. Raises CorruptLayer, naming the line or stored offset, after the
    last records that could be read.
    """
    if not blob.size:
        raise CorruptLayer("it is empty")
    rest, line = b"", 1
    pieces: list[bytes] = []
    length = 0
    for piece in unpack(blob, on_bytes=on_bytes):
        pieces.append(piece)
        length += len(piece)
        if length < TEXT:
            continue
        text, newline, rest = b"".join(pieces).rpartition(b"\n")
        if newline:
            yield _decode(text, line)
            line += text.count(b"\n") + 1
        if len(rest) > MAX_LINE:
            raise CorruptLayer(f"line {line} is longer than {MAX_LINE >> 20} MiB")
        pieces, length = [rest], 0
    yield _decode(b"".join(pieces), line)


def _decode(text: bytes, line: int) -> list[Record]:
    try:
        return _DECODER.decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorruptLayer(_complaint(text, line)) from None


def _complaint(text: bytes, first: int) -> str:
    """Which of the lines cannot be decoded, and why."""
    for line, record in enumerate(text.split(b"\n"), first):
        try:
            if record.strip():
                _DECODER.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return f"line {line} is no record of tar-split ({escape(str(error))})"
    return f"a line after {first} is no record of tar-split"
