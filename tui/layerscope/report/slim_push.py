"""What a push sent, or would send, as lines of text and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layerscope.slim.push import BlobWay, Pushed, PushedBlob
from layerscope.text import escape, utf8_text
from layerscope.units import size_text
from layerscope.wording.sentences import layers_text
from layerscope.wording.style import Style, wrapped


def pushed_json(pushed: Pushed) -> dict[str, Any]:
    """Return what was pushed, or would be if `digest` is null. Of blobs, `number` is null for the config."""
    return {
        "name": utf8_text(str(pushed.name)),
        "digest": pushed.digest,
        "media_type": pushed.media_type or None,
        **{f"{way}_bytes": pushed.bytes_of(way) for way in BlobWay},
        "blobs": [
            {
                "number": blob.number or None,
                "digest": blob.digest,
                "stored_bytes": blob.size,
                "way": str(blob.way),
                "mounted_from": utf8_text(blob.origin) or None,
            }
            for blob in pushed.blobs
        ],
    }


def pushed_lines(pushed: Pushed, style: Style) -> Iterator[str]:
    """Yield what was sent, mounted and there already, and the digest to pull by; or what would be sent."""
    is_done = pushed.digest is not None
    verb = "Pushed" if is_done else "To push it to"
    yield from wrapped(style.plain(f"{verb} {escape(str(pushed.name))}: {'; '.join(_parts(pushed))}."), style.width)
    if is_done:
        yield f"Digest: {pushed.digest}"


def _parts(pushed: Pushed) -> Iterator[str]:
    is_done = pushed.digest is not None
    sent, mounted, there = ([blob for blob in pushed.blobs if blob.way is way and blob.number] for way in _IN_ORDER)
    verb = "sent " if is_done else "send "
    yield verb + (f"{_named(sent)}, {'' if is_done else '≈ '}{_size(sent)}" if sent else "no layer")
    for origin in dict.fromkeys(blob.origin for blob in mounted):
        blobs = [blob for blob in mounted if blob.origin == origin]
        yield f"{'mounted' if is_done else 'mount'} {_named(blobs)}, {_size(blobs)}, from {escape(origin)}"
    if there:
        was = ("was" if len(there) == 1 else "were") if is_done else "is" if len(there) == 1 else "are"
        yield f"{_named(there)}, {_size(there)}, {was} there already"


_IN_ORDER = (BlobWay.SENT, BlobWay.MOUNTED, BlobWay.THERE)


def _named(blobs: Sequence[PushedBlob]) -> str:
    return layers_text(blob.number for blob in blobs)


def _size(blobs: Sequence[PushedBlob]) -> str:
    return size_text(sum(blob.size for blob in blobs))
