"""What a fleet keeps of a layer and of an image after it was read: small, so that those of 10,000 images fit into memory."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from layerscope import __version__
from layerscope.cache.columns import Unusable
from layerscope.cache.format import OtherFormat, seal, unpacked, unseal
from layerscope.waste.find import Cause

FORMAT = 2
"""Raise it when a summary changes: one of another format counts as missing."""

CAUSES = frozenset(cause.word for cause in Cause)
T = TypeVar("T")


class LargeFile(msgspec.Struct, array_like=True, frozen=True):
    """A large regular file of a layer: its content id (16 bytes, `layers.content_ids`), size in bytes, and path."""

    id: bytes
    size: int
    path: bytes


class LayerResult(msgspec.Struct, array_like=True, frozen=True):
    """One layer. `content_bytes` are those of its regular files, `files` the large ones. `problem` says why it is not known."""

    content_bytes: int = 0
    files: tuple[LargeFile, ...] = ()
    problem: str = ""


class LayerOfImage(msgspec.Struct, array_like=True, frozen=True):
    """A layer as part of an image. `identity` is its chain id, or where there is none a hash of the layers up to it."""

    identity: str
    content_bytes: int
    instruction: str


class WastedPart(msgspec.Struct, array_like=True, frozen=True):
    """What layer `written_by` of an image wrote and `buried_by` buried, for one cause: content and estimated pulled bytes.

    `path` is that of the largest of the `count` files.
    """

    written_by: int
    buried_by: int
    cause: str
    content_bytes: int
    pull_bytes: int
    count: int
    path: bytes


class ImageResult(msgspec.Struct, array_like=True, frozen=True):
    """One image. `problem` says why it could not be judged, and everything else is then as far as it was read."""

    content_bytes: int = 0
    live_bytes: int = 0
    layers: tuple[LayerOfImage, ...] = ()
    wasted: tuple[WastedPart, ...] = ()
    problem: str = ""

    def has(self, part: WastedPart) -> bool:
        """Tell whether a part names layers of this image and a known cause, as all do that this program wrote."""
        layers = range(1, len(self.layers) + 1)
        return part.written_by in layers and part.buried_by in layers and part.count > 0 and part.cause in CAUSES

    @property
    def wasted_bytes(self) -> int:
        """Return the bytes that no container sees."""
        return self.content_bytes - self.live_bytes


class _Sealed(msgspec.Struct, array_like=True, frozen=True):
    format: int
    made_by: str
    name: str
    summary: msgspec.Raw


def encode_summary(summary: LayerResult | ImageResult, name: str) -> bytes:
    """Encode a summary as a file called `name`."""
    raw = msgspec.Raw(msgspec.msgpack.encode(summary))
    return seal(msgspec.msgpack.encode(_Sealed(FORMAT, __version__, name, raw)))


def decode_summary(data: bytes | None, name: str, wanted: type[T]) -> T | None:
    """Decode the summary in a file called `name`; None for anything that `encode_summary` of this version did not write."""
    if data is None:
        return None
    try:
        sealed = unpacked(unseal(data)[0], _Sealed)
        if (sealed.format, sealed.made_by, sealed.name) != (FORMAT, __version__, name):
            return None
        found = msgspec.msgpack.decode(sealed.summary, type=wanted)
    except (OtherFormat, Unusable, msgspec.DecodeError, RecursionError):
        return None
    return found if not isinstance(found, ImageResult) or all(map(found.has, found.wasted)) else None
