"""Cached notes about an engine's image besides its layers: one file with a few documents, in the writer's own format."""

from __future__ import annotations

import msgspec

from layerscope import __version__
from layerscope.cache.columns import Unusable
from layerscope.cache.format import OtherFormat, seal, unpacked, unseal


class _NoteFile(msgspec.Struct, array_like=True, frozen=True):
    made_by: str
    name: str
    text: bytes


def encode_note(text: bytes, *, name: str) -> bytes:
    """Return the file of a note; `name` is the file's own."""
    return seal(msgspec.msgpack.encode(_NoteFile(__version__, name, text)))


def decode_note(data: bytes, *, name: str) -> bytes:
    """Return the note in a file called `name`. Raises OtherFormat, or Unusable for anything that `encode_note` did not
    write.
    """
    note = unpacked(unseal(data)[0], _NoteFile)
    if note.made_by != __version__:
        raise OtherFormat
    if note.name != name:
        raise Unusable
    return note.text
