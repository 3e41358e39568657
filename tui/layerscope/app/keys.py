"""All keys in one table, from which the bindings, the footer, the help and the config file are made.

This module imports textual late, so that `layerscope config` can list the keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.binding import Binding, BindingType

    from layerscope.settings import Settings

DIVE: dict[str, str] = {
    "explore.filter": "ctrl+f,slash",
    "list.page_up": "pageup,u",
    "list.page_down": "pagedown,d",
    "explore.so_far": "ctrl+l,t",
    "files.added": "1,ctrl+a",
    "files.modified": "2,ctrl+m,c",
    "files.removed": "3,ctrl+r",
    "files.unchanged": "4,ctrl+u",
    "files.collapse_all": "ctrl+@,E",
    "explore.attributes": "ctrl+b,o",
    "explore.sort": "ctrl+o,s",
    "explore.extract": "ctrl+e,x",
    "file.diff": "D",
}
"""Keys of the keymap `dive`, which imitates the tool dive, by key id, where they differ from the default ones.

Terminals send Enter for Ctrl+M, so `c` is there as well.
"""
ALIASES = {"files.changed": "files.modified", "files.deleted": "files.removed"}
"""Key ids of earlier versions, which config files may still use."""


class KeyContext(Enum):
    """Where a key works. The values are the headings of the help."""

    EVERYWHERE = "Everywhere"
    EXPLORER = "Image"
    OVERVIEWS = "Overviews of the image"
    LISTS = "Lists"
    FILES = "Files"
    LAYERS = "Layers"
    FILTER = "While typing a filter"
    WASTE = "Waste"
    TREEMAP = "Treemap"
    BIGGEST = "Biggest files"
    PAIR = "Two images"
    FILE = "File"
    IMAGES = "Images"
    REGISTRY = "Registry"
    TAGS = "Tags"


@dataclass(frozen=True, slots=True)
class KeyAction:
    """An action and the keys for it: Textual's key names, separated by commas.

    `label` is its word in the footer, empty to leave it out; `rank` its place there, from the left. Where the footer is too
    narrow, the actions of the highest rank are left out first.
    """

    id: str
    context: KeyContext
    keys: str
    action: str
    label: str
    description: str
    rank: int = 99
    is_first: bool = False
    """Whether it runs before the focused pane sees the key, so that keys typed right after it find the focus moved."""


_E, _X, _L, _F = KeyContext.EVERYWHERE, KeyContext.EXPLORER, KeyContext.LISTS, KeyContext.FILES


_Y, _T, _W, _V, _I = KeyContext.LAYERS, KeyContext.FILTER, KeyContext.WASTE, KeyContext.FILE, KeyContext.IMAGES
_G, _R, _M, _B = KeyContext.TAGS, KeyContext.REGISTRY, KeyContext.TREEMAP, KeyContext.BIGGEST
_P, _O = KeyContext.PAIR, KeyContext.OVERVIEWS


KEYS: tuple[KeyAction, ...] = (
    KeyAction("app.help", _E, "question_mark,f1", "help", "help", "Show all keys and marks", 1),
    KeyAction("app.back", _E, "escape", "back", "", "Step back: out of a filter, a view, a range; stop reading"),
    KeyAction("app.palette", _E, "ctrl+p", "command_palette", "", "Open the command palette: all commands by name, and themes"),
    KeyAction("app.suspend", _E, "ctrl+z", "suspend_process", "", "Suspend; `fg` resumes"),
    KeyAction("app.quit", _E, "q", "leave", "quit", "Step back from a view; quit from the first screen", 2),
    KeyAction("app.interrupt", _E, "ctrl+q,ctrl+c", "quit", "quit", "Quit from anywhere, even while typing", 3, is_first=True),
    KeyAction("layer.previous", _X, "left_square_bracket", "step(-1)", "layer", "Step to the previous layer", 10),
    KeyAction("layer.next", _X, "right_square_bracket", "step(1)", "layer", "Step to the next layer", 10),
    KeyAction("change.previous", _X, "left_curly_bracket", "change(-1)", "change", "Jump to the previous change", 40),
    KeyAction("change.next", _X, "right_curly_bracket", "change(1)", "change", "Jump to the next change", 40),
    KeyAction("explore.pane", _X, "tab", "pane(1)", "pane", "Go to the next pane", 19),
    KeyAction("explore.pane_back", _X, "shift+tab", "pane(-1)", "", "Go to the previous pane"),
    KeyAction("explore.filter", _X, "slash", "filter", "filter", "Filter the files", 12, is_first=True),
    KeyAction("explore.waste", _O, "w", "overview('waste')", "waste", "Show what to change, all waste and what caused it", 13),
    KeyAction("explore.treemap", _O, "T", "overview('treemap')", "map", "Show where the bytes are: a treemap", 14),
    KeyAction("explore.biggest", _O, "B", "overview('biggest')", "big", "List the biggest files of all layers or one", 14),
    KeyAction("explore.sort", _X, "s", "sort", "sort", "Sort by size, change, wasted bytes, name", 15),
    KeyAction("explore.blame", _X, "b", "blame", "blame", "Show every layer that touched the path", 16),
    KeyAction("explore.view", _X, "v", "view", "view", "View the file under the cursor", 17),
    KeyAction("explore.details", _X, "i", "details", "info", "Show details of the layer and the image", 18),
    KeyAction("explore.so_far", _X, "t", "so_far", "so far", "Switch between this layer's changes and all so far", 20),
    KeyAction("explore.mark", _X, "m", "mark", "mark", "Mark a layer, then step to compare it with another", 21),
    KeyAction("files.mark", _X, "asterisk", "mark_node", "", "Mark a file, to extract it with others; Esc removes all marks"),
    KeyAction("explore.extract", _X, "x", "extract", "extract", "Copy the file or directory out of the image", 22),
    KeyAction(
        "explore.copy",
        _X,
        "y",
        "export('copy')",
        "copy",
        "Copy a path, digest, instruction, content, patch",
        23,
    ),
    KeyAction("explore.open", _X, "O", "export('open')", "open in", "Open the file in $PAGER or $EDITOR", 25),
    KeyAction("explore.save", _X, "S", "save", "save", "Save the tree as shown, the waste or the report, as text or HTML", 27),
    KeyAction(
        "explore.drop", _X, "D", "drop", "leave out", "Mark it, to leave it out of a smaller image, or remove its mark", 23
    ),
    KeyAction("explore.slim", _X, "W", "slim", "slim", "Write a smaller image: without what is marked, else all waste", 22),
    KeyAction("explore.pipe", _X, "vertical_line", "export('pipe')", "pipe", "Pipe the file to a command", 26),
    KeyAction("explore.read_again", _X, "r", "read_again", "read again", "Read the image again, as it is now", 24),
    KeyAction("explore.zoom", _X, "z", "zoom", "", "Give the pane with the focus all the room, or end that"),
    KeyAction("explore.more_room", _X, "plus,equals_sign", "share(1)", "", "Give the pane with the focus more room"),
    KeyAction("explore.less_room", _X, "minus", "share(-1)", "", "Give the pane with the focus less room"),
    KeyAction("explore.back_to", _X, "less_than_sign", "travel(-1)", "", "Go back to where the last jump started"),
    KeyAction("explore.forward_to", _X, "greater_than_sign", "travel(1)", "", "Go forward again"),
    KeyAction("explore.bookmarks", _X, "apostrophe", "bookmarks", "", "Bookmarks of this session: add one, go to one"),
    KeyAction("explore.attributes", _X, "o", "attributes", "", "Show mode and owner where room is scarce, or leave them out"),
    KeyAction("files.added", _X, "a", "toggle_change('added')", "", "Hide or show added files"),
    KeyAction("files.modified", _X, "c", "toggle_change('modified')", "", "Hide or show modified files"),
    KeyAction("files.removed", _X, "d", "toggle_change('removed')", "", "Hide or show removed files"),
    KeyAction("files.unchanged", _X, "u", "toggle_change('unchanged')", "", "Hide or show unchanged files"),
    KeyAction("files.all", _X, "A", "show_all", "show all", "Show all files again, none hidden by its change", 11),
    KeyAction("files.expand_all", _X, "e", "expand_all", "", "Expand all directories"),
    KeyAction("files.collapse_all", _X, "E", "collapse_all", "", "Collapse all directories"),
    KeyAction("list.up", _L, "up,k", "move(-1)", "", "Up"),
    KeyAction("list.down", _L, "down,j", "move(1)", "", "Down"),
    KeyAction("list.page_up", _L, "pageup,ctrl+b", "page(-1)", "", "A page up"),
    KeyAction("list.page_down", _L, "pagedown,ctrl+f", "page(1)", "", "A page down"),
    KeyAction("list.top", _L, "home,g", "top", "", "To the first line"),
    KeyAction("list.bottom", _L, "end,G", "bottom", "", "To the last line"),
    KeyAction("files.open", _F, "space,enter", "open", "open", "Expand or collapse a directory, view a file", 19),
    KeyAction("files.left", _F, "left,h", "fold", "", "Collapse the directory, or go to its parent"),
    KeyAction("files.right", _F, "right,l", "unfold", "", "Expand the directory, or go into it"),
    KeyAction("layers.open", _Y, "space,enter,right,l", "open", "files", "Go to the layer's files", 11),
    KeyAction("filter.close", _T, "escape", "close", "clear", "Clear the filter", 11),
    KeyAction("filter.files", KeyContext.FILTER, "enter,down", "to_files", "matches", "Go to the matches", 12, is_first=True),
    KeyAction(
        "waste.open", _W, "enter,space", "open", "open", "Expand or collapse a group; show a file or a fix in the image", 11
    ),
    KeyAction("waste.show", _W, "f", "show_in_files", "in files", "Show it in the image, at the layer that wrote it", 13),
    KeyAction("waste.next", _W, "tab", "group(1)", "next view", "What to change; waste by cause, layers, directory, path", 12),
    KeyAction("waste.previous", _W, "shift+tab", "group(-1)", "", "The previous tab"),
    KeyAction(
        "waste.left", _W, "left,h", "fold", "", "Collapse the group, or go to the one around it; from an edit to its fix"
    ),
    KeyAction("waste.right", _W, "right,l", "unfold", "", "Expand the group; go into a fix's edit, to scroll through it"),
    KeyAction("waste.sort", _W, "s", "sort", "sort", "Sort the waste by size, files, cause, layers, path", 17),
    KeyAction("waste.copy", _W, "y", "copy", "copy patch", "Copy the patch of the fix under the cursor to the clipboard", 14),
    KeyAction("waste.save", _W, "S", "save", "save", "Save the waste, grouped as shown, or the report, as text or HTML", 16),
    KeyAction(
        "waste.drop", _W, "D", "drop", "leave out", "Mark it, to leave it out of a smaller image, or remove its mark", 13
    ),
    KeyAction("waste.slim", _W, "W", "slim", "slim", "Write a smaller image: without what is marked, else all waste", 13),
    KeyAction("map.left", _M, "left,h", "go('left')", "", "To the box on the left"),
    KeyAction("map.right", _M, "right,l", "go('right')", "", "To the box on the right"),
    KeyAction("map.up", _M, "up,k", "go('up')", "", "To the box above"),
    KeyAction("map.down", _M, "down,j", "go('down')", "", "To the box below"),
    KeyAction("map.open", _M, "enter,space", "choose", "zoom in", "Show what is in a directory; show a file in the image", 11),
    KeyAction("map.out", _M, "backspace,minus", "out", "out", "Show the directory around the one that is shown", 12),
    KeyAction("map.layer_previous", _M, "left_square_bracket", "layer(-1)", "layer", "The previous layer, or all", 13),
    KeyAction("map.layer_next", _M, "right_square_bracket", "layer(1)", "layer", "The next layer, or all", 13),
    KeyAction("map.show", _M, "f", "show_in_files", "in files", "Show it in the image, at the layer that wrote it", 14),
    KeyAction("biggest.show", _B, "enter,space,f", "show_in_files", "in files", "Show the file in the image, at its layer", 11),
    KeyAction("biggest.filter", _B, "slash", "filter", "filter", "Filter the files", 12, is_first=True),
    KeyAction("biggest.fate", _B, "exclamation_mark", "fate", "wasted", "List all files, what is wasted, what is seen", 13),
    KeyAction("biggest.this_layer", _B, "t", "this_layer", "this layer", "List the files of this layer, or of all", 14),
    KeyAction("biggest.layer_previous", _B, "left_square_bracket", "layer(-1)", "layer", "The previous layer, or all", 15),
    KeyAction("biggest.layer_next", _B, "right_square_bracket", "layer(1)", "layer", "The next layer, or all", 15),
    KeyAction("biggest.sort", _B, "s", "sort", "sort", "Sort by size, by path, by layer", 16),
    KeyAction("pair.report", _P, "tab", "report", "report", "Show the report: layers and why they differ; the tree again", 11),
    KeyAction("pair.filter", _P, "slash", "filter", "filter", "Filter the files of both images", 12, is_first=True),
    KeyAction("pair.view", _P, "v", "view", "view", "Compare the contents of the file in both images", 13),
    KeyAction(
        "pair.extract", _P, "x", "extract", "", "Copy the file or directory out of the image, the new one if it is there"
    ),
    KeyAction("pair.copy", _P, "y", "copy", "", "Copy to the clipboard: path, digest, instruction, content, patch"),
    KeyAction("pair.previous", _P, "left_curly_bracket", "change(-1)", "change", "Jump to the previous change", 14),
    KeyAction("pair.next", _P, "right_curly_bracket", "change(1)", "change", "Jump to the next change", 14),
    KeyAction("pair.sort", _P, "s", "sort", "sort", "Sort by growth, change, size, name", 15),
    KeyAction("pair.added", _P, "a", "toggle_change('added')", "", "Hide or show added files"),
    KeyAction("pair.modified", _P, "c", "toggle_change('modified')", "", "Hide or show modified files"),
    KeyAction("pair.removed", _P, "d", "toggle_change('removed')", "", "Hide or show removed files"),
    KeyAction("pair.unchanged", _P, "u", "toggle_change('unchanged')", "unchanged", "Hide or show unchanged files", 16),
    KeyAction("pair.expand_all", _P, "e", "expand_all", "", "Expand all directories"),
    KeyAction("pair.collapse_all", _P, "E", "collapse_all", "", "Collapse all directories"),
    KeyAction("file.content", _V, "v", "show('content')", "content", "Show the version's content", 12),
    KeyAction("file.diff", _V, "d", "show('diff')", "diff", "Compare it with the previous version", 13),
    KeyAction("file.blame", _V, "b", "show('blame')", "blame", "Show every layer that touched the path", 14),
    KeyAction("file.previous", _V, "left_square_bracket", "version(-1)", "version", "The previous version", 11),
    KeyAction("file.next", _V, "right_square_bracket", "version(1)", "version", "The next version", 11),
    KeyAction("file.search", _V, "slash", "search", "search", "Search the whole file", 15, is_first=True),
    KeyAction("file.match_next", _V, "n", "match(1)", "", "The next match"),
    KeyAction("file.match_previous", _V, "N", "match(-1)", "", "The previous match"),
    KeyAction("file.extract", _V, "x", "extract", "extract", "Copy this version out of the image", 16),
    KeyAction("file.copy", _V, "y", "export('copy')", "copy", "Copy a path, digest, instruction, content, patch", 17),
    KeyAction("file.open_in", _V, "O", "export('open')", "open in", "Open this version in $PAGER or $EDITOR", 18),
    KeyAction("file.pipe", _V, "vertical_line", "export('pipe')", "pipe", "Pipe this version to a command", 19),
    KeyAction("file.read_again", _V, "r", "read_again", "", "Read the image again, as it is now"),
    KeyAction("file.open", _V, "enter,space", "open", "", "Show the content of the version under the cursor"),
    KeyAction("file.left", _V, "left,h", "across(-1)", "", "Scroll left"),
    KeyAction("file.right", _V, "right,l", "across(1)", "", "Scroll right"),
    KeyAction("images.open", _I, "enter", "open", "open", "Explore the image", 11),
    KeyAction("images.toggle", _I, "space", "toggle_family", "fold", "Expand or collapse the images built on this one", 12),
    KeyAction("images.mark", _I, "m", "mark", "mark", "Mark the image; Enter on another compares them; Esc unmarks", 16),
    KeyAction("images.filter", _I, "slash", "filter", "filter", "Show only images with a matching name", 13, is_first=True),
    KeyAction("images.sort", _I, "s", "sort", "sort", "Sort by size, own bytes, freed by removal, waste, name", 14),
    KeyAction("images.analyze", _I, "a", "analyze", "analyze", "Read all images to learn what they waste; again: stop", 15),
    KeyAction("images.left", _I, "left,h", "fold", "", "Collapse it, or go to the image it is built on"),
    KeyAction("images.right", _I, "right,l", "unfold", "", "Expand it"),
    KeyAction("images.fold_all", _I, "E", "fold_all", "", "Collapse all families"),
    KeyAction("images.unfold_all", _I, "e", "unfold_all", "", "Expand all families"),
    KeyAction("registry.open", _R, "enter", "open", "open", "Explore the image; expand or collapse a repository", 11),
    KeyAction(
        "registry.toggle", _R, "space", "toggle_row", "fold", "Expand or collapse: tags, platforms, what is attached", 12
    ),
    KeyAction(
        "registry.filter", _R, "slash", "filter", "filter", "Show only matching repositories and tags", 13, is_first=True
    ),
    KeyAction("registry.left", _R, "left,h", "fold", "", "Collapse it, or go to the row around it"),
    KeyAction("registry.right", _R, "right,l", "unfold", "", "Expand it, or go into it"),
    KeyAction("tags.open", _G, "enter", "open", "open", "Explore the tag's image; with another one marked, compare them", 11),
    KeyAction("tags.mark", _G, "m,space", "mark", "mark", "Mark the tag, two at most; Esc unmarks", 12),
    KeyAction("tags.compare", _G, "c", "compare", "compare", "Compare the marked tags, or the tag with the one before", 13),
    KeyAction("tags.sort", _G, "s", "sort", "sort", "Sort by date, size, growth, tag", 14),
)


KEY_IDS = (*(key.id for key in KEYS), *ALIASES)
"""All ids that the section [keys] of a config file may name."""


def keymap_of(settings: Settings) -> dict[str, str]:
    """Return the keys that the settings change, by id: the chosen keymap, then the user's own keys."""
    own = {ALIASES.get(id_, id_): keys for id_, keys in settings.keys.items()}
    own |= {id_: keys for id_, keys in settings.keys.items() if id_ not in ALIASES}
    return {**(DIVE if settings.keymap == "dive" else {}), **own}


def keys_with(keymap: dict[str, str]) -> tuple[KeyAction, ...]:
    """Return all actions, with the keys that `keymap` has for them, by id."""
    return tuple(replace(key, keys=keymap.get(key.id, key.keys)) for key in KEYS)


def back(action: str = "app.back") -> Binding:
    """Return a binding of Escape for one screen: a modal screen hides the app's own, and other screens do more than close."""
    from textual.binding import Binding

    key = next(key for key in KEYS if key.id == "app.back")
    return Binding(key.keys, action, key.description, id=key.id, show=False)


def bindings(*contexts: KeyContext) -> list[BindingType]:
    """Return the bindings of these contexts, each with its id, so that users can rebind it, and its tooltip.

    Textual's footer is not used: `show` only says whether ours has a word for the key.
    """
    from textual.binding import Binding

    return [
        Binding(
            key.keys,
            key.action,
            key.label or key.description,
            tooltip=key.description,
            id=key.id,
            show=bool(key.label),
            priority=key.is_first,
        )
        for key in KEYS
        if key.context in contexts
    ]
