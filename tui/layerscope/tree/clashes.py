"""Contradictions within one layer's tar: engines refuse them, or decide by the order of the entries."""

from __future__ import annotations

from collections import Counter

import numpy as np

from layerscope.layers.table import Kind, Severity
from layerscope.layers.tar.names import OVERLAYFS, VFS
from layerscope.tree.nodes import Nodes, PathRows
from layerscope.tree.stack import LayerPaths

TWICE = (
    "the layer holds this path twice: Docker (except with containerd's store) and Podman refuse such a layer; containerd "
    "and umoci use the last one, as shown here"
)
WHITEOUT_TWICE = "the layer hides this path twice: Docker, Podman and containerd refuse such a layer, umoci does not"
THEN_HIDDEN = (
    f"the layer holds this path and hides it later: {OVERLAYFS} refuse such a layer, {VFS} loses the path, umoci has it, as is "
    "shown here"
)
HIDDEN_ABOVE = (
    "the layer hides this path and then has entries below it, without one for the directory: "
    f"{OVERLAYFS} refuse such a layer; umoci and {VFS} unpack it as is shown here"
)
HIDDEN_FIRST = (
    f"the layer hides this path and then holds it as a directory: {OVERLAYFS} leave there what the layers below have in it; "
    f"umoci and {VFS} hide it, as shown here"
)
ROOT_HIDDEN = (
    f"the layer hides all that the layers below have: umoci and {VFS} do so, as shown here; {OVERLAYFS} cannot, and "
    "everything is still there"
)


def find_clashes(layer: LayerPaths, names: set[bytes]) -> dict[bytes, int]:
    """Add paths that appear twice or contradict each other to the layer's findings. Costs two sets where there are none.

    Returns the paths that it hides and also holds, or holds something below, with the number of entries before each whiteout:
    `find_hidden` says what becomes of them.
    """
    if len(names) != len(layer.keys) or layer.spelled is not layer.keys:
        _find_twice(layer)
    whiteouts = dict(layer.whiteouts)
    if len(whiteouts) != len(layer.whiteouts):
        for key, count in Counter(key for key, _ in layer.whiteouts).items():
            if count > 1:
                layer.findings.add(key, WHITEOUT_TWICE, Severity.DIFFERS)
    if layer.number > 1 and any(key == b"" for key, _ in layer.opaques):
        layer.findings.add(b"", ROOT_HIDDEN, Severity.DIFFERS)
    return {key: row for key, row in whiteouts.items() if key in names or key in layer.needed}


def _find_twice(layer: LayerPaths) -> None:
    """Find paths that are written twice. Names that only a symlink leads to the same place are fine."""
    seen: set[bytes] = set()
    for key in layer.spelled:
        if key in seen:
            layer.findings.add(key, TWICE, Severity.DIFFERS)
        seen.add(key)


def find_hidden(layer: LayerPaths, contested: dict[bytes, int], rows: PathRows, nodes: Nodes) -> None:
    """Add paths that the layer both hides and holds, by the first entry at or below each. A file after its whiteout is a file
    for all engines.
    """
    found = [(key, node) for key in contested if (node := rows.find(key)) is not None]
    if not found:
        return
    tops = np.array([node for _, node in found], np.int32)
    own = np.flatnonzero((rows.layer == layer.number) & (rows.entry >= 0))
    bounds = np.searchsorted(rows.node[own], np.stack([tops, nodes.end[tops]], axis=1))
    # The number behind the last makes every bound an index, as reduceat wants it; every other result is between two subtrees.
    entries = np.append(rows.entry[own], np.iinfo(np.int32).max)
    first = np.minimum.reduceat(entries, bounds.ravel())[::2] - layer.first
    for (key, _), index, (start, stop) in zip(found, first.tolist(), bounds.tolist(), strict=True):
        if start == stop:
            continue
        if index < contested[key]:
            layer.findings.add(key, THEN_HIDDEN, Severity.DIFFERS)
        elif layer.keys[index] != key:
            layer.findings.add(key, HIDDEN_ABOVE, Severity.DIFFERS)
        elif layer.kind[index] == Kind.DIRECTORY:
            layer.findings.add(key, HIDDEN_FIRST, Severity.DIFFERS)
