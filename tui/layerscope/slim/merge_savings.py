"""Estimates, from the tree alone, what merging the layers of one's own would save beyond what is planned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.layers.table import Kind
from layerscope.layers.tar.headers import BLOCK
from layerscope.slim.fates import EntryFate
from layerscope.slim.merging import Run, whiteouts
from layerscope.slim.plan import Plan
from layerscope.slim.rewrite import END

WORTH = 0.01
"""The least share of the image that is worth saying."""


@dataclass(frozen=True, slots=True)
class MergeSaving:
    """What merging the layers `first` to `last` would save, about (≈), in stored bytes; `share` is that of the image's."""

    first: int
    last: int
    saved_bytes: int
    share: float

    @property
    def is_worth_saying(self) -> bool:
        """Tell whether anybody should hear of it."""
        return self.share >= WORTH


def merge_savings(plan: Plan) -> list[MergeSaving]:
    """Return what merging each run of layers that may be rewritten would save; nothing for a plan that merges already."""
    if plan.arrangement.merged:
        return []
    sizes = plan.analysis.layer_sizes
    total = max(sum(size.stored_bytes for size in sizes), 1)
    found = []
    for run in plan.options.own_runs(len(plan.layers)):
        tables = plan.analysis.contents.stack.tables[run[0] - 1 : run[1]]
        stored = sum(size.stored_bytes for size in sizes[run[0] - 1 : run[1]])
        unpacked = max(sum(table.unpacked_bytes for table in tables), 1)
        saved = max(round(_tar_bytes(plan, run) * stored / unpacked), 0)
        found.append(MergeSaving(*run, saved, saved / total))
    return found


def _tar_bytes(plan: Plan, run: Run) -> int:
    """Return how much shorter one tar would be: the headers of what the run itself buries, and contents that nobody names."""
    tree, tables = plan.analysis.tree, plan.analysis.contents.stack.tables[run[0] - 1 : run[1]]
    stays = plan.fates != EntryFate.DROP
    is_named = stays & (tree.entry_layer <= run[1]) & (tree.entry_until > run[1])
    is_buried = stays & (tree.entry_layer >= run[0]) & (tree.entry_layer <= run[1]) & (tree.entry_until <= run[1])
    is_file = is_buried & (tree.entries.kind == Kind.FILE)
    gets_name = is_file & np.isin(tree.origin, tree.origin[is_named])
    sizes = tree.entries.size[is_file & ~gets_name & (plan.fates == EntryFate.KEEP)]
    markers = sum(len(table.whiteouts) + len(table.opaques) for table in tables) - len(list(whiteouts(tree.view(*run))))
    headers = int(np.count_nonzero(is_buried & ~gets_name)) + markers
    return int((-(-sizes // BLOCK)).sum() + headers) * BLOCK + (len(tables) - 1) * END
