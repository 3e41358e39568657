"""The title of the files: after which layer, where the cursor is, what is shown and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from layerscope.report.style import cut_middle
from layerscope.rows.order import Order
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.app.explorer.layer_range import Span
    from layerscope.rows.rows import Rows

WORDS = ("unchanged", "added", "changed", "deleted")
"""The words for changes, by their numbers."""
LEAST = 8
"""Cells that the path keeps."""


def files_title(rows: Rows, node: int, span: Span, *, read: int, room: int) -> str:
    """`after layer 8 ─ /srv ─ this layer's changes`, the path cut to leave at most `room` cells; `read` layers were read."""
    layers = rows.view.tree.layers
    so_far = f" ({read} of {layers} layers read)" if read < layers else ""
    start, end = f"after layer {rows.view.last}{so_far} ─ ", f" ─ {span.title}{_notes(rows)}"
    path = "/" + escape(rows.view.tree.nodes.paths[node])
    return start + cut_middle(path, max(room - cell_len(start + end), LEAST)) + end


def _notes(rows: Rows) -> str:
    order = "" if rows.order is Order.NAME else f" · by {rows.order.value}"
    return order + (f" · without {', '.join(hidden_words(rows))}" if rows.hidden else "")


def hidden_words(rows: Rows) -> list[str]:
    """What is left out: `added`, `deleted`."""
    return [WORDS[change] for change in sorted(rows.hidden)]
