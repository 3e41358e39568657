"""ARCHITECTURE.md's "Rules for layers" and "Waste" on a dict of paths, as plainly as they can be said.

Slow, and without a line of the package: the merged tree and the waste are compared with what this says. What ARCHITECTURE.md
leaves open is decided here in comments that begin with "Decided:".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from support.image_builder import Layer, Member

Change = Literal["added", "modified", "removed", "unchanged"]
Cause = Literal["overwritten", "metadata", "identical", "deleted", "moved", "shadowed"]
MAX_LINKS = 255


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The content of one regular-file entry. Two entries are two contents, even when their bytes are the same."""

    path: bytes
    layer: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Inode:
    """What headers set of an inode."""

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: tuple[tuple[str, bytes], ...]


@dataclass(slots=True, eq=False)
class Version:
    """What one entry puts at a path; `member` is None for a parent that no entry names."""

    path: bytes
    layer: int
    member: Member | None
    target: bytes = b""
    """For a hard link: the path it names, as resolved when its entry was read."""
    origin: Version | None = None
    """What it shows: itself, or what a hard link leads to."""
    inode: Inode | None = None
    own_content: Content | None = None

    @property
    def is_directory(self) -> bool:
        return self.member is None or self.member.kind == "directory"

    @property
    def content(self) -> Content | None:
        return self.origin.own_content if self.origin else None


@dataclass(frozen=True, slots=True)
class Node:
    """What is seen at a path. A hard link is seen as what it names. Of implied parents only the kind is known."""

    kind: str
    mode: int | None
    uid: int | None
    gid: int | None
    size: int
    linkname: bytes
    layer: int | None


@dataclass(frozen=True, slots=True)
class State:
    """What is visible after a layer, and what that layer did to every path visible before or after it."""

    visible: dict[bytes, Node]
    changes: dict[bytes, Change]


@dataclass(frozen=True, slots=True)
class Waste:
    """One wasted content."""

    path: bytes
    bytes: int
    cause: Cause
    written_by: int
    buried_by: int


@dataclass(frozen=True, slots=True)
class Result:
    """All that the model knows of an image: `states[k - 1]` is after layer k, `waste` is sorted."""

    states: tuple[State, ...]
    content_bytes: int
    live_bytes: int
    waste: tuple[Waste, ...]

    @property
    def wasted_bytes(self) -> int:
        return sum(item.bytes for item in self.waste)


Tree = dict[bytes, Version]


def merge(layers: Iterable[Layer]) -> Result:
    """Stack the layers; the one entry point of this model."""
    image = _Image()
    for each in layers:
        image.add(each)
    return image.result()


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is seen at a path, wherever it comes from; of implied parents only the kind is known."""

    kind: str
    inode: Inode | None = None
    data: bytes = b""
    linkname: bytes = b""
    device: tuple[int, int] = (0, 0)
    names: frozenset[bytes] = frozenset()
    """All paths that name the same content."""


def sights(layers: Iterable[Layer]) -> dict[bytes, Sight]:
    """What is seen at the end, by path."""
    image = _Image()
    for each in layers:
        image.add(each)
    names: dict[Version | None, set[bytes]] = {}
    for path, version in image.tree.items():
        names.setdefault(version.origin, set()).add(path)
    return {path: _sight(version, names[version.origin]) for path, version in image.tree.items()}


def _sight(version: Version, names: set[bytes]) -> Sight:
    node = _node(version)
    if version.member is None:
        return Sight(node.kind)
    shown = version.origin.member if version.origin and version.origin.member else version.member
    data = version.content.data if version.content else b""
    return Sight(node.kind, version.inode, data, node.linkname, shown.device, frozenset(names))


# Paths


def normalize(name: bytes) -> bytes:
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            parts = parts[:-1]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def parent_of(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def below(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def ancestors(path: bytes) -> list[bytes]:
    """`a/b/c` -> `a`, `a/b`."""
    parts = path.split(b"/")
    return [b"/".join(parts[:length]) for length in range(1, len(parts))]


def is_below(path: bytes, directory: bytes) -> bool:
    return path.startswith(directory + b"/") if directory else True


def follow(path: bytes, tree: Tree) -> bytes:
    """Where the directory `path` leads to, links followed inside the root.

    A loop leads nowhere: the path stays as it is, and its parents will replace the link.
    """
    todo, done, links = path.split(b"/"), list[bytes](), 0
    while todo:
        part = todo.pop(0)
        if part == b"..":
            done = done[:-1]
        elif part not in (b"", b"."):
            here = tree.get(b"/".join([*done, part]))
            if here and here.member and here.member.kind == "symlink":
                links += 1
                if links > MAX_LINKS:
                    return path
                todo = here.member.target.split(b"/") + todo
                done = [] if here.member.target.startswith(b"/") else done
            else:
                done.append(part)
    return b"/".join(done)


def follow_parent(path: bytes, tree: Tree) -> bytes:
    """Where `path` is once its parents' links are followed; its own last part is not."""
    return below(follow(parent_of(path), tree), path.rpartition(b"/")[2])


# Markers


def hidden_by(member: Member) -> tuple[Literal["whiteout", "opaque", "nothing"], bytes] | None:
    """What a marker hides; None for an entry that is none."""
    path = normalize(member.name)
    directory, name = parent_of(path), path.rpartition(b"/")[2]
    if name == b".wh..wh..opq":
        return "opaque", directory
    if not name.startswith(b".wh."):
        return None
    hidden = name.removeprefix(b".wh.")
    if name.startswith(b".wh..wh.") or hidden in (b"", b".", b".."):
        return "nothing", path
    return "whiteout", below(directory, hidden)


def is_entry(member: Member) -> bool:
    """Neither a marker nor a non-directory that calls itself the root."""
    return hidden_by(member) is None and (normalize(member.name) != b"" or member.kind == "directory")


# The tree


class _Image:
    """The layers read so far."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self.number = 0
        self.states: list[State] = []
        self.written: dict[int, list[Version]] = {}
        self.trees: list[Tree] = [{}]
        self.buried_by: dict[Version, int] = {}

    def add(self, layer: Layer) -> None:
        self.number += 1
        before = dict(self.tree)
        alone, markers, versions = self._unpack(layer)
        for sort, path in markers:
            self._hide(sort, path)
        for version in versions:
            self._put(version)
        self._make_markers_directories(markers, alone)
        self.written[self.number] = versions
        for position, version in enumerate(versions):
            version.origin = self._origin(position, before, set())
        _set_inodes(versions)
        self.trees.append(dict(self.tree))
        self.states.append(State(_nodes(self.tree), self._changes(before)))

    def _unpack(self, layer: Layer) -> tuple[Tree, list[tuple[str, bytes]], list[Version]]:
        """The layer in a directory of its own, as overlayfs has it: only its own symlinks are followed, in the tar's order."""
        alone = _Image()
        markers, versions = list[tuple[str, bytes]](), list[Version]()
        for member in layer.members:
            if marker := hidden_by(member):
                sort, path = marker
                if sort != "nothing":
                    path = (follow if sort == "opaque" else follow_parent)(path, alone.tree)
                markers.append((sort, path))
            elif is_entry(member):
                versions.append(self._version(member, alone.tree))
                alone._put(versions[-1])
        return alone.tree, markers, versions

    def _hide(self, sort: str, path: bytes) -> None:
        """A marker hides only what lower layers have, wherever in the tar it stands: so all markers go first."""
        if sort == "whiteout":
            self._bury([other for other in self.tree if other == path or is_below(other, path)])
        elif sort == "opaque":
            self._bury([other for other in self.tree if is_below(other, path)])

    def _make_markers_directories(self, markers: list[tuple[str, bytes]], alone: Tree) -> None:
        """Engines make the directories that a marker is in, where the layer itself has nothing else."""
        for sort, path in markers:
            for parent in [*ancestors(path), *([path] if sort == "opaque" and path else [])]:
                own, there = alone.get(parent), self.tree.get(parent)
                if own and not own.is_directory:
                    break
                if there is None or not there.is_directory:
                    self._show(Version(parent, self.number, None))

    def _version(self, member: Member, alone: Tree) -> Version:
        path = follow_parent(normalize(member.name), alone) if normalize(member.name) else b""
        target = follow_parent(normalize(member.target), alone) if member.kind == "hardlink" else b""
        content = Content(path, self.number, member.content) if member.kind == "file" else None
        return Version(path, self.number, member, target, own_content=content)

    def _put(self, version: Version) -> None:
        if version.path == b"":
            return  # the root: Decided: it is no node, whatever is said of it
        for parent in ancestors(version.path):
            there = self.tree.get(parent)
            if there is None or not there.is_directory:
                self._show(Version(parent, self.number, None))
        self._show(version)

    def _show(self, version: Version) -> None:
        there = self.tree.get(version.path)
        if not (there and there.is_directory and version.is_directory):
            self._bury([other for other in self.tree if is_below(other, version.path)])
        if there:
            self._bury([version.path])
        self.tree[version.path] = version

    def _bury(self, paths: list[bytes]) -> None:
        for path in paths:
            self.buried_by[self.tree.pop(path)] = self.number

    def _origin(self, position: int, before: Tree, asked: set[int]) -> Version | None:
        """What entry `position` of this layer's tar shows."""
        version = self.written[self.number][position]
        assert version.member
        if version.origin is None and version.member.kind == "hardlink":
            return self._origin_of_link(position, before, asked | {position}) if position not in asked else None
        return version.origin or version

    def _origin_of_link(self, position: int, before: Tree, asked: set[int]) -> Version | None:
        versions = self.written[self.number]
        target = versions[position].target
        earlier = [other for other in range(position) if versions[other].path == target]
        later = [other for other in range(position + 1, len(versions)) if versions[other].path == target]
        lower = before.get(follow_parent(target, before))
        if earlier:
            found = self._origin(earlier[-1], before, asked)
        elif lower:
            found = lower.origin
        else:
            found = self._origin(later[-1], before, asked) if later else None
        return None if found and found.is_directory else found

    def _changes(self, before: Tree) -> dict[bytes, Change]:
        named = {version.path for version in self.written[self.number]}
        changes: dict[bytes, Change] = {}
        for path in before.keys() | self.tree.keys():
            if path not in before:
                changes[path] = "added"
            elif path not in self.tree:
                changes[path] = "removed"
            elif path in named or self.tree[path] is not before[path]:
                changes[path] = "modified"
            else:
                changes[path] = "unchanged"
        return changes

    # Waste

    def result(self) -> Result:
        contents = [version.content for version in self._entries("file") if version.content]
        live = {version.content for version in self.tree.values() if version.content}
        waste = [self._waste(content) for content in contents if content not in live and content.data]
        return Result(
            states=tuple(self.states),
            content_bytes=sum(len(content.data) for content in contents),
            live_bytes=sum(len(content.data) for content in live),
            waste=tuple(sorted(waste, key=lambda item: (item.path, item.written_by, item.buried_by, item.bytes, item.cause))),
        )

    def _entries(self, *kinds: str) -> list[Version]:
        return [
            version
            for versions in self.written.values()
            for version in versions
            if version.member and version.member.kind in kinds
        ]

    def _waste(self, content: Content) -> Waste:
        name = self._last_name(content)
        buried_by = self.buried_by[name]
        cause: Cause = "shadowed" if buried_by == content.layer else self._cause(name, content, buried_by)
        return Waste(name.path, len(content.data), cause, content.layer, buried_by)

    def _last_name(self, content: Content) -> Version:
        """The name that died last: the content's own path before others, then the first path in byte order."""
        names = [version for version in self._entries("file", "hardlink") if version.content is content]
        last = max(self.buried_by[name] for name in names)
        dying = [name for name in names if self.buried_by[name] == last]
        # Decided: of several versions of the same path, the last one.
        return min(reversed(dying), key=lambda name: (name.path != content.path, name.path))

    def _cause(self, name: Version, content: Content, buried_by: int) -> Cause:
        """Decided: what counts is what the burying layer makes of the path in the end, not entries that its own tar buries."""
        again = self.trees[buried_by].get(name.path)
        if again is None:
            return "moved" if self._is_elsewhere(content, name.path, buried_by) else "deleted"
        return _cause_of_rewrite(again, name, content)

    def _is_elsewhere(self, content: Content, path: bytes, layer: int) -> bool:
        return any(
            version.member is not None
            and version.member.kind == "file"
            and version.content is not None
            and version.content.data == content.data
            and version.path != path
            and self.trees[layer].get(version.path) is version
            for version in self.written[layer]
        )


def _cause_of_rewrite(again: Version, old: Version, content: Content) -> Cause:
    if again.content is None or again.content.data != content.data:
        return "overwritten"
    return "identical" if _attributes(again) == _attributes(old) else "metadata"


def _set_inodes(versions: list[Version]) -> None:
    """The last header of an inode in a tar sets it, that of a hard link too; a symlink's mode and times stay its own."""
    for version in versions:
        names = [other for other in versions if other.origin is version.origin] if version.origin else [version]
        last = names[-1].member
        assert last
        xattrs = dict(pair for name in names if name.member for pair in name.member.xattrs)
        version.inode = Inode(last.mode, last.uid, last.gid, last.mtime, tuple(sorted(xattrs.items())))
        if version.origin and version.origin.member and version.origin.member.kind == "symlink":
            own = version.origin.member
            version.inode = Inode(own.mode, last.uid, last.gid, own.mtime, version.inode.xattrs)


def _attributes(version: Version) -> Inode | None:
    return version.inode


def _nodes(tree: Tree) -> dict[bytes, Node]:
    return {path: _node(version) for path, version in tree.items()}


def _node(version: Version) -> Node:
    inode = version.inode
    if version.member is None or inode is None:
        return Node("directory", None, None, None, 0, b"", None)
    shown = version.origin.member if version.origin and version.origin.member else version.member
    kind = "file" if shown.kind == "hardlink" else shown.kind
    size = len(version.content.data) if version.content else 0
    linkname = shown.target if kind == "symlink" else b""
    return Node(kind, inode.mode, inode.uid, inode.gid, size, linkname, version.layer)
