"""The list of the waste screen, and the note below it about the line under the cursor.

A line has sizes in columns, then what was wasted, at its depth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.segment import Segment
from rich.style import Style

from layerscope.analysis import Analysis
from layerscope.app.slim.marks import SlimMarks
from layerscope.app.waste.outline import Grouping, Heading, Path, WasteGroup, WasteLine, WasteOutline
from layerscope.app.waste.waste_order import WasteOrder
from layerscope.app.widgets.column_heads import ColumnHead, head_segments, order_at
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import LABEL, SIZE, TWISTY, Detail, Details, bar_cell, fitted, size_cell
from layerscope.text import escape
from layerscope.tree.tree import Longs
from layerscope.units import count_text, size_text
from layerscope.waste.find import Cause
from layerscope.wording.findings import EXPLANATIONS
from layerscope.wording.sentences import layer_text
from layerscope.wording.style import cut_end, cut_middle, wrapped

ROOMY, NARROW = 100, 60
"""The width, in cells, from which every column fits, and the width below which only sizes fit."""
MARKED, PARTLY = "✗", "-"
"""The signs before what is left out of a smaller image, wholly and in part."""
WORD = max(len(cause.word) for cause in Cause)


class WasteLines(CursorLines):
    """Draws a WasteOutline, with a sign before what is in `marks`.

    It posts Moved, and Chosen for a path that the user wants to see in the tree.
    """

    has_heads = True

    def __init__(
        self,
        outline: WasteOutline,
        marks: SlimMarks,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
        is_ascii: bool = False,
    ) -> None:
        super().__init__(id=id, is_ascii=is_ascii)
        self._outline, self._marks = outline, marks
        layers = outline.analysis.image.layers
        self._instructions = [layer_text(layer) or "(no history)" for layer in layers]
        self._digits = len(str(len(layers)))
        self._count_width = len(count_text(len(outline.waste), "file"))
        self._largest = 0

    @property
    def nothing(self) -> str:
        return nothing_wasted(self._outline.analysis)

    @property
    def line(self) -> WasteLine | None:
        """Return the line under the cursor."""
        return self._outline.lines[self.cursor] if self.count else None

    @property
    def rows_under_cursor(self) -> Longs:
        """Return the rows of the image's Waste that the line under the cursor stands for."""
        return self._rows_of(self.line) if self.line is not None else np.array([], np.int64)

    def _rows_of(self, line: WasteLine) -> Longs:
        if isinstance(line, WasteGroup):
            return self._outline.rows(line)
        return np.array([line.row] if isinstance(line, Path) else [], np.int64)

    def show(self, grouping: Grouping) -> None:
        """Show another grouping, with the cursor where it was when the grouping was last shown."""
        outline = self._outline
        outline.grouping = grouping
        cursor = outline.cursors.get(grouping, -1)
        self._largest = outline.largest
        self.set_count(len(outline.lines))
        if self.count:
            self.go(cursor if cursor >= 0 else self.nearest_stop(0, 1), is_centered=True)
        self.post_message(self.Moved(self))

    def sort(self, order: WasteOrder) -> None:
        """Sort the lines. The cursor stays on its line, but at the top if it is there, so that the first are in sight."""
        if not self.count:
            return
        line, outline = self._outline.lines[self.cursor], self._outline
        is_at_top = self.cursor == self.nearest_stop(0, 1)
        outline.sort(order)
        self.go(self.nearest_stop(0, 1) if is_at_top else outline.lines.index(line), is_centered=True)
        self.refresh()
        self.post_message(self.Moved(self))

    def sort_by_next(self) -> None:
        """Sort the lines by the next of the columns that are shown."""
        orders = list(dict.fromkeys(head.order for head in self._heads(self.room) if head.order))
        at = orders.index(self._outline.order) if self._outline.order in orders else -1
        self.sort(orders[(at + 1) % len(orders)])

    def head_clicked(self, x: int) -> None:
        """Sort by the column under the mouse."""
        if (order := order_at(self._heads(self.room), x)) is not None:
            self.sort(order)

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw the cursor and post Moved, as every list does, and remember the cursor of this grouping."""
        super().watch_cursor(old, new)
        self._outline.cursors[self._outline.grouping] = new

    def can_stop(self, line: int) -> bool:
        return not isinstance(self._outline.lines[line], Heading)

    def show_cursor(self, *, is_centered: bool = False) -> None:
        """Scroll to the cursor; if it is on the first line where it may stand, to the very top, to show the heading above.

        Do nothing as long as the widget has no size.
        """
        if not self.scrollable_content_region.height:
            return
        super().show_cursor(is_centered=is_centered)
        if self.count and self.cursor == self.nearest_stop(0, 1):
            self.scroll_to_line(0)

    def choose(self) -> None:
        """Unfold or fold a group; post Chosen for a path."""
        line = self.line
        if isinstance(line, WasteGroup):
            self._outline.toggle(line)
            self.set_count(len(self._outline.lines))
        elif isinstance(line, Path):
            super().choose()

    def fold(self) -> None:
        """Fold an open group, else go to the group around the cursor."""
        line = self.line
        if isinstance(line, WasteGroup) and self._outline.is_open(line):
            self.choose()
        elif isinstance(line, WasteGroup | Path):
            depth = line.depth if isinstance(line, WasteGroup) else line.group.depth + 1 if line.group else 0
            lines, above = self._outline.lines, range(self.cursor - 1, -1, -1)
            around = (at for at in above if isinstance(each := lines[at], WasteGroup) and each.depth < depth)
            self.go(next(around, self.cursor))

    def unfold(self) -> None:
        """Unfold a closed group, else go to its first line."""
        if isinstance(self.line, WasteGroup):
            self.action_move(1) if self._outline.is_open(self.line) else self.choose()

    def clicked(self, x: int, *, is_again: bool) -> None:
        """Unfold or fold a group clicked at its sign or name; choose a path clicked twice."""
        if x >= self._figures_width(self.room) if isinstance(self.line, WasteGroup) else is_again:
            self.choose()

    # What a line looks like.

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw size, bar and number of files as far as they fit, then the sign and the text."""
        shown = self._outline.lines[line]
        if isinstance(shown, Heading):
            return [Segment(fitted(f" {shown.text}", room), self.style("head"))]
        if isinstance(shown, WasteGroup):
            figures, is_base = self._figures(shown.size, shown.count, room, is_base=shown.is_base), shown.is_base
        else:
            is_base = self._outline.is_base(shown.row)
            figures = self._figures(int(self._outline.waste.size[shown.row]), 0, room, is_base=is_base)
        left = room - self._figures_width(room)
        style = self.style("dim") if is_base else Style()
        if share := self._marks.share(self._rows_of(shown)) if self._marks.has_any else 0.0:
            # No size is as long as its column.
            sign = Segment(MARKED if share == 1.0 else PARTLY, self.style("dropped"))
            figures = [sign, Segment(figures[0].text[1:], figures[0].style), *figures[1:]]
        return [
            *figures,
            *(self._group(shown, left, style) if isinstance(shown, WasteGroup) else self._path(shown, left, style)),
        ]

    def head(self, room: int) -> list[Segment]:
        """Draw the heads of the columns, with a mark at the one that the lines are sorted by; none where nothing is listed."""
        if not self.count:
            return []
        return head_segments(self._heads(room), self._outline.order, plain=self.style("dim"), chosen=self.style("key"))

    def _heads(self, room: int) -> Iterator[ColumnHead[WasteOrder]]:
        grouping, left = self._outline.grouping, room - self._figures_width(room)
        yield ColumnHead("size", SIZE + 1, WasteOrder.SIZE, is_right=True)
        if bar := self._bar_width(room):
            yield ColumnHead("", bar + 1, WasteOrder.SIZE)
        if self._has_counts(room):
            yield ColumnHead("files", self._count_width + 1, WasteOrder.FILES, is_right=True)
        if grouping in (Grouping.CAUSE, Grouping.PAIR):
            yield ColumnHead("", 2)
            yield from self._pair_heads(left - 2)
            return
        if grouping is Grouping.PATH and room >= NARROW:
            yield ColumnHead("cause", WORD + 1, WasteOrder.CAUSE, is_rising=True)
            yield ColumnHead("layer", 2 * self._digits + 5, WasteOrder.LAYERS, is_rising=True)
        name = "path" if grouping is Grouping.PATH else "  directory"
        yield ColumnHead(name, left, WasteOrder.PATH, is_rising=True)

    def _pair_heads(self, room: int) -> Iterator[ColumnHead[WasteOrder]]:
        """Yield the heads of causes and layer pairs, in `room` cells; those of layer pairs stand at their arrows."""
        is_by_pair = self._outline.grouping is Grouping.PAIR
        word = WORD + 2 if not is_by_pair or self._has_word(room) else 0
        if word:
            yield ColumnHead("cause", word, WasteOrder.CAUSE, is_rising=True)
        # By cause, layer pairs are indented by two cells more, and have no word.
        before = word if is_by_pair else 2
        arrow = before + (room - before - 3) // 2 + 1
        order = WasteOrder.LAYERS if is_by_pair else None
        yield ColumnHead("written by", arrow - word, order, is_rising=True)
        yield ColumnHead("→ buried by", room - arrow)

    def _has_word(self, room: int) -> bool:
        return self._outline.grouping is Grouping.PAIR and room >= NARROW - SIZE

    def _bar_width(self, room: int) -> int:
        if room >= ROOMY:
            return 10
        return 8 if room >= NARROW and self._outline.grouping in (Grouping.CAUSE, Grouping.DIRECTORY) else 0

    def _has_counts(self, room: int) -> bool:
        grouping = self._outline.grouping
        return grouping is not Grouping.PATH and room >= (NARROW if grouping is Grouping.DIRECTORY else ROOMY)

    def _figures_width(self, room: int) -> int:
        bar = self._bar_width(room)
        return SIZE + 1 + (bar + 1 if bar else 0) + (self._count_width + 1 if self._has_counts(room) else 0)

    def _figures(self, size: int, count: int, room: int, *, is_base: bool) -> list[Segment]:
        """Draw the figures. All bars have one scale, so that those of a cause and its layer pairs can be compared."""
        parts = [Segment(f"{size_cell(size)} ", self.style("dim" if is_base else "wasted"))]
        if bar := self._bar_width(room):
            parts.append(Segment(bar_cell(size, self._largest, bar, is_ascii=self.is_ascii) + " ", self.style("bar")))
        if self._has_counts(room):
            text = count_text(count, "file") if count else ""
            parts.append(Segment(f"{text:>{self._count_width}} ", self.style("dim")))
        return parts

    def _group(self, group: WasteGroup, room: int, style: Style) -> list[Segment]:
        indent = 2 * group.depth
        sign = Segment(" " * indent + TWISTY[self._outline.is_open(group)], self.style("dim"))
        left = room - indent - 2
        if group.kind is Grouping.DIRECTORY:
            return [sign, Segment(self._cut_path(group.node, left), style)]
        if group.kind is Grouping.CAUSE:
            word = fitted(group.cause.word, WORD) + "  "
            return [
                sign,
                Segment(word, self.style("bold")),
                Segment(fitted(EXPLANATIONS[group.cause], left - len(word)), style),
            ]
        word = fitted(group.cause.word, WORD) + "  " if self._has_word(left) else ""
        return [
            sign,
            Segment(word, style + self.style("bold")),
            Segment(self._instruction_pair(group, left - len(word)), style),
        ]

    def _instruction_pair(self, group: WasteGroup, room: int) -> str:
        """Return `7 COPY node_modules … → 9 rm -rf /srv/node_m…`, with the arrows aligned."""
        if group.written_by == group.buried_by:
            return fitted(self._instruction(group.written_by, room), room)
        left = (room - 3) // 2
        right = room - 3 - left
        return f"{self._instruction(group.written_by, left)} → {self._instruction(group.buried_by, right)}"

    def _instruction(self, number: int, room: int) -> str:
        text = self._instructions[number - 1]
        if self.room < ROOMY:
            text = text.removeprefix("RUN ")
        return fitted(f"{number:>{self._digits}} {text}", room)

    def _path(self, path: Path, room: int, style: Style) -> list[Segment]:
        waste, group = self._outline.waste, path.group
        node, indent = int(waste.node[path.row]), 4 + 2 * group.depth if group else 0
        facts = ""
        if (group is None or group.kind is Grouping.DIRECTORY) and self.room >= NARROW:
            layers = f"{waste.written_by[path.row]:>{self._digits}} → {waste.buried_by[path.row]:<{self._digits}}"
            facts = f"{Cause(waste.cause[path.row]).word:<{WORD}} {layers}  "
        below = group.node if group and group.kind is Grouping.DIRECTORY else 0
        name = self._cut_path(node, room - indent - len(facts), below=below)
        return [Segment(" " * indent + facts, self.style("dim")), Segment(name, style)]

    def _cut_path(self, node: int, room: int, *, below: int = 0) -> str:
        """Return a path cut to `room` cells, relative to the directory `below`, which is listed above it."""
        paths = self._outline.analysis.tree.nodes.paths
        path = escape(paths[node][len(paths[below]) + 1 :]) if below and below != node else "/" + escape(paths[node])
        return fitted(cut_middle(path, room), room)


def nothing_wasted(analysis: Analysis) -> str:
    """Return the sentence for an image without waste."""
    if analysis.contents.is_complete:
        return "Nothing is wasted: a container sees every byte that the layers carry."
    return "Nothing is wasted in the parts that could be read; others could not (`i` shows the problems)."


class WasteNote(Details, can_focus=False):
    """The note on the line under the cursor: path, size, cause, and the instructions of both layers, each cut to fit."""

    def __init__(self, outline: WasteOutline, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._outline = outline
        self._about: WasteGroup | Path | None = None

    def tell(self, line: WasteGroup | Path | None) -> None:
        """Show the note on another group or path."""
        self._about = line
        self.fit()

    def fit(self) -> None:
        """Cut the note to the size: two lines for the path, the rest in equal parts for the instructions."""
        height = self.scrollable_content_region.height
        if self._about is None or not height:
            return
        each = max((height - 3) // 2, 1)
        limits = {"bold": 1 if height < 5 else 2, "written by": each, "buried by": each}
        parts = note_parts(self._outline, self._about)
        self.show([line for part in parts for line in _limited(part, self.room, limits.get(part.label or part.color, 1))])


def _limited(part: Detail, room: int, lines: int) -> Iterator[Detail]:
    """Wrap a detail to at most so many lines."""
    width = max(room - (LABEL if part.label else 0) - 2, 8)
    if part.color == "bold":
        yield Detail(cut_middle(part.text, width * lines), color="bold")
        return
    texts = list(wrapped(part.text, width))
    if len(texts) > lines:
        texts = [*texts[: lines - 1], cut_end(" ".join(texts[lines - 1 :]), width)]
    for index, text in enumerate(texts):
        yield Detail(text, part.label if index == 0 or not part.label else " ", part.color)


def note_parts(outline: WasteOutline, line: WasteGroup | Path) -> Iterator[Detail]:
    """Yield the note on a group or path."""
    if isinstance(line, Path):
        waste, row = outline.waste, line.row
        size = int(waste.size[row])
        yield Detail("/" + escape(outline.analysis.tree.nodes.paths[int(waste.node[row])]), color="bold")
        yield Detail(f"{size_text(size)}, {_why(Cause(waste.cause[row]))}", color="wasted")
        yield from _layer_parts(outline, {int(waste.written_by[row]): size}, {int(waste.buried_by[row]): size})
    elif line.kind is Grouping.PAIR:
        yield Detail(f"{_amount(line)}, {_why(line.cause)}", color="wasted")
        yield from _layer_parts(outline, {line.written_by: line.size}, {line.buried_by: line.size})
    else:
        if line.kind is Grouping.DIRECTORY:
            yield Detail("/" + escape(outline.analysis.tree.nodes.paths[line.node]), color="bold")
            yield Detail(f"{_amount(line)} below it", color="wasted")
        else:
            yield Detail(f"{_amount(line)}, {_why(line.cause)}", color="wasted")
        yield from _layer_parts(outline, *outline.layers(line))


def _amount(group: WasteGroup) -> str:
    return f"{size_text(group.size)} in {count_text(group.count, 'file')}"


def _why(cause: Cause) -> str:
    return f"{cause.word}: {EXPLANATIONS[cause]}"


def _layer_parts(outline: WasteOutline, written_by: dict[int, int], buried_by: dict[int, int]) -> Iterator[Detail]:
    yield Detail(_layers_text(outline, written_by), "written by")
    is_same = len(written_by) == 1 and written_by == buried_by
    yield Detail("the same layer" if is_same else _layers_text(outline, buried_by), "buried by")


def _layers_text(outline: WasteOutline, sizes: dict[int, int]) -> str:
    """Name one layer with its instruction, or several with their bytes."""
    if len(sizes) > 1:
        return "layers " + ", ".join(f"{number} ({size_text(size)})" for number, size in sizes.items())
    number = next(iter(sizes))
    instruction = layer_text(outline.analysis.image.layers[number - 1])
    return f"layer {number}: {instruction or '(no history)'}"
