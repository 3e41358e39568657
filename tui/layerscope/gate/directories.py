"""The directories of an image that a baseline keeps: all near the root, and deeper ones that are big."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.gate.subject import Subject
from layerscope.layers.table import Kind
from layerscope.layers.tar.names import normalize
from layerscope.text import escape

DEPTH = 2
MOST_NEAR, MOST_DEEP = 500, 200
BIG = 0.01
"""The least share of the image's bytes for which a deeper directory is recorded."""


@dataclass(frozen=True, slots=True)
class DirectoryFigures:
    """The bytes that a container sees below a directory, each content once, and the bytes wasted there."""

    size: int
    wasted: int


@dataclass(frozen=True, slots=True)
class Directories:
    """Figures by path, as text. All directories down to `depth` are included, so one that is missing at that depth does not
    exist.
    """

    depth: int
    figures: dict[str, DirectoryFigures]


def directories_of(subject: Subject, named: Iterable[str] = ()) -> Directories:
    """Compute the figures of an image's directories; those in `named` are always included."""
    nodes, view = subject.analysis.tree.nodes, subject.last
    wasted, size = nodes.subtree_sums(subject.own_waste.by_node(len(nodes))), view.subtree_bytes
    is_directory = _is_directory(subject)
    depth = next((depth for depth in range(DEPTH, 0, -1) if _count(is_directory, nodes.depth <= depth) <= MOST_NEAR), 0)
    near = np.flatnonzero(is_directory & (nodes.depth <= depth))
    weight = size + wasted
    deep = np.flatnonzero(is_directory & (nodes.depth > depth) & (weight >= max(BIG * float(weight[0]), 1)))
    deep = deep[np.argsort(-weight[deep], kind="stable")[:MOST_DEEP]]
    wanted = {named_text(path): nodes.find(_normal(path)) for path in named}
    figures = {path: DirectoryFigures(0, 0) for path in wanted}
    for node in np.sort(np.concatenate([near, deep])).tolist():
        figures[path_text(nodes.paths[node])] = DirectoryFigures(int(size[node]), int(wasted[node]))
    for path, found in wanted.items():
        if found is not None:
            figures[path] = DirectoryFigures(int(size[found]), int(wasted[found]))
    return Directories(depth, dict(sorted(figures.items())))


def path_text(path: bytes) -> str:
    """Format a directory's path as the baseline file has it."""
    return "/" + escape(path)


def named_text(path: str) -> str:
    """Format a path that a user typed the same way."""
    return path_text(_normal(path))


def _normal(path: str) -> bytes:
    return normalize(path.encode("utf-8", "surrogateescape"))


def _count(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(one & other))


def _is_directory(subject: Subject) -> npt.NDArray[np.bool_]:
    """Mark the directories that a container sees, and the root."""
    versions, seen = subject.analysis.tree.versions, subject.last.seen
    is_directory = np.zeros(len(seen), bool)
    there = np.flatnonzero(seen >= 0)
    is_directory[there] = versions.kind[seen[there]] == Kind.DIRECTORY
    is_directory[0] = True
    return is_directory
