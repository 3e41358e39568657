"""What package managers write again at every call: their databases. Nothing but fewer calls makes it less."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.buried import groups
from layerscope.advice.fixes.fix_context import Scene, the_runs
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


def find_databases(scene: Scene) -> Iterator[Fix]:
    """One fix for each layer whose RUN writes again what other RUNs wrote; what comes from the base or a COPY has none."""
    rows = scene.open_rows()
    is_inside = np.zeros(len(scene.tree), bool)
    for path in DATABASES:
        node = scene.tree.nodes.find(path)
        if node is not None:
            is_inside[node : scene.tree.nodes.end[node]] = True
    rows = rows[is_inside[scene.waste.node[rows]]]
    for group in groups(scene, list(Cause), among=rows):
        if group.burier.is_run and group.writer.is_run:
            yield group.fix(
                "package-database",
                f"rewrites {group.amount} of the package manager's database that {the_runs(group.writers)} wrote: "
                "install and remove packages in one RUN",
            )
    scene.take(scene.waste.entry[rows])
