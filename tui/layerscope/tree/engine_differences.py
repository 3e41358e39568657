"""What container engines refuse or do not agree about when they unpack layers.

This is contradictions within one layer's tar, and directories that a layer makes where the layers below have something else.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from layerscope.layers.table import Kind, Severity
from layerscope.layers.tar.names import OVERLAYFS, VFS
from layerscope.text import escape
from layerscope.tree.layer_paths import LayerPaths
from layerscope.tree.nodes import IMPLIED, Nodes, PathRows
from layerscope.tree.symlinks import LowerLayers
from layerscope.tree.versions import Versions

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
LINK = "turns the symlink /{} into a directory: files reached through it are gone"
LINKS = "turns {:,} symlinks into directories: files reached through them are gone"
FOLLOWED = f" (so do {OVERLAYFS}; umoci and {VFS} follow the symlink, to /{{}})"
ALL_FOLLOWED = f" (so do {OVERLAYFS}; umoci and {VFS} follow the symlinks)"
EXAMPLES = 3
"""The most symlinks of a layer that are named."""
OTHER = (
    f"an entry below a path that is not a directory in lower layers: {OVERLAYFS} turn it into a directory, as shown here; "
    f"umoci and {VFS} refuse the layer"
)
MADE_FOR_MARKER = "a whiteout creates this directory: Docker, Podman and containerd show it, as shown here; umoci does not"


def find_clashes(layer: LayerPaths, names: set[bytes]) -> dict[bytes, int]:
    """Record in the layer's findings the paths that its tar holds or hides twice, and a marker that hides all lower layers.

    `names` is the set of the layer's keys; one more set is made where no path is there twice. Returns the keys of paths that
    the layer both hides and holds (or holds something below), with the number of entries before each whiteout, for
    `find_hidden`.
    """
    if len(names) != len(layer.keys) or layer.spelled is not layer.keys:
        # Names that only a symlink leads to the same place are fine.
        seen: set[bytes] = set()
        for key in layer.spelled:
            if key in seen:
                layer.findings.add(key, TWICE, Severity.DIFFERS)
            seen.add(key)
    whiteouts = dict(layer.whiteouts)
    if len(whiteouts) != len(layer.whiteouts):
        for key, count in Counter(key for key, _ in layer.whiteouts).items():
            if count > 1:
                layer.findings.add(key, WHITEOUT_TWICE, Severity.DIFFERS)
    if layer.number > 1 and any(key == b"" for key, _ in layer.opaques):
        layer.findings.add(b"", ROOT_HIDDEN, Severity.DIFFERS)
    return {key: row for key, row in whiteouts.items() if key in names or key in layer.needed}


def find_hidden(layer: LayerPaths, contested: dict[bytes, int], rows: PathRows, nodes: Nodes) -> None:
    """Record in the layer's findings the paths that it both hides and holds, where engines disagree about the result.

    `contested` is the answer of `find_clashes`. It matters whether the first entry at or below a path comes before or after the
    whiteout. A file after its whiteout is a file for all engines, and is not recorded.
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


def find_turned(layers: list[LayerPaths], rows: PathRows, versions: Versions, lower: LowerLayers) -> None:
    """Record in the layers' findings the directories that a layer makes where lower layers have a symlink or another file.

    Where a directory's own entry replaces a symlink, all engines agree: that is a note.
    """
    if len(versions) < 2:
        return
    follows = (versions.node[1:] == versions.node[:-1]) & (versions.until[:-1] == versions.layer[1:])
    is_turned = follows & (versions.kind[1:] == Kind.DIRECTORY) & (versions.kind[:-1] != Kind.DIRECTORY)
    turned: dict[int, list[tuple[bytes, bool, bool]]] = {}
    for before in np.flatnonzero(is_turned).tolist():
        is_symlink, is_implied = bool(versions.kind[before] == Kind.SYMLINK), bool(versions.entry[before + 1] == IMPLIED)
        found = turned.setdefault(int(versions.layer[before + 1]), [])
        found.append((rows.keys[int(versions.node[before])], is_symlink, is_implied))
    for number, found in turned.items():
        _add_turned(layers[number - 1], found, lower)


def _add_turned(layer: LayerPaths, turned: list[tuple[bytes, bool, bool]], lower: LowerLayers) -> None:
    """Record in one layer's findings the directories `turned` that it makes where lower layers have something else.

    Each is its key, whether lower layers have a symlink there, and whether no entry names the directory.
    """
    hidden = {key for key, _ in layer.whiteouts}
    followed, replaced = [], []
    for key, is_symlink, is_implied in turned:
        if key in hidden:
            continue
        if is_symlink and is_implied:
            followed.append(key)
        elif is_implied:
            layer.findings.add(key, OTHER, Severity.DIFFERS)
        elif is_symlink and lower.leads_to_directory(key, layer.number):
            replaced.append(key)
    if followed:
        layer.findings.add(followed[0], _of_followed(followed, lower, layer.number), Severity.DIFFERS)
    if replaced:
        layer.findings.add(replaced[0], _of_replaced(replaced), Severity.NOTE)


def _of_followed(keys: list[bytes], lower: LowerLayers, number: int) -> str:
    """Return the sentence for symlinks of lower layers below which the layer has entries, with where some of them lead."""
    if len(keys) == 1:
        return _of_replaced(keys) + FOLLOWED.format(escape(lower.target(keys[0], number)))
    examples = [f"/{_shown(key)} to /{escape(lower.target(key, number))}" for key in keys[:EXAMPLES]]
    return LINKS.format(len(keys)) + ALL_FOLLOWED + _listed(examples, len(keys))


def _of_replaced(keys: list[bytes]) -> str:
    """Return the sentence for symlinks whose place a directory's own entry takes."""
    if len(keys) == 1:
        return LINK.format(_shown(keys[0]))
    return LINKS.format(len(keys)) + _listed([f"/{_shown(key)}" for key in keys[:EXAMPLES]], len(keys))


def _listed(examples: list[str], count: int) -> str:
    rest = count - len(examples)
    return ": " + ", ".join(examples) + (f" and {rest:,} more" if rest else "")


def _shown(key: bytes) -> str:
    return escape(key.replace(b"\0", b"/"))


def find_made_by_markers(layers: list[LayerPaths], lower: LowerLayers) -> None:
    """Record in the layers' findings the directories that exist only because a whiteout or another marker is in them."""
    for layer in layers:
        for key in sorted((layer.marked - layer.needed) & layer.implied):
            if lower.version(key, layer.number) is None:
                layer.findings.add(key, MADE_FOR_MARKER, Severity.DIFFERS)
