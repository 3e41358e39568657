"""The paths of each layer while layers are merged into a tree.

These are sort keys, which symlinks may rewrite, the entries that later ones of their own tar replace, and findings: what
engines do not agree about.

The sort key of a path is the path with `/` read as NUL, so that `a-b` does not fall between `a` and `a/b`. Names hold no NUL.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.table import Kind, LayerStack, Problem, Severity
from layerscope.text import escape

BELOW_FILE = (
    "an entry below a path that is not a directory in the same layer: no engine unpacks it; layerscope shows that path as a "
    "directory"
)
Marker = tuple[bytes, int]
EXAMPLES = 3
"""The most paths that a problem names, the first among them."""
SEPARATOR = b"\0"
MAX_IMPLIED = 256 << 20
"""The most bytes of names of directories that a layer's paths may imply; 100,000 directories of a real image take 10 MB."""


@dataclass(slots=True)
class _Finding:
    severity: Severity
    paths: list[bytes]
    count: int = 1

    def more(self) -> str:
        """Return what follows the sentence when it is true of further paths."""
        if self.count == 1:
            return ""
        others = " and ".join("/" + escape(path) for path in self.paths[1:])
        return f" ({self.count - 1:,} more like it" + (f", such as {others})" if others else ")")


@dataclass(slots=True)
class Findings:
    """What is odd about paths of one layer: sentences with severities and paths, in the order of their first finding."""

    _found: dict[str, _Finding] = field(default_factory=dict)

    def add(self, key: bytes, text: str, severity: Severity) -> None:
        """Record that `text` is true of the path with this sort key."""
        path = key.replace(SEPARATOR, b"/")
        found = self._found.get(text)
        if found is None:
            self._found[text] = _Finding(severity, [path])
            return
        found.count += 1
        if len(found.paths) < EXAMPLES and path not in found.paths:
            found.paths.append(path)

    def problems(self, layer: int) -> list[Problem]:
        """Return one problem per sentence, which names up to three paths and how many more there are."""
        return [Problem(layer, each.paths[0], text + each.more(), each.severity) for text, each in self._found.items()]


@dataclass(slots=True, eq=False)
class LayerPaths:
    """One layer's paths, links and whiteouts while the layers are merged into a tree.

    `keys[i]` is the sort key of entry `first + i`, `spelled[i]` the same before any symlink was followed; `links` has the
    targets of symlinks, and `targets` the target keys of hard links, by the same index.

    `whiteouts` and `opaques` are pairs of a key and the number of entries before the marker. `needed` are the keys of all
    directories above its entries, `marked` of those above its markers, `implied` of those directories of both sets that exist
    though no entry names them. `shadowed` are the indexes of entries that a later entry with another path removes.
    """

    number: int
    first: int
    keys: list[bytes]
    spelled: list[bytes]
    kind: npt.NDArray[np.uint8]
    links: dict[int, bytes]
    targets: dict[int, bytes]
    whiteouts: list[Marker]
    opaques: list[Marker]
    omitted: list[bytes]
    needed: set[bytes]
    marked: set[bytes]
    implied: set[bytes] = field(default_factory=set)
    shadowed: set[int] = field(default_factory=set)
    findings: Findings = field(default_factory=Findings)

    def directory_keys(self) -> set[bytes]:
        """Return the keys of the entries that are directories."""
        keys = self.keys
        return {keys[index] for index in np.flatnonzero(self.kind == Kind.DIRECTORY).tolist()}


def paths_of(stack: LayerStack) -> list[LayerPaths]:
    """Return the layers' paths, base first, before any symlink is followed."""
    all_keys = stack.entries.paths.translated(b"/", b"\0").tolist()
    layers = []
    for number, table in enumerate(stack.tables, 1):
        entries, first = table.entries, stack.first[number - 1]
        keys = all_keys[first : stack.first[number]]
        symlinks = np.flatnonzero(entries.kind == Kind.SYMLINK).tolist()
        hard = np.flatnonzero(entries.kind == Kind.HARDLINK).tolist()
        layer = LayerPaths(
            number=number,
            first=first,
            keys=keys,
            spelled=keys,
            kind=entries.kind,
            links={index: entries.links[index] for index in symlinks},
            targets={index: key_of(entries.links[index]) for index in hard},
            whiteouts=_placed(table.whiteouts, table.whiteout_rows),
            opaques=_placed(table.opaques, table.opaque_rows),
            omitted=[key_of(each.path) for each in table.omitted],
            needed=set(),
            marked=set(),
        )
        find_needed(layer)
        layers.append(layer)
    return layers


def _placed(paths: tuple[bytes, ...], rows: tuple[int, ...]) -> list[Marker]:
    return list(zip(map(key_of, paths), rows, strict=True))


def find_needed(layer: LayerPaths) -> None:
    """Set `needed` and `marked`: the directories above the layer's entries, and above its markers.

    Raises CorruptLayer when a hostile layer implies too many.

    Engines make the directories that a marker is in, too.
    """
    markers = [*layer.omitted, *(key for key, _ in layer.whiteouts), *(key + SEPARATOR for key, _ in layer.opaques if key)]
    try:
        layer.needed = directories_above(layer.keys)
        layer.marked = directories_above(markers)
    except ValueError as error:
        raise CorruptLayer(f"layer {layer.number}: {error}") from error


def settle(layer: LayerPaths, names: set[bytes]) -> None:
    """Set the layer's implied directories, and shadow entries below a path that is not a directory in the same tar.

    `names` is the set of its keys.
    """
    directories = layer.directory_keys()
    missing = layer.needed - directories
    layer.implied = missing - names
    contested = missing & names
    if len(names) != len(layer.keys):
        others = {layer.keys[index] for index in np.flatnonzero(layer.kind != Kind.DIRECTORY).tolist()}
        contested |= others & (layer.needed | directories)
    if contested:
        _settle_contested(layer, contested)
    if fresh := layer.marked - layer.implied - directories:
        _imply(layer, fresh, names, directories)


def _imply(layer: LayerPaths, marked: set[bytes], names: set[bytes], directories: set[bytes]) -> None:
    """Add the directories `marked` that hold markers to the implied ones, except where the layer itself has something else."""
    if layer.shadowed:
        standing = [index for index in range(len(layer.keys)) if index not in layer.shadowed]
        names = {layer.keys[index] for index in standing}
        directories = {layer.keys[index] for index in standing if layer.kind[index] == Kind.DIRECTORY}
    for key in marked - directories:
        if not any(above in names and above not in directories for above in (key, *ancestors_of(key))):
            layer.implied.add(key)


def _settle_contested(layer: LayerPaths, contested: set[bytes]) -> None:
    """Decide which entries stand where a path is both a parent and a non-directory in one tar, by replaying the tar in order.

    A non-directory buries what came before it below its path; what comes after it below its path makes it an implied
    directory. A directory that stands where its own tar had something else first has nothing of the layers below.
    """
    before: dict[bytes, list[int]] = {key: [] for key in contested}
    standing: dict[bytes, int] = {}
    cleared: set[bytes] = set()
    for index, key in enumerate(layer.keys):
        for ancestor in contested_above(key, contested):
            before[ancestor].append(index)
            if ancestor in standing and layer.kind[standing[ancestor]] not in (Kind.SYMLINK, Kind.HARDLINK):
                layer.findings.add(ancestor, BELOW_FILE, Severity.REFUSED)
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
    layer.whiteouts += [(key, 0) for key in cleared - standing.keys()]
    left = [index for index in range(len(layer.keys)) if index not in layer.shadowed]
    directories = {layer.keys[index] for index in left if layer.kind[index] == Kind.DIRECTORY}
    layer.implied = directories_above(layer.keys[index] for index in left) - directories


def _fall(layer: LayerPaths, key: bytes, standing: dict[bytes, int]) -> None:
    if key in standing:
        layer.shadowed.add(standing.pop(key))


def contested_above(key: bytes, contested: Container[bytes]) -> list[bytes]:
    """Return the keys of directories above `key` that are in `contested`, the nearest first."""
    end = key.rfind(b"\0")
    found = []
    while end > 0:
        if (ancestor := key[:end]) in contested:
            found.append(ancestor)
        end = key.rfind(b"\0", 0, end)
    return found


def key_of(path: bytes) -> bytes:
    """Return the sort key of a normalized path; the root's is empty."""
    return path.replace(b"/", SEPARATOR)


def parent_of(key: bytes) -> bytes:
    """Return the key of the directory that holds `key`; the root's own parent is the root."""
    return key.rpartition(SEPARATOR)[0]


def ancestors_of(key: bytes) -> list[bytes]:
    """Return the keys of all directories above `key` except the root, nearest first."""
    found = []
    while key := parent_of(key):
        found.append(key)
    return found


def directories_above(keys: Iterable[bytes]) -> set[bytes]:
    """Return the keys of all directories above any of `keys` except the root. Raises ValueError if they exceed MAX_IMPLIED."""
    found = {key.rpartition(SEPARATOR)[0] for key in keys}
    fresh = found
    total = 0
    while fresh := {parent_of(key) for key in fresh} - found:
        total += sum(map(len, fresh))
        if total > MAX_IMPLIED:
            raise ValueError(f"its paths imply directories with names of more than {MAX_IMPLIED >> 20} MiB")
        found |= fresh
    found.discard(b"")
    return found
