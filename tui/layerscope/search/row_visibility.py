"""Decides which nodes can be shown: those that exist, are not hidden, and pass the filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.tree.nodes import Ints
from layerscope.tree.shape import Flags, Shape
from layerscope.tree.tree import Change, View


@dataclass(frozen=True, slots=True, eq=False)
class RowVisibility:
    """`can_show[node]`, which holds for all parents of shown nodes too; `hits`: the filter's matches among them, none
    without one.
    """

    can_show: Flags
    hits: Flags

    @classmethod
    def of(cls, view: View, shape: Shape, hidden: frozenset[Change], hits: Flags | None) -> RowVisibility:
        """Compute visibility. With a filter, nodes removed before the view's layers can be shown too, and everything below a
        match.
        """
        there = is_there(view, with_gone=hits is not None)
        if hidden:
            there &= ~has_change(view, hidden)
        there = shape.with_above(there)
        if hits is None:
            return cls(there, np.zeros(len(there), bool))
        found = hits & there
        found[0] = False
        return cls(shape.with_above(found) | (shape.below(found) & there), found)


def is_there(view: View, *, with_gone: bool) -> Flags:
    """Return which nodes are visible or were removed by the view's layers; with `with_gone`, or existed at any time before."""
    there = view.is_visible | (view.change == Change.REMOVED)
    if with_gone:
        there[view.tree.versions.node[view.tree.versions.layer <= view.last]] = True
    return np.asarray(there)


def has_change(view: View, changes: frozenset[Change]) -> Flags:
    """Return which nodes have one of `changes`; nodes removed earlier count as UNCHANGED."""
    is_meant = np.zeros(len(Change), bool)
    is_meant[list(changes)] = True
    return np.asarray(is_meant[view.change])


def last_versions(view: View) -> Ints:
    """Return the version (int32) to describe each node by: the visible one, for a REMOVED node the one before, for a node
    removed earlier its last; -1 for nodes that only later layers add.
    """
    versions = view.tree.versions
    last = np.full(len(view.seen), -1, np.int32)
    # Versions are in the order of layers, and of several values for one place numpy keeps the last.
    until_now = np.flatnonzero(versions.layer <= view.last)
    last[versions.node[until_now]] = until_now
    return np.where(view.change == Change.REMOVED, view.before, last)
