"""Lines of `ls`, `find`, `blame` and `waste`: nodes, versions of paths, and waste; aligned text, or one JSON object a line."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from layerscope.analysis import Analysis, Contents
from layerscope.layers.table import KIND_LETTERS, Kind
from layerscope.report.encode import json_line, path_fields
from layerscope.text import escape
from layerscope.tree.tree import Change, Tree, View
from layerscope.units import count_text, size_text, utc_text
from layerscope.viewing.history import Event, Fallen, fallen_entries, history_of
from layerscope.waste.find import Cause, Waste, by_directory, by_layer_pair
from layerscope.wording.findings import CHANGE_MARKS, EXPLANATIONS
from layerscope.wording.sentences import history_fields, step_text
from layerscope.wording.style import Style, cut_end

TYPES = {
    Kind.FILE: "file",
    Kind.HARDLINK: "file",
    Kind.SYMLINK: "symlink",
    Kind.CHAR: "char",
    Kind.BLOCK: "block",
    Kind.DIRECTORY: "directory",
    Kind.FIFO: "fifo",
}
_LETTERS = {name: KIND_LETTERS[kind] for kind, name in TYPES.items()}
MOST_XATTRS = 5
"""Names on a line."""
LONGEST_XATTR = 255
"""XATTR_NAME_MAX of Linux."""


@dataclass(frozen=True, slots=True)
class Version:
    """Type, metadata and layer of a path in one of its versions.

    `mode` to `layer` are None for a directory that no entry names: paths below it imply it. `device` are the major and minor
    number of a device; `xattrs` the names of its extended attributes, sorted.
    """

    type: str
    mode: int | None
    uid: int | None
    gid: int | None
    mtime: int | None
    layer: int | None
    size: int
    link: bytes
    device: tuple[int, int] | None = None
    xattrs: tuple[bytes, ...] = ()

    def fields(self) -> dict[str, object]:
        """Return the JSON fields in their documented order."""
        link = path_fields(self.link, field="linkname", root=b"")
        mode = None if self.mode is None else f"{self.mode:04o}"
        owner = {"uid": self.uid, "gid": self.gid}
        return {
            "type": self.type,
            "mode": mode,
            **owner,
            "size": self.size,
            "mtime": self.mtime,
            **link,
            "device": self.device,
            "xattrs": [escape(name) for name in self.xattrs],
            "layer": self.layer,
        }

    @property
    def mode_text(self) -> str:
        """Format type and permissions like `ls -l`, with question marks for a directory that no entry names."""
        return _LETTERS[self.type] + ("?????????" if self.mode is None else stat.filemode(self.mode)[1:])

    def columns(self) -> str:
        """Format mode, owner, size (for a device, its numbers) and time, aligned; dashes for a directory without an entry."""
        owner = "-:-" if self.uid is None else f"{self.uid}:{self.gid}"
        size = size_text(self.size) if self.type == "file" else device_text(self.device)
        return f"{self.mode_text} {owner:<11} {size:>8}  {'-' if self.mtime is None else utc_text(self.mtime):<16}"

    @property
    def remark(self) -> str:
        """Return the target of a symlink and the names of extended attributes, escaped: ` -> target (xattrs: user.a)`."""
        link = f" -> {escape(self.link)}" if self.link else ""
        return f"{link}  (xattrs: {xattrs_text(self.xattrs)})" if self.xattrs else link


def device_text(device: tuple[int, int] | None) -> str:
    """Format device numbers like `ls -l`: `1, 3`; empty for anything but a device."""
    return f"{device[0]}, {device[1]}" if device else ""


def xattrs_text(names: tuple[bytes, ...]) -> str:
    """Join the first few names of extended attributes, escaped; a name longer than Linux allows is cut."""
    shown = ", ".join(escape(name[:LONGEST_XATTR]) for name in names[:MOST_XATTRS])
    return f"{shown} and {len(names) - MOST_XATTRS} more" if len(names) > MOST_XATTRS else shown


class Describer:
    """Makes a `Version` of any entry of a tree. It looks up the tree's columns once, because a listing needs many entries."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        entries = tree.entries
        self._columns = (entries.kind, entries.mode, entries.uid, entries.gid, entries.mtime, tree.entry_layer)

    def entry(self, entry: int) -> Version:
        """Describe the entry with this number; IMPLIED (-1) is a directory without any metadata.

        A hard link shows its target's type, size and link.
        """
        if entry < 0:
            return Version("directory", None, None, None, None, None, 0, b"")
        tree = self._tree
        kind, mode, uid, gid, mtime, layer = (int(column[entry]) for column in self._columns)
        origin = int(tree.origin[entry])
        shown = kind if origin < 0 else int(tree.entries.kind[origin])
        size = 0 if origin < 0 else int(tree.entries.size[origin])
        link = tree.entries.links[origin] if shown == Kind.SYMLINK else b""
        xattrs = tuple(sorted(tree.xattrs_of(entry)))
        return Version(TYPES[Kind(shown)], mode, uid, gid, mtime, layer, size, link, tree.device_of(entry), xattrs)


def nodes_below(view: View, node: int) -> list[int]:
    """Return the visible nodes below a directory, or the node itself if it is not a directory or has none below it."""
    end = int(view.tree.nodes.end[node])
    is_directory = view.tree.versions.kind[view.seen[node]] == Kind.DIRECTORY if view.is_visible[node] else False
    first = node + 1 if is_directory else node
    nodes: list[int] = (first + np.flatnonzero(view.is_visible[first:end])).tolist()
    return nodes


def listing_json_lines(view: View, nodes: list[int]) -> Iterator[bytes]:
    """Yield one JSON object per node (path), as it is in this view."""
    describe = Describer(view.tree).entry
    paths, entries, changes = view.tree.nodes.paths, view.entry, view.change
    words = [change.name.lower() for change in Change]
    for node in nodes:
        fields = describe(int(entries[node])).fields()
        yield json_line({**path_fields(paths[node]), **fields, "change": words[changes[node]]})


def listing_lines(view: View, nodes: list[int]) -> Iterator[str]:
    """Yield one line per node: change mark, mode, owner, size, time, path and remarks."""
    describe, paths = Describer(view.tree).entry, view.tree.nodes.paths
    entries, changes = view.entry, view.change
    for node in nodes:
        version = describe(int(entries[node]))
        yield f"{CHANGE_MARKS[Change(changes[node])]} {version.columns()} /{escape(paths[node])}{version.remark}\n"


def blame_lines(contents: Contents, node: int, style: Style) -> Iterator[str]:
    """Yield two lines per version of a path: the change with the path's metadata after it, then the layer's instruction."""
    describe = Describer(contents.tree).entry
    for event in history_of(contents.tree, node, fallen_entries(contents.tree)):
        version = describe(event.entry)
        is_removal = event.change is Change.REMOVED
        look = "" if is_removal else f"  {version.columns().rstrip()}{version.remark}{_ending(contents, event)}"
        yield f"{CHANGE_MARKS[event.change]} layer {event.layer:<3} {event.change.name.lower():<8}{look}".rstrip()
        instruction = style.name(step_text(contents.image.layers[event.layer - 1].history))
        if instruction:
            yield style.paint(cut_end(f"      {instruction}", style.width, mark=style.plain("…")), "dim")


def blame_json_lines(contents: Contents, node: int) -> Iterator[bytes]:
    """Yield one JSON object per version of a path, oldest first."""
    describe = Describer(contents.tree)
    for event in history_of(contents.tree, node, fallen_entries(contents.tree)):
        yield json_line(_fields(contents, node, event, describe))


def find_lines(contents: Contents, nodes: list[int]) -> Iterator[str]:
    """Yield one line per version of each node. A version no longer visible names the layer that removed or replaced it."""
    describe, paths = Describer(contents.tree).entry, contents.tree.nodes.paths
    fallen = fallen_entries(contents.tree)
    for node in nodes:
        for event in _with_content(contents, node, fallen):
            version = describe(event.entry)
            path = f"/{escape(paths[node])}{version.remark}"
            yield f"layer {event.layer:<3} {version.columns()} {path}{_ending(contents, event)}"


def find_json_lines(contents: Contents, nodes: list[int]) -> Iterator[bytes]:
    """Yield one JSON object per version of each node."""
    describe, fallen = Describer(contents.tree), fallen_entries(contents.tree)
    for node in nodes:
        for event in _with_content(contents, node, fallen):
            yield json_line(_fields(contents, node, event, describe))


def _with_content(contents: Contents, node: int, fallen: Fallen) -> list[Event]:
    return [event for event in history_of(contents.tree, node, fallen) if event.change is not Change.REMOVED]


def _fields(contents: Contents, node: int, event: Event, describe: Describer) -> dict[str, object]:
    is_removal = event.change is Change.REMOVED
    shown = describe.entry(event.entry).fields()
    return {
        **path_fields(contents.tree.nodes.paths[node]),
        **(dict.fromkeys(shown) if is_removal else shown),
        "layer": event.layer,
        "change": event.change.name.lower(),
        "is_shadowed": event.is_shadowed,
        "buried_by": event.until if event.until <= contents.tree.layers and not is_removal else None,
        **history_fields(contents.image.layers[event.layer - 1].history),
    }


def _ending(contents: Contents, event: Event) -> str:
    if event.is_shadowed:
        return "  (shadowed: the same layer holds the path again)"
    return f"  (until layer {event.until})" if event.until <= contents.tree.layers else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of waste: its size, the columns that follow it as text, and all of it as JSON fields."""

    size: int
    text: str
    fields: dict[str, Any]


def waste_lines(analysis: Analysis, by: str, limit: int | None, style: Style) -> Iterator[str]:
    """Yield aligned lines of waste, biggest first; `by` says what each sums up. Paths are never cut, so they can be copied."""
    for line in islice(_lines(analysis, by), limit):
        yield f"{style.paint(f'{size_text(line.size):>8}', 'magenta')}  {style.plain(line.text)}"


def waste_json_lines(analysis: Analysis, by: str, limit: int | None) -> Iterator[bytes]:
    """Yield one JSON object per line of waste; `by` says what it sums up: a path, cause, pair of layers or directory."""
    for line in islice(_lines(analysis, by), limit):
        yield json_line(line.fields)


def _lines(analysis: Analysis, by: str) -> Iterator[Line]:
    """Yield lines of the user's own waste, then of the base's, marked `(base)`; without marks if the base is not known."""
    waste, base_layers = analysis.waste, analysis.base_layers
    if base_layers is None:
        yield from (replace(line, fields=line.fields | {"is_base": None}) for line in _LINES[by](analysis, waste))
        return
    is_base = waste.is_base(base_layers)
    for rows, mark in ((~is_base, ""), (is_base, "  (base)")):
        for line in _LINES[by](analysis, waste.part(rows)):
            yield replace(line, text=line.text + mark, fields=line.fields | {"is_base": bool(mark)})


def _by_path(analysis: Analysis, waste: Waste) -> Iterator[Line]:
    paths = analysis.tree.nodes.paths
    columns = (waste.node, waste.size, waste.cause, waste.written_by, waste.buried_by)
    for node, size, cause, written_by, buried_by in zip(*(column.tolist() for column in columns), strict=True):
        word = Cause(cause).word
        fields = {**path_fields(paths[node]), "bytes": size, "cause": word, "written_by": written_by, "buried_by": buried_by}
        yield Line(size, f"{word:<11}  {written_by:>3} → {buried_by:<3}  /{escape(paths[node])}", fields)


def _by_cause(_analysis: Analysis, waste: Waste) -> Iterator[Line]:
    for cause, size in sorted(waste.by_cause().items(), key=lambda item: -item[1]):
        count = int(np.count_nonzero(waste.cause == cause))
        if count:
            text = f"{cause.word:<11}  {count_text(count, 'version'):>16}  {EXPLANATIONS[cause]}"
            yield Line(size, text, {"cause": cause.word, "bytes": size, "versions": count})


def _by_layer(analysis: Analysis, waste: Waste) -> Iterator[Line]:
    layers = analysis.image.layers
    for pair in by_layer_pair(waste):
        step = layers[pair.buried_by - 1].history
        versions = f"{count_text(pair.count, 'version'):>16}"
        text = f"{pair.cause.word:<11}  {pair.written_by:>3} → {pair.buried_by:<3}  {versions}  {step_text(step)}"
        fields = {
            "written_by": pair.written_by,
            "buried_by": pair.buried_by,
            "cause": pair.cause.word,
            "bytes": pair.size,
            "versions": pair.count,
            **{f"buried_by_{name}": text for name, text in history_fields(step).items()},
        }
        yield Line(pair.size, text, fields)


def _by_directory(analysis: Analysis, waste: Waste) -> Iterator[Line]:
    paths = analysis.tree.nodes.paths
    for found in by_directory(analysis.tree, waste):
        path = paths[found.node]
        fields = {**path_fields(path), "bytes": found.size, "versions": found.count}
        yield Line(found.size, f"{count_text(found.count, 'version'):>16}  /{escape(path)}", fields)


_LINES: dict[str, Callable[[Analysis, Waste], Iterator[Line]]] = {
    "path": _by_path,
    "cause": _by_cause,
    "layer": _by_layer,
    "directory": _by_directory,
}
