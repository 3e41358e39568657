"""The nodes that fit a glob of the configuration: the same globs as `layerscope find` has, over whole columns."""

from __future__ import annotations

import numpy as np

from layerscope.rows.matching import Batch, has_pieces
from layerscope.rows.patterns import glob
from layerscope.rows.terms import Text
from layerscope.tree.nodes import Ints, Nodes


def nodes_that_fit(nodes: Nodes, pattern: str) -> Ints:
    """Nodes in tree order, never the root. With a slash a glob is for the whole path, without one for the last component."""
    text = glob(pattern.rstrip("/"))
    starts, stops = nodes.paths.offsets[:-1], nodes.paths.offsets[1:]
    if not text.is_path:
        starts = starts + nodes.name_start
    octets = np.frombuffer(nodes.paths.buffer, np.uint8)
    found = np.flatnonzero(has_pieces(Batch.of(octets, starts[1:], stops[1:]), text)) + 1 if len(nodes) > 1 else starts[:0]
    return np.array(_that_match(nodes, found.tolist(), text), np.int32)


def _that_match(nodes: Nodes, found: list[int], text: Text) -> list[int]:
    """The pieces are only what must be there; the regular expression decides."""
    if text.regex is None:
        return found
    fits = text.regex.fullmatch
    if text.is_path:
        return [node for node in found if fits(b"/" + nodes.paths[node])]
    return [node for node in found if fits(nodes.name(node))]
