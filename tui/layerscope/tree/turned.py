"""Directories that a layer makes where the layers below have something else: engines do not agree on all of them."""

from __future__ import annotations

import numpy as np

from layerscope.layers.table import Kind, Severity
from layerscope.layers.tar.names import OVERLAYFS, VFS
from layerscope.text import escape
from layerscope.tree.lower import LowerLayers
from layerscope.tree.nodes import IMPLIED, PathRows
from layerscope.tree.stack import LayerPaths
from layerscope.tree.versions import Versions

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


def find_turned(layers: list[LayerPaths], rows: PathRows, versions: Versions, lower: LowerLayers) -> None:
    """Add them to the layers' findings. Where a directory's own entry replaces a symlink, all engines agree: that is a note."""
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
    """Add one layer's: keys, whether a symlink was there, and whether no entry names the directory."""
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


def find_made_by_markers(layers: list[LayerPaths], lower: LowerLayers) -> None:
    """Add the directories that stand only because a whiteout or another marker is in them."""
    for layer in layers:
        for key in sorted((layer.marked - layer.needed) & layer.implied):
            if lower.version(key, layer.number) is None:
                layer.findings.add(key, MADE_FOR_MARKER, Severity.DIFFERS)


def _of_followed(keys: list[bytes], lower: LowerLayers, number: int) -> str:
    """Return the sentence for symlinks of lower layers that have entries below them, with where some of them lead."""
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
