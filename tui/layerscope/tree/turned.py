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

LINK = "turns the symlink /{} into a directory: what was reached through it is gone"
FOLLOWED = f" (so do {OVERLAYFS}; umoci and {VFS} follow the symlink, to /{{}})"
OTHER = (
    f"an entry below what is no directory in the layers below: {OVERLAYFS} turn it into a directory, as is shown here; umoci "
    f"and {VFS} refuse the layer"
)
MADE_FOR_MARKER = "a whiteout makes this directory: Docker, Podman and containerd have it, as is shown here; umoci does not"


def find_turned(layers: list[LayerPaths], rows: PathRows, versions: Versions, lower: LowerLayers) -> None:
    """Add them to the layers' findings. Where a directory's own entry replaces a symlink, all engines agree: that is a note."""
    if len(versions) < 2:
        return
    follows = (versions.node[1:] == versions.node[:-1]) & (versions.until[:-1] == versions.layer[1:])
    is_turned = follows & (versions.kind[1:] == Kind.DIRECTORY) & (versions.kind[:-1] != Kind.DIRECTORY)
    hidden = [{key for key, _ in layer.whiteouts} for layer in layers]
    for before in np.flatnonzero(is_turned).tolist():
        number = int(versions.layer[before + 1]) - 1
        layer, key = layers[number], rows.keys[int(versions.node[before])]
        if key in hidden[number]:
            continue
        is_implied = versions.entry[before + 1] == IMPLIED
        if versions.kind[before] == Kind.SYMLINK:
            _add_symlink(layer, key, lower, is_implied=bool(is_implied))
        elif is_implied:
            layer.findings.add(key, OTHER, Severity.DIFFERS)


def find_made_by_markers(layers: list[LayerPaths], lower: LowerLayers) -> None:
    """Add the directories that stand only because a whiteout or another marker is in them."""
    for layer in layers:
        for key in sorted((layer.marked - layer.needed) & layer.implied):
            if lower.version(key, layer.number) is None:
                layer.findings.add(key, MADE_FOR_MARKER, Severity.DIFFERS)


def _add_symlink(layer: LayerPaths, key: bytes, lower: LowerLayers, *, is_implied: bool) -> None:
    text = LINK.format(escape(key.replace(b"\0", b"/")))
    if is_implied:
        target = lower.target(key, layer.number)
        layer.findings.add(key, text + FOLLOWED.format(escape(target)), Severity.DIFFERS)
    elif lower.leads_to_directory(key, layer.number):
        layer.findings.add(key, text, Severity.NOTE)
