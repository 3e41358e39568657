"""The versions of paths as lines: the output of `blame` and `find`."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.analysis import Contents
from layerscope.report.encode import json_line, path_fields
from layerscope.report.image.tree_listing import Describer
from layerscope.text import escape
from layerscope.tree.tree import Change
from layerscope.viewing.history import Event, Fallen, fallen_entries, history_of
from layerscope.wording.instructions import history_fields, step_text
from layerscope.wording.marks import CHANGE_MARKS
from layerscope.wording.style import Style, cut_end


def blame_lines(contents: Contents, node: int, style: Style) -> Iterator[str]:
    """Yield two lines per version: the change with the path's metadata after it, then the instruction that made it."""
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
    """Yield one JSON object per version, oldest first."""
    describe = Describer(contents.tree)
    for event in history_of(contents.tree, node, fallen_entries(contents.tree)):
        yield json_line(_fields(contents, node, event, describe))


def find_lines(contents: Contents, nodes: list[int]) -> Iterator[str]:
    """Yield one line per version of each node. Versions that are no longer visible name the layer that buried them."""
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
