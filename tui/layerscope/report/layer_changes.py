"""Why a layer is not the one it was, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.compare.layers import LayerDifference
from layerscope.text import escape

MOST_NAMED = 3
_WORDS = {
    "content": "with other content",
    "added": "added",
    "removed": "removed",
    "metadata": "with another mode or owner",
    "unknown": "that could not be compared",
    "markers": "hidden on one side only",
}


def why_changed(difference: LayerDifference) -> str:
    """`only times differ, of 1,492 paths`, or what differs, with examples, escaped."""
    if difference.is_nothing:
        return "the same files; only the tar is written differently (order or headers)"
    if difference.is_only_times:
        return f"only times differ, of {_paths(len(difference.times))}"
    return "; ".join(_parts(difference))


def _parts(difference: LayerDifference) -> Iterator[str]:
    for name, words in _WORDS.items():
        paths: tuple[bytes, ...] = getattr(difference, name)
        if paths:
            examples = ", ".join(f"/{escape(path)}" for path in paths[:MOST_NAMED])
            more = ", ..." if len(paths) > MOST_NAMED else ""
            yield f"{_paths(len(paths))} {words}: {examples}{more}"
    if difference.times:
        yield f"{_paths(len(difference.times))} with other times only"


def _paths(count: int) -> str:
    return f"{count:,} path{'' if count == 1 else 's'}"
