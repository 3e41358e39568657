"""The note below the list: everything about the waste under the cursor."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.app.waste.groups import Grouping, WasteGroup
from layerscope.app.waste.outline import Path, WasteOutline
from layerscope.app.widgets.details import LABEL, Detail, Details
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.waste.find import Cause
from layerscope.wording.findings import EXPLANATIONS
from layerscope.wording.sentences import step_text
from layerscope.wording.style import cut_end, cut_middle, wrapped


class WasteNote(Details, can_focus=False):
    """Draws path, size and cause, and both instructions, each cut to fit."""

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
        yield from _path_parts(outline, line)
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


def _path_parts(outline: WasteOutline, path: Path) -> Iterator[Detail]:
    waste, row = outline.waste, path.row
    size = int(waste.size[row])
    yield Detail("/" + escape(outline.analysis.tree.nodes.paths[int(waste.node[row])]), color="bold")
    yield Detail(f"{size_text(size)}, {_why(Cause(waste.cause[row]))}", color="wasted")
    yield from _layer_parts(outline, {int(waste.written_by[row]): size}, {int(waste.buried_by[row]): size})


def _layer_parts(outline: WasteOutline, written_by: dict[int, int], buried_by: dict[int, int]) -> Iterator[Detail]:
    yield Detail(_layers_text(outline, written_by), "written by")
    is_same = len(written_by) == 1 and written_by == buried_by
    yield Detail("the same layer" if is_same else _layers_text(outline, buried_by), "buried by")


def _layers_text(outline: WasteOutline, sizes: dict[int, int]) -> str:
    """Name one layer with its instruction, or several with their bytes."""
    if len(sizes) > 1:
        return "layers " + ", ".join(f"{number} ({size_text(size)})" for number, size in sizes.items())
    number = next(iter(sizes))
    instruction = step_text(outline.analysis.image.layers[number - 1].history)
    return f"layer {number}: {instruction or '(no history)'}"
