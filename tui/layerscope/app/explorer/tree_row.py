"""One node of the tree as figures and words, without colors and columns."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.layers.table import Kind
from layerscope.report.tree_listing import Describer
from layerscope.text import escape
from layerscope.tree.tree import Change, Longs, View
from layerscope.wording.style import code_points


@dataclass(frozen=True, slots=True)
class NodeLine:
    """The facts of a node.

    `size` is that of its subtree, with what was removed in it, and `within` that of its parent directory. `gone_in` is the
    layer that removed it before the layers shown, 0 if it is there or they removed it. `changes` and `changed` are the
    number and the bytes of changes below it.
    """

    name: str
    depth: int
    change: Change
    gone_in: int
    is_directory: bool
    mode: str
    owner: str
    size: int
    within: int
    wasted: int
    link: str
    changes: int
    changed: int

    @property
    def is_gone(self) -> bool:
        """Tell whether the node is no longer there, and shown as removed."""
        return self.change is Change.REMOVED or self.gone_in > 0


class NodeLines:
    """Looks up nodes in a view. `wasted` are the wasted bytes at and below each node, None until the waste was found."""

    def __init__(self, view: View, wasted: Longs | None, *, is_ascii: bool) -> None:
        self._view, self._tree, self._is_ascii = view, view.tree, is_ascii
        self._describe = Describer(view.tree).entry
        self._wasted = wasted

    def line(self, node: int) -> NodeLine:
        """Return the facts of a node."""
        view, tree = self._view, self._tree
        version, gone_in = self._version(node)
        look = self._describe(int(tree.versions.entry[version]) if version >= 0 else -1)
        is_directory = look.type == "directory"
        return NodeLine(
            name=self.shown(tree.nodes.name(node)),
            depth=int(tree.nodes.depth[node]),
            change=Change(int(view.change[node])),
            gone_in=gone_in,
            is_directory=is_directory,
            mode="" if look.mode is None else look.mode_text,
            owner="" if look.uid is None else f"{look.uid}:{look.gid}",
            size=look.size if gone_in and not is_directory else self._size(node, is_directory=is_directory),
            within=self._size(int(tree.nodes.parent[node]), is_directory=True),
            wasted=int(self._wasted[node]) if self._wasted is not None else 0,
            link=self._link(version, look.link),
            changes=int(view.subtree_changes[node]) - int(view.change[node] != Change.UNCHANGED),
            changed=int(view.subtree_changed_bytes[node]),
        )

    def shown(self, name: bytes) -> str:
        """Escape a name, and replace what is not ASCII where the terminal shows nothing else."""
        text = escape(name)
        return text if text.isascii() or not self._is_ascii else code_points(text)

    def _size(self, node: int, *, is_directory: bool) -> int:
        """Return the bytes below a directory, each content once, or those of a file, at each of its names."""
        view = self._view
        if is_directory:
            return int(view.subtree_bytes[node]) + int(view.subtree_removed_bytes[node])
        return int(view.size[node]) + int(view.removed_size[node])

    def _link(self, version: int, target: bytes) -> str:
        """Return where a link leads: the target as written for a symlink, the path for a hard link."""
        if target:
            return f"→ {self.shown(target)}"
        entry = int(self._tree.versions.entry[version]) if version >= 0 else -1
        entries = self._tree.entries
        is_hard = entry >= 0 and entries.kind[entry] == Kind.HARDLINK
        return f"⇒ /{self.shown(entries.links[entry])}" if is_hard else ""

    def _version(self, node: int) -> tuple[int, int]:
        """Return the version to show, -1 for none, and the layer that removed it if that was before the layers shown."""
        view = self._view
        if view.seen[node] >= 0:
            return int(view.seen[node]), 0
        if view.before[node] >= 0:
            return int(view.before[node]), 0
        versions = self._tree.versions
        past = [number for number in self._tree.versions_of(node) if versions.layer[number] <= view.last]
        return (past[-1], int(versions.until[past[-1]])) if past else (-1, 0)
