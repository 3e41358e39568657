"""The trees of two images as one: a tree of two layers, the old image and what is new in the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.compare.comparison import Aspect, Comparison
from layerscope.layers.table import Entries, Kind
from layerscope.tree.layer_paths import SEPARATOR
from layerscope.tree.nodes import IMPLIED, Ints, nodes_of
from layerscope.tree.tree import Change, Longs, Tree, View
from layerscope.tree.versions import Versions

OLD, NEW, NEVER = 1, 2, 3
"""The layers of the merged tree, and the one that nothing is removed by."""


@dataclass(frozen=True, slots=True, eq=False)
class MergedTree:
    """Two images as a View of one tree: a path is added, removed or modified as `comparison` has it.

    `growth` is, for each node, the content bytes at and below it in the new image minus those in the old one (int64); `row` its
    row in the comparison, -1 for none (int64). What two platforms call by two names stands at the new one.
    """

    comparison: Comparison
    view: View
    growth: Longs
    row: Longs

    @classmethod
    def of(cls, comparison: Comparison) -> MergedTree:
        """Merge what containers of the two images see."""
        old, new = comparison.old.tree, comparison.new.tree
        before, after = (tree.view(max(tree.layers, 1)) for tree in (old, new))
        seen = np.flatnonzero(after.is_visible[1:]) + 1
        gone = np.flatnonzero(comparison.change == Change.REMOVED)
        keys = _keys(new, seen), _keys(old, comparison.old_node[gone])
        all_keys = sorted({b"", *keys[0], *keys[1], *_above(keys[1])})
        number = dict(zip(all_keys, range(len(all_keys)), strict=True))
        of_new = np.zeros(len(new), np.int64)
        of_new[seen] = [number[key] for key in keys[0]]
        row = np.full(len(all_keys), -1, np.int64)
        there = np.flatnonzero(comparison.new_node >= 0)
        row[of_new[comparison.new_node[there]]] = there
        row[[number[key] for key in keys[1]]] = gone
        entry = np.full(len(all_keys), IMPLIED, np.int64)
        entry[of_new[seen]] = _shifted(after.entry[seen], len(old.entries))
        view = _tree(comparison, all_keys, entry, row, before).view(NEW)
        return cls(comparison, view, view.subtree_bytes - view.tree.view(OLD).subtree_bytes, row)

    def nodes_of(self, node: int) -> tuple[int | None, int | None]:
        """Return the nodes of a path in the old image's tree and in the new one's; None where no container sees it."""
        path, comparison, row = self.view.tree.nodes.paths[node], self.comparison, int(self.row[node])
        if row >= 0:
            old, new = int(comparison.old_node[row]), int(comparison.new_node[row])
        else:  # it does not differ
            old, new = (
                found if (found := each.tree.nodes.find(path)) is not None else -1 for each in (comparison.old, comparison.new)
            )
        return old if old >= 0 else None, new if new >= 0 else None

    def difference(self, node: int) -> list[str]:
        """Return the words for what differs at a node that both images have: `size`, `content`, `mode`."""
        row = int(self.row[node])
        return Aspect(int(self.comparison.aspects[row])).words if row >= 0 else []


def _keys(tree: Tree, nodes: Longs) -> list[bytes]:
    return [tree.nodes.paths[node].replace(b"/", SEPARATOR) for node in nodes.tolist()]


def _above(keys: list[bytes]) -> set[bytes]:
    """Return the keys of all directories around `keys`, which only two platforms' names may lack."""
    found: set[bytes] = set()
    for key in keys:
        above = key.rpartition(SEPARATOR)[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition(SEPARATOR)[0]
    return found


def _shifted(numbers: Ints, by: int) -> Longs:
    return np.where(numbers >= 0, numbers.astype(np.int64) + by, numbers)


def _tree(comparison: Comparison, keys: list[bytes], entry: Longs, row: Longs, before: View) -> Tree:
    """Build the tree. `entry` is each node's entry in the new image, `row` its row in the comparison; `before` the old view."""
    old, new = comparison.old.tree, comparison.new.tree
    entries = Entries.join([old.entries, new.entries])
    change = np.where(row >= 0, comparison.change[row] if len(comparison) else 0, Change.UNCHANGED)
    was = np.flatnonzero((change == Change.REMOVED) | (change == Change.MODIFIED))
    now = np.flatnonzero(change != Change.REMOVED)
    node = np.concatenate([was, now])
    layer = np.concatenate([np.full(len(was), OLD), np.where(np.isin(change[now], (Change.ADDED, Change.MODIFIED)), NEW, OLD)])
    until = np.concatenate([np.full(len(was), NEW), np.full(len(now), NEVER)])
    named = np.concatenate([before.entry[comparison.old_node[row[was]]] if len(was) else was, entry[now]])
    order = np.lexsort((layer, node))
    node, layer, until, named = node[order], layer[order], until[order], named[order]
    kind = np.full(len(named), Kind.DIRECTORY, np.uint8)
    kind[named >= 0] = entries.kind[named[named >= 0]]
    entry_node = np.zeros(len(entries), np.int32)
    entry_node[named[named >= 0]] = node[named >= 0]
    count = len(old.entries)
    return Tree(
        layers=NEW,
        nodes=nodes_of(keys),
        versions=Versions(node.astype(np.int32), layer.astype(np.int16), until.astype(np.int16), named.astype(np.int32), kind),
        entries=entries,
        entry_layer=np.repeat(np.array([OLD, NEW], np.int16), [count, len(new.entries)]),
        entry_node=entry_node,
        entry_until=np.full(len(entries), NEVER, np.int16),
        origin=np.concatenate([old.origin, _shifted(new.origin, count).astype(np.int32)]),
        xattrs={**old.xattrs, **{each + count: found for each, found in new.xattrs.items()}},
        devices={**old.devices, **{each + count: found for each, found in new.devices.items()}},
        problems=(),
    )
