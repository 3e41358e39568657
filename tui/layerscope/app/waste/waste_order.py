"""The orders in which the waste view lists groups and paths."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from layerscope.tree.tree import Longs
from layerscope.waste.find import Cause, Waste

if TYPE_CHECKING:
    from layerscope.app.waste.outline import WasteGroup


class WasteOrder(Enum):
    """What waste is sorted by: bytes and files with the most first, all else with the least. The values are the words shown."""

    SIZE = "size"
    FILES = "files"
    CAUSE = "cause"
    LAYERS = "layers"
    PATH = "path"


def sorted_groups(groups: Sequence[WasteGroup], order: WasteOrder) -> list[WasteGroup]:
    """Sort groups, which come largest first; those that are equal stay so."""
    if order is WasteOrder.FILES:
        return sorted(groups, key=lambda group: -group.count)
    if order is WasteOrder.CAUSE:
        return sorted(groups, key=lambda group: group.cause.word)
    if order is WasteOrder.LAYERS:
        return sorted(groups, key=lambda group: (group.written_by, group.buried_by))
    return sorted(groups, key=lambda group: group.node) if order is WasteOrder.PATH else list(groups)


def sorted_rows(waste: Waste, order: WasteOrder) -> Longs:
    """Return the rows of `waste` (int64), which come largest first, in another order; those that are equal stay so."""
    if order is WasteOrder.CAUSE:
        rank = np.empty(max(Cause) + 1, np.uint8)
        rank[sorted(Cause, key=lambda cause: cause.word)] = range(len(Cause))
        return np.argsort(rank[waste.cause], kind="stable")
    if order is WasteOrder.LAYERS:
        return np.lexsort((waste.buried_by, waste.written_by))
    return np.argsort(waste.node, kind="stable") if order is WasteOrder.PATH else np.arange(len(waste))
