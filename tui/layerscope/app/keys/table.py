"""Every key there is, in one table: what the bindings, the footer, the help and the config file are made from.

No textual here, so that `layerscope config` can list them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Place(Enum):
    """Where a key works; the values are the headings of the help."""

    EVERYWHERE = "Everywhere"
    EXPLORER = "Image"
    LISTS = "Lists"
    FILES = "Files"
    LAYERS = "Layers"
    FILTER = "While a filter is typed"
    WASTE = "Waste"
    FILE = "A file"
    IMAGES = "Images"


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that a key does. `keys` are Textual's names, with commas; `label` is its word in the footer, empty to stay out.

    `rank` is its place in the footer, from the left; where the footer is too narrow, the highest go first.
    """

    id: str
    place: Place
    keys: str
    action: str
    label: str
    description: str
    rank: int = 99
    is_first: bool = False
    """Whether it works before the focused pane sees the key: keys that follow at once must find the focus moved."""


_E, _X, _L, _F = Place.EVERYWHERE, Place.EXPLORER, Place.LISTS, Place.FILES
_Y, _W, _V, _I = Place.LAYERS, Place.WASTE, Place.FILE, Place.IMAGES

KEYS: tuple[Key, ...] = (
    Key("app.help", _E, "question_mark,f1", "help", "help", "Show all keys and marks", 1),
    Key("app.back", _E, "escape", "back", "", "Step back: out of a filter, a view, a range"),
    Key("app.palette", _E, "ctrl+p", "command_palette", "", "Open the command palette: everything by name, themes too"),
    Key("app.suspend", _E, "ctrl+z", "suspend_process", "", "Suspend; `fg` comes back"),
    Key("app.quit", _E, "q", "quit", "quit", "Quit", 2),
    Key("app.interrupt", _E, "ctrl+c", "quit", "", "Quit, also while something is typed", is_first=True),
    Key(
        "layer.previous",
        _X,
        "left_square_bracket",
        "step(-1)",
        "layer",
        "Step to the previous layer",
        10,
    ),
    Key("layer.next", _X, "right_square_bracket", "step(1)", "layer", "Step to the next layer", 10),
    Key("change.previous", _X, "left_curly_bracket", "change(-1)", "change", "Jump to the previous change in the files", 40),
    Key("change.next", _X, "right_curly_bracket", "change(1)", "change", "Jump to the next change in the files", 40),
    Key("explore.pane", _X, "tab", "pane(1)", "pane", "Go to the next pane", 13),
    Key("explore.pane_back", _X, "shift+tab", "pane(-1)", "", "Go to the previous pane"),
    Key("explore.filter", _X, "slash", "filter", "filter", "Filter the files", 14, is_first=True),
    Key("explore.waste", _X, "w", "waste", "waste", "Show all waste and what caused it", 15),
    Key("explore.view", _X, "v", "view", "view", "View the file under the cursor", 16),
    Key("explore.blame", _X, "b", "blame", "blame", "Show every layer that touched the path", 17),
    Key("explore.details", _X, "i", "details", "info", "Show the layer's and the image's details", 18),
    Key("explore.sort", _X, "s", "sort", "sort", "Sort by size, by change, by name", 19),
    Key("explore.so_far", _X, "t", "so_far", "so far", "Show this layer's changes, or all so far", 20),
    Key("explore.mark", _X, "m", "mark", "mark", "Mark a layer: then step, to see the changes between the two", 21),
    Key("explore.extract", _X, "x", "extract", "extract", "Copy the file or directory out of the image", 22),
    Key("explore.copy", _X, "y", "copy_path", "copy path", "Copy the path to the clipboard, over SSH too", 23),
    Key("explore.attributes", _X, "o", "attributes", "", "Mode and owner, or what is wasted in their place"),
    Key("files.added", _X, "1,a", "toggle_change('added')", "", "Hide or show what was added"),
    Key("files.changed", _X, "2,c", "toggle_change('modified')", "", "Hide or show what was changed"),
    Key("files.deleted", _X, "3,d", "toggle_change('removed')", "", "Hide or show what was deleted"),
    Key("files.unchanged", _X, "4,u", "toggle_change('unchanged')", "", "Hide or show what did not change"),
    Key("files.expand_all", _X, "e", "expand_all", "", "Expand all directories"),
    Key("files.collapse_all", _X, "E", "collapse_all", "", "Collapse all directories"),
    Key("list.up", _L, "up,k", "move(-1)", "", "Up"),
    Key("list.down", _L, "down,j", "move(1)", "", "Down"),
    Key("list.page_up", _L, "pageup,ctrl+b", "page(-1)", "", "A page up"),
    Key("list.page_down", _L, "pagedown,ctrl+f", "page(1)", "", "A page down"),
    Key("list.top", _L, "home,g", "top", "", "To the first line"),
    Key("list.bottom", _L, "end,G", "bottom", "", "To the last line"),
    Key("files.open", _F, "space,enter", "open", "open", "Expand or collapse a directory, view a file", 12),
    Key("files.left", _F, "left,h", "fold", "", "Collapse the directory, or go to the one around it"),
    Key("files.right", _F, "right,l", "unfold", "", "Expand the directory, or go into it"),
    Key("layers.open", _Y, "space,enter,right,l", "open", "files", "Go to the layer's files", 12),
    Key("filter.close", Place.FILTER, "escape", "close", "all files", "Leave the filter", 11),
    Key("filter.files", Place.FILTER, "enter,down", "to_files", "found files", "Go to what it found", 12, is_first=True),
    Key("waste.open", _W, "enter,space", "open", "open", "Unfold or fold a group; go to a file in the image", 11),
    Key("waste.show", _W, "f", "show_in_files", "in files", "Go to it in the image, at the layer that wrote it", 13),
    Key("waste.next", _W, "tab", "group(1)", "group", "The next grouping: cause, layer pair, directory, path", 12),
    Key("waste.previous", _W, "shift+tab", "group(-1)", "", "The previous grouping"),
    Key("waste.left", _W, "left,h", "fold", "", "Fold the group, or go to the one around it"),
    Key("waste.right", _W, "right,l", "unfold", "", "Unfold the group"),
    Key("waste.close", _W, "w", "back", "back", "Back to the files", 14),
    Key("file.content", _V, "v", "show('content')", "content", "Show the version's content", 12),
    Key("file.diff", _V, "d", "show('diff')", "diff", "Show what differs from the version before", 13),
    Key("file.blame", _V, "b", "show('blame')", "blame", "Show every layer that touched the path", 14),
    Key("file.previous", _V, "left_square_bracket", "version(-1)", "version", "The version before", 11),
    Key("file.next", _V, "right_square_bracket", "version(1)", "version", "The version after", 11),
    Key("file.search", _V, "slash", "search", "search", "Search in what is shown", 15, is_first=True),
    Key("file.match_next", _V, "n", "match(1)", "", "The next match"),
    Key("file.match_previous", _V, "N", "match(-1)", "", "The previous match"),
    Key("file.extract", _V, "x", "extract", "extract", "Copy this version out of the image", 16),
    Key("file.copy", _V, "y", "copy_path", "copy path", "Copy the path to the clipboard, over SSH too", 17),
    Key("file.open", _V, "enter,space", "open", "", "Show the content of the version under the cursor"),
    Key("file.left", _V, "left,h", "across(-1)", "", "Scroll left"),
    Key("file.right", _V, "right,l", "across(1)", "", "Scroll right"),
    Key("images.open", _I, "enter", "open", "open", "Explore the image", 11),
    Key("images.toggle", _I, "space", "toggle_family", "fold", "Fold or unfold what is built on the image", 12),
    Key("images.filter", _I, "slash", "filter", "filter", "Show only images of that name", 13, is_first=True),
    Key("images.sort", _I, "s", "sort", "sort", "Sort by size, by own bytes, by what removing frees, by waste, by name", 14),
    Key("images.analyze", _I, "a", "analyze", "analyze", "Read all images, to say what each wastes; once more stops it", 15),
    Key("images.left", _I, "left,h", "fold", "", "Fold it, or go to the one below"),
    Key("images.right", _I, "right,l", "unfold", "", "Unfold it"),
    Key("images.fold_all", _I, "E", "fold_all", "", "Fold all families"),
    Key("images.unfold_all", _I, "e", "unfold_all", "", "Unfold all families"),
)

DIVE: dict[str, str] = {
    "explore.filter": "ctrl+f,slash",
    "list.page_up": "pageup,u",
    "list.page_down": "pagedown,d",
    "explore.so_far": "ctrl+l,t",
    "files.added": "1,ctrl+a",
    "files.changed": "2,ctrl+m,c",
    "files.deleted": "3,ctrl+r",
    "files.unchanged": "4,ctrl+u",
    "files.collapse_all": "ctrl+@,E",
    "explore.attributes": "ctrl+b,o",
    "explore.sort": "ctrl+o,s",
    "explore.extract": "ctrl+e,x",
    "file.diff": "D",
}
"""What differs for those who have dive's keys in their fingers. A terminal sends Enter for Ctrl+M, hence also `c`."""


def keys_with(keymap: dict[str, str]) -> tuple[Key, ...]:
    """All keys, those that `keymap` names replaced."""
    return tuple(replace(key, keys=keymap.get(key.id, key.keys)) for key in KEYS)
