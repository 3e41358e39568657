"""The layers' paths as they are merged: sort keys that can be rewritten (by symlinks) and entries that can fall (shadowed)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.table import Kind, LayerStack, LayerTable
from layerscope.tree.keys import directories_above, key_of


@dataclass(slots=True, eq=False)
class LayerPaths:
    """One layer's part in the merge. `keys[i]` is entry `first + i`'s; `targets` are hard links' target keys by the same index.

    `needed` are all directories above its entries, `implied` those of them that no entry names; `shadowed` the indexes of
    entries that a later entry of the same tar removes though its path is another one.
    """

    number: int
    first: int
    keys: list[bytes]
    kind: npt.NDArray[np.uint8]
    links: dict[int, bytes]
    targets: dict[int, bytes]
    whiteouts: list[bytes]
    opaques: list[bytes]
    needed: set[bytes]
    implied: set[bytes] = field(default_factory=set)
    shadowed: set[int] = field(default_factory=set)

    def directory_keys(self) -> set[bytes]:
        """The keys of the entries that are directories."""
        keys = self.keys
        return {keys[index] for index in np.flatnonzero(self.kind == Kind.DIRECTORY).tolist()}


def paths_of(stack: LayerStack) -> list[LayerPaths]:
    """The layers' paths, base first, nothing resolved yet."""
    keys = stack.entries.paths.translated(b"/", b"\0").tolist()
    return [
        _layer_paths(number, table, stack.first[number - 1], keys[slice(*stack.first[number - 1 : number + 1])])
        for number, table in enumerate(stack.tables, 1)
    ]


def _layer_paths(number: int, table: LayerTable, first: int, keys: list[bytes]) -> LayerPaths:
    entries = table.entries
    symlinks = np.flatnonzero(entries.kind == Kind.SYMLINK).tolist()
    hard = np.flatnonzero(entries.kind == Kind.HARDLINK).tolist()
    return LayerPaths(
        number=number,
        first=first,
        keys=keys,
        kind=entries.kind,
        links={index: entries.links[index] for index in symlinks},
        targets={index: key_of(entries.links[index]) for index in hard},
        whiteouts=[key_of(path) for path in table.whiteouts],
        opaques=[key_of(path) for path in table.opaques],
        needed=needed_by(number, keys),
    )


def needed_by(number: int, keys: list[bytes]) -> set[bytes]:
    """Every directory above the entries of a layer. Raises CorruptLayer when a hostile layer implies too many."""
    try:
        return directories_above(keys)
    except ValueError as error:
        raise CorruptLayer(f"layer {number}: {error}") from error


def settle(layer: LayerPaths) -> None:
    """Find the layer's implied directories, and settle what stands below a path that is no directory in the same tar."""
    missing = layer.needed - layer.directory_keys()
    names = set(layer.keys)
    layer.implied = missing - names
    contested = missing & names
    if len(names) != len(layer.keys):
        others = {layer.keys[index] for index in np.flatnonzero(layer.kind != Kind.DIRECTORY).tolist()}
        contested |= others & (layer.needed | layer.directory_keys())
    if contested:
        _settle_contested(layer, contested)


def _settle_contested(layer: LayerPaths, contested: set[bytes]) -> None:
    """Replay the tar's order where a path is a parent and something else than a directory in one tar.

    A non-directory buries what came before it below its path; what comes after it below its path makes it an implied
    directory. A directory that stands where its own tar had something else first has nothing of the layers below.
    """
    before: dict[bytes, list[int]] = {key: [] for key in contested}
    standing: dict[bytes, int] = {}
    cleared: set[bytes] = set()
    for index, key in enumerate(layer.keys):
        for ancestor in _contested_above(key, contested):
            before[ancestor].append(index)
            _fall(layer, ancestor, standing)
        if key in contested:
            _fall(layer, key, standing)
            if layer.kind[index] == Kind.DIRECTORY:
                before[key].append(index)
            else:
                layer.shadowed.update(before[key])
                before[key].clear()
                standing[key] = index
                cleared.add(key)
    layer.whiteouts += cleared - standing.keys()
    left = [index for index in range(len(layer.keys)) if index not in layer.shadowed]
    directories = {layer.keys[index] for index in left if layer.kind[index] == Kind.DIRECTORY}
    layer.implied = directories_above(layer.keys[index] for index in left) - directories


def _fall(layer: LayerPaths, key: bytes, standing: dict[bytes, int]) -> None:
    if key in standing:
        layer.shadowed.add(standing.pop(key))


def _contested_above(key: bytes, contested: set[bytes]) -> list[bytes]:
    end = key.rfind(b"\0")
    found = []
    while end > 0:
        if (ancestor := key[:end]) in contested:
            found.append(ancestor)
        end = key.rfind(b"\0", 0, end)
    return found
