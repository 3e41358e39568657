"""Pairs the paths of two images: equal ones, and those of two platforms that differ in their architecture's name alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from layerscope.compare.architecture_names import ArchitectureNames, NameRule
from layerscope.tree.nodes import Nodes
from layerscope.tree.tree import View

NodeNumbers = npt.NDArray[np.int64]
Rules = npt.NDArray[np.uint8]
_STEPS = ((~NameRule.LIB64, ~NameRule.LIB64), (~NameRule(0), NameRule.LIB64))
"""Rules to pair by, one step after the other, and those that are new in each: an image may have both `lib` and `lib64`."""


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
    sides = [_TreeNames.of(view.tree.nodes, each) for view, each in zip((before, after), names, strict=True)]
    for allowed, new in _STEPS:
        old_row, new_row = np.flatnonzero(pairs[:, 1] < 0), np.flatnonzero(pairs[:, 0] < 0)
        if not (len(old_row) and len(new_row) and any(side.has(new) for side in sides)):
            continue
        keys = _keys(sides, allowed)
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
class _TreeNames:
    """A tree, the name of each of its nodes, and what is left of the names that hold an architecture's, with the rules."""

    nodes: Nodes
    names: list[bytes]
    changed: dict[bytes, tuple[bytes, NameRule]]

    @classmethod
    def of(cls, nodes: Nodes, architecture: ArchitectureNames) -> _TreeNames:
        paths = zip(nodes.paths.tolist(), nodes.name_start.tolist(), strict=True)
        names = [path[start:] for path, start in paths]
        return cls(nodes, names, architecture.changed(dict.fromkeys(names)))

    def has(self, wanted: NameRule) -> bool:
        """Tell whether one of these rules applies to any name."""
        return any(rules & wanted for _, rules in self.changed.values())

    def numbered(self, allowed: NameRule, numbers: dict[bytes, int]) -> _PathKeys:
        """Number each node's name without its architecture, adding new ones to `numbers`."""
        changed = {name: found for name, found in self.changed.items() if not found[1] & ~allowed}
        number_of = {
            name: numbers.setdefault(changed[name][0] if name in changed else name, len(numbers))
            for name in dict.fromkeys(self.names)
        }
        count = len(self.names)
        rules = np.zeros(count, np.uint8)
        if changed:
            rule_of = {name: int(found[1]) for name, found in changed.items()}
            rules = np.fromiter((rule_of.get(name, 0) for name in self.names), np.uint8, count)
        return _PathKeys(np.fromiter(map(number_of.__getitem__, self.names), np.int64, count), rules)


@dataclass(frozen=True, slots=True, eq=False)
class _PathKeys:
    """For each node of a tree: a number that nodes of both trees share if their names, or their paths, are the same without the
    architecture (int64), and the rules that took it out (uint8).
    """

    path: NodeNumbers
    rules: Rules


def _keys(sides: list[_TreeNames], allowed: NameRule) -> list[_PathKeys]:
    """Number the paths of two trees level by level: a path is its parent's number and its own name's."""
    numbers: dict[bytes, int] = {}
    named = [side.numbered(allowed, numbers) for side in sides]
    found = [_PathKeys(np.zeros(len(own.path), np.int64), own.rules.copy()) for own in named]
    trees = [side.nodes for side in sides]
    levels = list(zip_longest(*(_levels(nodes) for nodes in trees), fillvalue=np.zeros(0, np.int64)))
    used = 1
    for level in levels[1:]:
        rows = list(zip(trees, named, found, level, strict=True))
        keys = [keys.path[nodes.parent[part]] * len(numbers) + own.path[part] for nodes, own, keys, part in rows]
        _, number = np.unique(np.concatenate(keys), return_inverse=True)
        parts = np.split(number.reshape(-1) + used, [len(level[0])])
        for (nodes, _, keys_of_tree, at), part in zip(rows, parts, strict=True):
            keys_of_tree.path[at] = part
            keys_of_tree.rules[at] |= keys_of_tree.rules[nodes.parent[at]]
        used += len(number)
    return found


def _levels(nodes: Nodes) -> list[NodeNumbers]:
    """Return the nodes of each depth, ascending."""
    by_depth = np.argsort(nodes.depth, kind="stable")
    return np.split(by_depth, np.flatnonzero(np.diff(nodes.depth[by_depth])) + 1)


def _found_once(left: NodeNumbers, right: NodeNumbers) -> tuple[NodeNumbers, NodeNumbers]:
    """Return where numbers stand that are exactly once in each of two columns."""
    sides = [np.unique(side, return_index=True, return_counts=True) for side in (left, right)]
    once = [(values[counts == 1], first[counts == 1]) for values, first, counts in sides]
    _, in_left, in_right = np.intersect1d(once[0][0], once[1][0], assume_unique=True, return_indices=True)
    return once[0][1][in_left], once[1][1][in_right]
