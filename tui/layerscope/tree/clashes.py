"""What one layer's tar says twice, or against itself: engines refuse it or go by the order in which it stands."""

from __future__ import annotations

from collections import Counter

from layerscope.layers.table import Kind, Severity
from layerscope.layers.tar.names import OVERLAYFS, VFS
from layerscope.tree.stack import LayerPaths, contested_above

TWICE = (
    "the layer holds this path twice: Docker (but on containerd's store) and Podman refuse such a layer; containerd and umoci "
    "have the last, as is shown here"
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
    f"umoci and {VFS} hide it, as is shown here"
)
ROOT_HIDDEN = (
    f"the layer hides all that the layers below have: umoci and {VFS} do so, as is shown here; {OVERLAYFS} cannot, and "
    "everything is still there"
)


def find_clashes(layer: LayerPaths) -> None:
    """Add them to the layer's findings. Layers in which nothing is told twice cost two sets."""
    names = set(layer.keys)
    if len(names) != len(layer.keys) or layer.spelled is not layer.keys:
        _find_twice(layer)
    whiteouts = dict(layer.whiteouts)
    if len(whiteouts) != len(layer.whiteouts):
        for key, count in Counter(key for key, _ in layer.whiteouts).items():
            if count > 1:
                layer.findings.add(key, WHITEOUT_TWICE, Severity.DIFFERS)
    if contested := {key: row for key, row in whiteouts.items() if key in names or key in layer.needed}:
        _find_hidden(layer, contested)
    if layer.number > 1 and any(key == b"" for key, _ in layer.opaques):
        layer.findings.add(b"", ROOT_HIDDEN, Severity.DIFFERS)


def _find_twice(layer: LayerPaths) -> None:
    """By the paths as they are written: what a symlink leads to the same place is no reason to refuse."""
    seen: set[bytes] = set()
    for key in layer.spelled:
        if key in seen:
            layer.findings.add(key, TWICE, Severity.DIFFERS)
        seen.add(key)


def _find_hidden(layer: LayerPaths, contested: dict[bytes, int]) -> None:
    """Paths that the layer both hides and holds, or holds something below; `contested` has the entries before each whiteout.

    A file after its whiteout is a file for all engines.
    """
    texts: dict[bytes, str] = {}
    parents = contested.keys() & layer.needed
    for index, key in enumerate(layer.keys):
        for hidden in contested_above(key, parents) if parents else ():
            texts.setdefault(hidden, THEN_HIDDEN if index < contested[hidden] else HIDDEN_ABOVE)
        if key in contested:
            if index < contested[key]:
                texts.setdefault(key, THEN_HIDDEN)
            elif key not in texts:
                texts[key] = HIDDEN_FIRST if layer.kind[index] == Kind.DIRECTORY else ""
    for key, text in texts.items():
        if text:
            layer.findings.add(key, text, Severity.DIFFERS)
