"""Which contents are the same: their xxh3_128, from the table where reading gave it, else computed once when it is
asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.content import LayerContent
from layerscope.layers.table import Problem
from layerscope.tree.tree import Longs, Tree

Mask = npt.NDArray[np.bool_]

STRIDE = 64 << 20
"""Mapped bytes read before their pages are let go."""
FAULT = 64 << 10
"""What the kernel maps around one touched byte."""


class ContentIdentity:
    """Tells contents apart. `contents[k - 1]` gives layer k's bytes, or is None when they are not there.

    Contents that cannot be read are never the same as another; each is a problem in `problems`.
    """

    def __init__(self, tree: Tree, contents: Sequence[LayerContent | None]) -> None:
        self._tree, self._contents = tree, contents
        self._first = np.searchsorted(tree.entry_layer, np.arange(1, tree.layers + 2))
        self._ids = tree.entries.content_id
        self._is_known: Mask = np.any(self._ids, axis=1)
        self._is_unreadable = np.zeros(len(tree.entries), bool)
        self.problems: list[Problem] = []

    def ids(self, entries: Longs) -> npt.NDArray[np.uint64]:
        """Shape (n, 2): the identity of each entry's own content; reads those that are not known yet, in the order they
        are stored.
        """
        wanted = np.unique(entries)
        wanted = wanted[~(self._is_known[wanted] | self._is_unreadable[wanted])]
        wanted = wanted[self._tree.entries.size[wanted] > 0]
        if len(wanted):
            self._compute(wanted)
        return self._ids[entries]

    def is_same(self, left: Longs, right: Longs) -> Mask:
        """Whether the contents of each pair of entries are the same. Reads only where their sizes are."""
        sizes = self._tree.entries.size
        same = sizes[left] == sizes[right]
        compared = np.flatnonzero(same & (sizes[left] > 0))
        left, right = left[compared], right[compared]
        equal = np.all(self.ids(left) == self.ids(right), axis=1)
        same[compared] = equal & self._is_known[left] & self._is_known[right]
        return np.asarray(same, bool)

    def _compute(self, wanted: Longs) -> None:
        # One content at a time: each is a slice of a map, or a stretch of a stream that a seek point opens.
        entries, layers = self._tree.entries, self._tree.entry_layer[wanted]
        digests = []
        walked = 0
        columns = (wanted, layers, entries.content_offset[wanted], entries.size[wanted])
        for entry, layer, offset, size in zip(*(column.tolist() for column in columns), strict=True):
            digests.append(self._digest(entry, layer, offset, size))
            walked += max(size, FAULT)
            if walked > STRIDE:
                self._forget()
                walked = 0
        self._forget()
        self._ids[wanted] = np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2)
        self._is_known[wanted] = ~self._is_unreadable[wanted]

    def _digest(self, entry: int, layer: int, offset: int, size: int) -> bytes:
        content = self._contents[layer - 1]
        assert content is not None, "a layer with entries has bytes"
        try:
            return content.digest(entry - int(self._first[layer - 1]), offset, size)
        except CorruptLayer as error:
            self._is_unreadable[entry] = True
            text = f"a content that cannot be compared ({error}); it counts as overwritten"
            self.problems.append(Problem(layer, self._tree.entries.paths[entry], text))
            return bytes(16)

    def _forget(self) -> None:
        for content in self._contents:
            if content is not None:
                content.blob.forget(0, content.blob.size)
