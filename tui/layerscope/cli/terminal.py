"""A file of an image on a terminal: no byte of it may act on the terminal."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

from layerscope.errors import UsageError
from layerscope.text import escape

_ALL_BUT_LAYOUT = re.compile(r"[^\n\t]+")


def write_to_terminal(pieces: Iterable[bytes], *, path: str) -> None:
    """Write text to standard output, all but line ends and tabs made harmless. Raises UsageError for binary content."""
    pieces = iter(pieces)
    head = next(pieces, b"")
    if b"\0" in head:
        raise UsageError(f"{escape(path)} is binary; send it to a file: layerscope cat IMAGE PATH > FILE")
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.flush()
    for text in harmless_text(chain([head], pieces)):
        sys.stdout.buffer.write(text.encode(encoding, "backslashreplace"))


def harmless_text(pieces: Iterable[bytes]) -> Iterator[str]:
    """The pieces as text in which only line ends and tabs are not shown as escapes; characters may span pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for piece in chain(pieces, [b""]):
        text = decoder.decode(piece, final=not piece)
        yield _ALL_BUT_LAYOUT.sub(lambda match: escape(match[0]), text)
