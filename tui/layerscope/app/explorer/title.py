"""Which layers' changes the tree shows, and the title that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerscope.settings import Order
from layerscope.text import escape
from layerscope.wording.style import cells, cut_middle

if TYPE_CHECKING:
    from layerscope.rows import Rows

LEAST = 8
"""Cells that the path keeps."""


@dataclass(frozen=True, slots=True)
class LayerRange:
    """The layers `first` to `last`, whose changes are shown; `title` says so."""

    first: int
    last: int
    title: str

    @classmethod
    def of(cls, last: int, *, marked: int, is_so_far: bool, base_layers: int) -> LayerRange:
        """Return the range for the layer `last` under the cursor and the layer `marked` (0: none).

        `is_so_far` asks for all changes since the base, which has `base_layers` layers (0: unknown).
        """
        if marked and marked != last:
            low, high = min(marked, last), max(marked, last)
            return cls(low + 1, high, f"changes from layer {low} to {high}")
        if is_so_far:
            base = base_layers or 1
            first = min(base + 1, last) if last > base else 1
            return cls(first, last, f"changes of layers {first} to {last}")
        if marked:
            return cls(last, last, f"layer {last} is marked: step to another to compare")
        return cls(last, last, "this layer's changes")


def files_title(rows: Rows, node: int, shown: LayerRange, *, read: int, room: int) -> str:
    """Return `after layer 8 ─ /srv ─ this layer's changes`, the path cut to leave at most `room` cells.

    `read` is the number of layers read so far.
    """
    layers = rows.view.tree.layers
    so_far = f" ({read} of {layers} layers read)" if read < layers else ""
    order = "" if rows.order is Order.NAME else f" · by {rows.order.value}"
    hidden = f" · without {', '.join(hidden_words(rows))}" if rows.hidden else ""
    start, end = f"after layer {rows.view.last}{so_far} ─ ", f" ─ {shown.title}{order}{hidden}"
    path = "/" + escape(rows.view.tree.nodes.paths[node])
    return start + cut_middle(path, max(room - cells(start + end), LEAST)) + end


def hidden_words(rows: Rows) -> list[str]:
    """Return the changes whose files are hidden, such as `added` and `removed`."""
    return [change.name.lower() for change in sorted(rows.hidden)]
