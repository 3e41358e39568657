"""What one of two platforms of an image has that the other lacks, and which files are much bigger on one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.compare.comparison import Comparison
from layerscope.layers.table import Kind
from layerscope.tree.tree import Change

TIMES, LEAST = 1.5, 100_000
"""A file is much bigger if it has so many times the bytes, and so many bytes more: machine code differs by a third."""


@dataclass(frozen=True, slots=True)
class OneSided:
    """A path that only one image has, or a directory with all below it that only one has: its bytes, and how many files."""

    path: bytes
    is_directory: bool
    size: int
    files: int


def one_sided(comparison: Comparison, change: Change) -> list[OneSided]:
    """Return what only the old image (REMOVED) or only the new one (ADDED) has, directories as a whole, most bytes first."""
    is_old = change is Change.REMOVED
    tree = (comparison.old if is_old else comparison.new).tree
    nodes, view = tree.nodes, tree.view(max(tree.layers, 1))
    is_only = np.zeros(len(nodes), bool)
    is_only[(comparison.old_node if is_old else comparison.new_node)[comparison.change == change]] = True
    is_directory = tree.versions.kind[view.seen] == Kind.DIRECTORY if len(tree.versions) else np.zeros(len(nodes), bool)
    sizes = nodes.subtree_sums(np.where(is_only, view.counted_size, 0))
    files = nodes.subtree_sums(is_only & ~is_directory)
    tops = np.flatnonzero(is_only & ~is_only[nodes.parent])
    tops = tops[np.argsort(-sizes[tops], kind="stable")]
    columns = zip(tops.tolist(), is_directory[tops].tolist(), sizes[tops].tolist(), files[tops].tolist(), strict=True)
    return [OneSided(nodes.paths[node], *figures) for node, *figures in columns]


def much_bigger(comparison: Comparison, *, in_old: bool) -> npt.NDArray[np.int64]:
    """Return the rows (int64) of files that both images have and that are much bigger in one, the most bytes more first."""
    more, less = comparison.old_size, comparison.new_size
    if not in_old:
        more, less = less, more
    is_much = (comparison.change == Change.MODIFIED) & (more - less >= LEAST) & (more >= TIMES * less)
    return np.flatnonzero(is_much)
