"""The file tree as text, as it is shown: the rows that are unfolded, with the columns that are shown, no name cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, islice

from rich.segment import Segment
from rich.style import Style

from layerscope.app.explorer.tree_columns import NodeMarks, RowRenderer
from layerscope.rows import Rows
from layerscope.tree.tree import Longs

MOST_ROWS = 200_000
WIDTH = 10_000
"""Cells of a line: more than the longest path."""


def tree_text(heading: str, rows: Rows, wasted: Longs | None, columns: Sequence[str]) -> Callable[[], str]:
    """Take the rows as they are now, and return what makes their text, in a thread: it takes some 50 us a row."""
    nodes = rows.nodes.copy()
    renderer = RowRenderer(rows, wasted, NodeMarks(), style=lambda _name: Style.null(), is_ascii=False)

    def line(segments: list[Segment]) -> str:
        return "".join(segment.text for segment in segments).rstrip()

    def text() -> str:
        # The text of a row is made for a person to read: there is no column of it.
        lines = (line(renderer.segments(node, columns, WIDTH)) for node in islice(nodes.tolist(), MOST_ROWS))
        rest = [f"and {len(nodes) - MOST_ROWS:,} more rows"] if len(nodes) > MOST_ROWS else []
        return "".join(f"{each}\n" for each in chain([heading, "", line(renderer.head(columns))], lines, rest))

    return text
