"""Finding nodes by glob or regular expression among all paths of all layers: for `find`, the gate, and the screen's filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from layerscope.search.batch import Batch
from layerscope.search.matching import has_pieces
from layerscope.search.name_index import parts
from layerscope.search.patterns import glob, pattern_text
from layerscope.search.regexes import StoppableRegex
from layerscope.search.terms import Text
from layerscope.tree.nodes import Ints, Nodes
from layerscope.tree.shape import Flags

_BATCH, _BATCH_BYTES = 1 << 16, 8 << 20
Fits = Callable[[Batch], Flags]
"""Returns which names or paths of a batch match."""


def find_nodes(nodes: Nodes, pattern: str) -> Ints:
    """Return the nodes (int32, in tree order) whose path matches `pattern`; the root never does.

    `/regex/` is searched in the whole path, which starts with a slash. A glob with a slash must match the whole path, one
    without it the last component: `*` and `?` stop at slashes, `**` does not, `[abc]` and `[!abc]` are sets. Raises UsageError
    for a bad pattern, and for a regular expression that takes too long.
    """
    return _fitting(nodes, pattern_text(pattern))


def nodes_that_fit(nodes: Nodes, pattern: str) -> Ints:
    """Return the nodes for a glob or a directory's path from the configuration, where a trailing slash is ignored."""
    return _fitting(nodes, glob(pattern.rstrip("/")))


def _fitting(nodes: Nodes, text: Text) -> Ints:
    starts, stops = nodes.paths.offsets[1:-1], nodes.paths.offsets[2:]
    if not text.is_path:
        starts = starts + nodes.name_start[1:]
    octets = np.frombuffer(nodes.paths.buffer, np.uint8)
    with fitting(text, lambda: False) as fits:
        found = [
            np.flatnonzero(fits(Batch.of(octets, starts[part], stops[part]))) + part.start + 1
            for part in parts(stops - starts, _BATCH, _BATCH_BYTES)
        ]
    return np.concatenate([np.zeros(0, np.int32), *found]).astype(np.int32)


@contextmanager
def fitting(text: Text, is_cancelled: Callable[[], bool]) -> Iterator[Fits]:
    """Return, as a context manager, a function that matches names with `text`: a regular expression has its own process."""
    with StoppableRegex(text.regex, is_cancelled) as regex:

        def fits(batch: Batch) -> Flags:
            flags = has_pieces(batch, text)
            there = np.flatnonzero(flags)
            if not len(there) or not (text.glob or text.regex or text.word):
                return flags
            some = Batch(batch.buffer, batch.starts[there], batch.stops[there])
            if text.glob:
                flags[there] = text.glob.fits(some)
            elif text.regex:
                flags[there] = regex.fits(some)
            elif text.word:
                paths, ends = some.rooted()
                flags[there] = [text.word.search(paths, *span) is not None for span in pairwise([0, *ends.tolist()])]
            return flags

        yield fits
