"""Pairs the paths of two images: equal ones, and those of two platforms that differ in their architecture's name alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.compare.architecture_names import ArchitectureNames, NameRule
from layerscope.tree.nodes import Nodes
from layerscope.tree.tree import View

NodeNumbers = npt.NDArray[np.int64]
Rules = npt.NDArray[np.uint8]
_STEPS = (~NameRule.LIB64, ~NameRule(0))
"""Rules to pair by, one after the other: an image may have both `lib` and `lib64`."""


@dataclass(frozen=True, slots=True, eq=False)
class PairedPaths:
    """Every path but the root that is visible in either of two images, or pairs of them.

    `nodes`, shape (n, 2), are the old and the new tree's node, -1 where there is none; `rules` (bits of NameRule) is why two
    different paths are a pair, 0 for one path, and where there is only one node.
    """

    nodes: NodeNumbers
    rules: Rules


def pair_paths(before: View, after: View, names: tuple[ArchitectureNames, ArchitectureNames] | None) -> PairedPaths:
    """Pair the visible paths of two images: first equal ones, then, with `names`, those equal without their architecture.

    Of several that are equal without it, none is paired.
    """
    pairs = _equal(before, after)
    rules = np.zeros(len(pairs), np.uint8)
    if names is None:
        return PairedPaths(pairs, rules)
    for allowed in _STEPS:
        keys = _keys((before.tree.nodes, after.tree.nodes), names, allowed)
        old_row, new_row = np.flatnonzero(pairs[:, 1] < 0), np.flatnonzero(pairs[:, 0] < 0)
        left, right = _found_once(keys[0].path[pairs[old_row, 0]], keys[1].path[pairs[new_row, 1]])
        old_row, new_row = old_row[left], new_row[right]
        rules[new_row] = keys[0].rules[pairs[old_row, 0]] | keys[1].rules[pairs[new_row, 1]]
        pairs[new_row, 0] = pairs[old_row, 0]
        pairs, rules = np.delete(pairs, old_row, axis=0), np.delete(rules, old_row)
    return PairedPaths(pairs, rules)


def _equal(before: View, after: View) -> NodeNumbers:
    """Return the two nodes of each path but the root that is visible in either image."""
    old_nodes, new_nodes = (np.flatnonzero(view.is_visible[1:]) + 1 for view in (before, after))
    old_paths = {before.tree.nodes.paths[node]: node for node in old_nodes.tolist()}
    new_paths = after.tree.nodes.paths
    partner = np.array([old_paths.pop(new_paths[node], -1) for node in new_nodes.tolist()], np.int64).reshape(-1)
    gone = np.array(list(old_paths.values()), np.int64).reshape(-1)
    return np.stack([np.concatenate([partner, gone]), np.concatenate([new_nodes, np.full(len(gone), -1)])], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _PathKeys:
    """For each node of a tree: a number that nodes of both trees share if their paths are the same without the architecture
    (int64), and the rules that took it out (uint8).
    """

    path: NodeNumbers
    rules: Rules


def _keys(
    trees: tuple[Nodes, Nodes], architectures: tuple[ArchitectureNames, ArchitectureNames], allowed: NameRule
) -> list[_PathKeys]:
    """Number the paths of two trees level by level: a path is its parent's number and its own name's."""
    numbers: dict[bytes, int] = {}
    named = [_named(nodes, names, allowed, numbers) for nodes, names in zip(trees, architectures, strict=True)]
    found = [_PathKeys(np.zeros(len(nodes), np.int64), own.rules.copy()) for nodes, own in zip(trees, named, strict=True)]
    used = 1
    for depth in range(1, 1 + max(int(nodes.depth.max(initial=0)) for nodes in trees)):
        levels = [np.flatnonzero(nodes.depth == depth) for nodes in trees]
        pairs = zip(trees, named, found, levels, strict=True)
        keys = [keys.path[nodes.parent[level]] * len(numbers) + own.path[level] for nodes, own, keys, level in pairs]
        _, number = np.unique(np.concatenate(keys), return_inverse=True)
        parts = np.split(number.reshape(-1) + used, [len(levels[0])])
        for nodes, keys_of_tree, level, part in zip(trees, found, levels, parts, strict=True):
            keys_of_tree.path[level] = part
            keys_of_tree.rules[level] |= keys_of_tree.rules[nodes.parent[level]]
        used += len(number)
    return found


def _named(nodes: Nodes, names: ArchitectureNames, allowed: NameRule, numbers: dict[bytes, int]) -> _PathKeys:
    """Number each node's name without its architecture, adding new ones to `numbers`; each distinct name is looked at once."""
    starts = nodes.name_start.tolist()
    own = [path[start:] for path, start in zip(nodes.paths.tolist(), starts, strict=True)]
    known: dict[bytes, tuple[int, int]] = {}
    for name in dict.fromkeys(own):
        rest, rules = names.without(name)
        if rules & ~allowed:
            rest, rules = name, NameRule(0)
        known[name] = numbers.setdefault(rest, len(numbers)), int(rules)
    columns = np.array([known[name] for name in own], np.int64).reshape(-1, 2)
    return _PathKeys(columns[:, 0], columns[:, 1].astype(np.uint8))


def _found_once(left: NodeNumbers, right: NodeNumbers) -> tuple[NodeNumbers, NodeNumbers]:
    """Return where numbers stand that are exactly once in each of two columns."""
    sides = [np.unique(side, return_index=True, return_counts=True) for side in (left, right)]
    once = [(values[counts == 1], first[counts == 1]) for values, first, counts in sides]
    _, in_left, in_right = np.intersect1d(once[0][0], once[1][0], assume_unique=True, return_indices=True)
    return once[0][1][in_left], once[1][1][in_right]
