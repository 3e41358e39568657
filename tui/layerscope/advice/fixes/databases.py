"""Databases that package managers rewrite at every call. Only fewer calls make this less."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.buried import groups
from layerscope.advice.fixes.fix_context import FixContext, the_runs
from layerscope.waste.find import Cause

DATABASES = (
    b"lib/apk/db",
    b"usr/lib/sysimage/rpm",
    b"var/cache/debconf",
    b"var/lib/apt/extended_states",
    b"var/lib/dnf",
    b"var/lib/dpkg",
    b"var/lib/pacman/local",
    b"var/lib/rpm",
)


def find_databases(context: FixContext) -> Iterator[Fix]:
    """Return one fix per layer whose RUN rewrites what other RUNs wrote, except contents of the base or of a COPY."""
    rows = context.open_rows()
    is_inside = np.zeros(len(context.tree), bool)
    for path in DATABASES:
        node = context.tree.nodes.find(path)
        if node is not None:
            is_inside[node : context.tree.nodes.end[node]] = True
    rows = rows[is_inside[context.waste.node[rows]]]
    for group in groups(context, list(Cause), among=rows):
        if group.burier.is_run and group.writer.is_run:
            yield group.fix(
                "package-database",
                f"rewrites {group.amount} of the package manager's database that {the_runs(group.writers)} wrote: "
                "install and remove packages in one RUN",
            )
    context.take(context.waste.entry[rows])
