"""Encodes places at which unpacking a gzip layer can restart, with the bytes before each: contents of the layer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from layerscope import __version__
from layerscope.cache.columns import FASTEST, Unusable, inflated
from layerscope.cache.format import OtherFormat, seal, unpacked, unseal
from layerscope.layers.compression import SeekPoint, zlib
from layerscope.layers.gzip_window import WINDOW, GzipWindow


class _Window(msgspec.Struct, array_like=True, frozen=True):
    unpacked: int
    stored: int
    bits: int
    length: int
    deflated: bytes


class _WindowsFile(msgspec.Struct, array_like=True, frozen=True):
    made_by: str
    name: str
    windows: tuple[_Window, ...]


def encode_windows(points: Sequence[SeekPoint], *, name: str) -> bytes:
    """Return the bytes of the cache file called `name` that holds seek points, all of which have a GzipWindow."""
    windows = tuple(
        _Window(
            point.unpacked,
            point.stored,
            point.state.bits,
            len(point.state.window),
            zlib.compress(point.state.window, FASTEST),
        )
        for point in points
    )
    return seal(msgspec.msgpack.encode(_WindowsFile(__version__, name, windows)))


def decode_windows(data: bytes, *, name: str) -> tuple[SeekPoint, ...]:
    """Return the seek points in the bytes of a cache file called `name`.

    Raises OtherFormat, or Unusable for anything that `encode_windows` did not write.
    """
    kept = unpacked(unseal(data)[0], _WindowsFile)
    if kept.made_by != __version__:
        raise OtherFormat
    if kept.name != name or any(each.length > WINDOW or each.stored < 0 or not 0 <= each.bits < 8 for each in kept.windows):
        raise Unusable
    return tuple(
        SeekPoint(each.unpacked, each.stored, GzipWindow(each.bits, inflated(each.deflated, each.length)))
        for each in kept.windows
    )
