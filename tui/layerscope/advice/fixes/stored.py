"""What an image would store after edits: each content in the layer it would then be in, or nowhere.

A content disappears when what buries it ends up in the same layer, or when nothing writes it any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Kind
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs, Tree
from layerscope.waste.find import Cause, Waste

Mask = npt.NDArray[np.bool_]
NONE = -1


@dataclass(frozen=True, eq=False)
class Stored:
    """The contents of an image as columns by entry, under the edits made so far; changed copies are made, never this one.

    `group` is the layer in which an entry is stored; of joined layers it is the first one's number. `size` is the content's
    bytes and 0 for all but files; `is_gone` marks contents that are no longer stored. `burier` is the layer that buries the
    content (`layers` + 1: none), `successor` the entry that it puts in its place (-1: none), `cause` a Cause. `layer_group`
    maps each layer number to its group. `is_unwritten` marks entries, directories too, that are no longer copied.
    """

    layers: int
    group: Ints
    size: Longs
    is_gone: Mask
    burier: Ints
    successor: Longs
    cause: npt.NDArray[np.uint8]
    layer_group: Ints
    is_unwritten: Mask

    @classmethod
    def of(cls, tree: Tree, waste: Waste) -> Stored:
        """Return the contents as the image has them."""
        count = len(tree.entries)
        burier = np.full(count, tree.layers + 1, np.int32)
        successor = np.full(count, NONE, np.int64)
        cause = np.full(count, Cause.OVERWRITTEN, np.uint8)
        burier[waste.entry], cause[waste.entry] = waste.buried_by, waste.cause
        found = tree.versions.at(waste.node, waste.buried_by)
        entry = np.where(found >= 0, tree.versions.entry[np.maximum(found, 0)], NONE).astype(np.int64) if len(found) else found
        successor[waste.entry] = np.where(entry >= 0, tree.origin[np.maximum(entry, 0)], NONE) if len(entry) else entry
        # What a layer's own tar buries stays in it, whatever is edited.
        burier[waste.entry[waste.cause == Cause.SHADOWED]] = tree.layers + 1
        size = np.where(tree.entries.kind == Kind.FILE, tree.entries.size, 0)
        is_gone = np.zeros(count, bool)
        numbers = np.arange(tree.layers + 2, dtype=np.int32)
        group = tree.entry_layer.astype(np.int32)
        return cls(tree.layers, group, size, is_gone, burier, successor, cause, numbers, is_gone.copy())

    @property
    def total(self) -> int:
        """Return the bytes of all contents that are stored."""
        return int(self.size[~self.is_gone].sum())

    @property
    def buried_in(self) -> Ints:
        """Return, for each content, the group of what buries it; `layers` + 1 for what is seen at the end."""
        has_successor = self.successor >= 0
        by_layer = self.layer_group[self.burier]
        by_entry = self.group[np.maximum(self.successor, 0)] if len(self.group) else by_layer
        return np.where(has_successor & (self.burier <= self.layers), by_entry, by_layer).astype(np.int32)

    def wasted(self, burier_group: int | None = None) -> Longs:
        """Return the contents that are stored though something buries them, or those that one group buries."""
        buried_in = self.buried_in
        is_wasted = ~self.is_gone & (self.size > 0) & (buried_in <= self.layers)
        if burier_group is not None:
            is_wasted &= buried_in == burier_group
        return np.flatnonzero(is_wasted)

    def waste(self, tree: Tree, original: Waste) -> Waste:
        """Return the image's waste as it would be: what is still buried, by what, and from where."""
        shadowed = original.entry[original.cause == Cause.SHADOWED]
        rows = np.union1d(self.wasted(), shadowed[~self.is_gone[shadowed]])
        node = tree.entry_node.copy()
        node[original.entry] = original.node
        rows = rows[np.lexsort((self.group[rows], node[rows], -self.size[rows]))]
        return replace(
            original,
            entry=rows.astype(np.int32),
            node=node[rows],
            size=self.size[rows],
            cause=self.cause[rows],
            written_by=self.group[rows].astype(np.int16),
            buried_by=np.where(self.burier > self.layers, self.group, self.buried_in)[rows].astype(np.int16),
        )

    def _changed(self, **columns: object) -> Stored:
        whole = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Stored(**(whole | columns))

    def _settled(self) -> Stored:
        """Mark as gone what its own layer now buries."""
        return self._changed(is_gone=self.is_gone | (self.buried_in == self.group))

    def joined(self, groups: list[int]) -> Stored:
        """Put the layers of several groups into the first of them."""
        first = groups[0]
        group = np.where(np.isin(self.group, groups), first, self.group).astype(np.int32)
        layer_group = np.where(np.isin(self.layer_group, groups), first, self.layer_group).astype(np.int32)
        return self._changed(group=group, layer_group=layer_group)._settled()

    def moved(self, entries: Longs, groups: Longs) -> Stored:
        """Store entries in other groups than so far: those that now write them at once."""
        group = self.group.copy()
        group[entries] = groups
        return self._changed(group=group)._settled()

    def dropped(self, entries: Longs) -> Stored:
        """Write some contents no more, so that what they buried is seen again, until what buried them buries it.

        Later copies of them that differ only in mode, owner or times go too, or are copies of what is seen again.
        """
        is_gone, size, is_unwritten = self.is_gone.copy(), self.size.copy(), self.is_unwritten.copy()
        is_unwritten[entries] = True
        columns = {name: getattr(self, name).copy() for name in ("burier", "successor", "cause")}
        previous = np.full(len(size), NONE, np.int64)
        known = np.flatnonzero((self.successor >= 0) & (self.burier <= self.layers))
        previous[self.successor[known]] = known
        while len(entries):
            is_gone[entries] = True
            copied = columns["successor"][entries]
            is_copy = (copied >= 0) & np.isin(columns["cause"][entries], (Cause.METADATA, Cause.IDENTICAL))
            before = previous[entries]
            for column in columns.values():
                column[before[before >= 0]] = column[entries[before >= 0]]
            has_after = (copied >= 0) & (before >= 0)
            previous[copied[has_after]] = before[has_after]
            replaced = is_copy & (before >= 0)
            # Copies of copies keep the size of what they were made from.
            self._resize(size, columns, copied[replaced], size[before[replaced]])
            lost = copied[(copied >= 0) & (before < 0)]
            previous[lost] = NONE
            entries = copied[is_copy & (before < 0)]
        return self._changed(is_gone=is_gone, size=size, is_unwritten=is_unwritten, **columns)._settled()

    def _resize(self, size: Longs, columns: dict[str, npt.NDArray[np.generic]], entries: Longs, sizes: Longs) -> None:
        """Give entries, and the copies that were made of them, other sizes."""
        while len(entries):
            size[entries] = sizes
            following = columns["successor"][entries].astype(np.int64)
            goes_on = (following >= 0) & np.isin(columns["cause"][entries], (Cause.METADATA, Cause.IDENTICAL))
            entries, sizes = following[goes_on], sizes[goes_on]
