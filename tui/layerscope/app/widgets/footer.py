"""The last line: the keys that work now, as many as fit, each of which can be clicked; for a moment, a message instead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.segment import Segment
from textual import events
from textual.keys import format_key
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.key_queue import counted_so_far
from layerscope.app.keys import KeyAction
from layerscope.app.widgets.messages import COLORS, ShortMessage, shown_message

ALWAYS = 9
"""Keys of a rank below this come last and are never left out: help, back and quit."""
LAST = ("help", "back", "quit")


class Footer(Widget):
    """Shows keys and their words by rank. Textual's own footer mounts a widget per key whenever the focus moves, in 30 ms.

    `without` is the id of a key that is not shown though it works.
    """

    COMPONENT_CLASSES = {"footer--key", "footer--word", "footer--modified", "footer--removed"}  # noqa: RUF012 - Textual's

    def __init__(self, keys: Sequence[KeyAction], *, id: str | None = None, without: str = "") -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._places: list[tuple[int, int, str]] = []
        self._table = [key for key in keys if key.id != without]

    def on_mount(self) -> None:
        """Redraw whenever the keys that work change."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.refresh())

    def render_line(self, y: int) -> Strip:
        """Draw `[ ] layer  space open  / filter`, cut off between two keys."""
        width, base = self.size.width, self.rich_style
        if y or not self.is_attached:
            return Strip.blank(width, base)
        if (said := shown_message(self)) is not None:
            return self._message(said, width)
        key_ink = self.get_component_rich_style("footer--key", partial=True)
        word_ink = self.get_component_rich_style("footer--word", partial=True)
        count = f"{counting} " if (counting := counted_so_far(self.app)) else ""
        segments: list[Segment] = [Segment(" "), Segment(count, key_ink)]
        self._places = []
        at = 1 + len(count)
        for pieces, word in fitting(self._shown(), width - at):
            for text, key in pieces:
                is_last = key == pieces[-1][1]
                self._places.append((at, at + len(text) + (len(word) + 2 if is_last else 1), key))
                segments += [Segment(text, key_ink), Segment(" ")]
                at += len(text) + 1
            segments.append(Segment(f"{word}  ", word_ink))
            at += len(word) + 2
        return Strip(segments).crop_extend(0, width, base).apply_style(base)

    def _message(self, said: ShortMessage, width: int) -> Strip:
        ink = self.get_component_rich_style(f"footer--{COLORS[said.severity] or 'word'}", partial=True)
        self._places = []
        segments = [Segment(" "), Segment(said.line(width - 2), ink)]
        return Strip(segments).crop_extend(0, width, self.rich_style).apply_style(self.rich_style)

    def _shown(self) -> list[tuple[list[tuple[str, str]], str]]:
        """Return the footer's items: each is the keys that work now, as (text shown, Textual's name), and the word for them."""
        active: dict[str, str] = {}
        table = {key.id: key for key in self._table}
        order = {name: index for index, name in enumerate(table)}
        bound = self.screen.active_bindings
        for name in {found.binding.id for found in bound.values() if found.enabled}:
            if name in table and self._label(table[name]):
                works = (key for key in table[name].keys.split(",") if key in bound and bound[key].binding.id == name)
                active[name] = next(works, "")
        found = (table[name] for name in active if active[name])
        keys = sorted(found, key=lambda key: (footer_place(key), order[key.id]))
        return [
            ([(key_text(active[key.id]), active[key.id]) for key in group], label)
            for label, group in ((label, list(group)) for label, group in groupby(keys, key=self._label))
        ]

    def _label(self, key: KeyAction) -> str:
        """Return the key's word. On the first screen, the key that steps back quits, and so the other one is left out."""
        is_first = self.screen is self.app.screen_stack[0]
        return {"app.quit": "quit" if is_first else "back", "app.interrupt": "" if is_first else "quit"}.get(key.id, key.label)

    def on_click(self, event: events.Click) -> None:
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


def footer_place(key: KeyAction | None) -> tuple[bool, int]:
    """Return by what the footer sorts keys: by rank, with those that are always there at the end."""
    return (key.rank < ALWAYS, key.rank) if key is not None else (True, 99)


_SHORT = {
    "escape": "esc", "question_mark": "?", "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]",
    "left_curly_bracket": "{", "right_curly_bracket": "}", "left": "←", "right": "→", "up": "↑", "down": "↓",
    "pageup": "pgup", "pagedown": "pgdn", "ctrl+@": "^space", "vertical_line": "|",
    "less_than_sign": "<", "greater_than_sign": ">", "apostrophe": "'", "asterisk": "*", "plus": "+", "minus": "-",
    "equals_sign": "=", "exclamation_mark": "!",
}  # fmt: skip


def key_text(key: str) -> str:
    """Return a key as people write it, such as `[`, `^f` or `space`."""
    if key in _SHORT:
        return _SHORT[key]
    if key.startswith("ctrl+"):
        return "^" + key_text(key.removeprefix("ctrl+"))
    return key if len(key) == 1 or "_" not in key else format_key(key)


def fitting(shown: list[tuple[list[tuple[str, str]], str]], width: int) -> list[tuple[list[tuple[str, str]], str]]:
    """Return as many items as fit into `width` cells, always with help, back and quit."""

    def cost(item: tuple[list[tuple[str, str]], str]) -> int:
        return sum(len(each) + 1 for each, _ in item[0]) + len(item[1]) + 2

    last = [item for item in shown if item[1] in LAST]
    left = width - sum(map(cost, last)) + 2
    kept = []
    for item in shown:
        if item in last:
            continue
        left -= cost(item)
        if left < 0:
            break
        kept.append(item)
    return [*kept, *last]
