"""What there is to say of the waste under the cursor, in the lines at the bottom."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.app.waste.groups import Group, Grouping
from layerscope.app.waste.outline import Outline, Path
from layerscope.app.widgets.details import LABEL, Details, Part
from layerscope.report.causes import EXPLANATIONS
from layerscope.report.instructions import step_text
from layerscope.report.style import cut_end, cut_middle, wrapped
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.waste.find import Cause


class WasteNote(Details, can_focus=False):
    """Path, size and cause, and both instructions, as much of each as there is room for."""

    def __init__(self, outline: Outline, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._outline = outline
        self._about: Group | Path | None = None

    def tell(self, line: Group | Path | None) -> None:
        """Tell of another line."""
        self._about = line
        self.fit()

    def fit(self) -> None:
        """Cut to the size: the path may take two lines, each instruction a like part of the others."""
        height = self.scrollable_content_region.height
        if self._about is None or not height:
            return
        each = max((height - 3) // 2, 1)
        limits = {"bold": 1 if height < 5 else 2, "written by": each, "buried by": each}
        parts = note_parts(self._outline, self._about)
        self.show([line for part in parts for line in _limited(part, self.room, limits.get(part.label or part.colour, 1))])


def _limited(part: Part, room: int, lines: int) -> Iterator[Part]:
    """A part in no more than so many lines."""
    width = max(room - (LABEL if part.label else 0) - 2, 8)
    if part.colour == "bold":
        yield Part(cut_middle(part.text, width * lines), colour="bold")
        return
    texts = list(wrapped(part.text, width))
    if len(texts) > lines:
        texts = [*texts[: lines - 1], cut_end(" ".join(texts[lines - 1 :]), width)]
    for index, text in enumerate(texts):
        yield Part(text, part.label if index == 0 or not part.label else " ", part.colour)


def note_parts(outline: Outline, line: Group | Path) -> Iterator[Part]:
    """What a line of the waste view stands for, in full."""
    if isinstance(line, Path):
        yield from _path_parts(outline, line)
    elif line.kind is Grouping.PAIR:
        yield Part(f"{_amount(line)}, {_why(line.cause)}", colour="wasted")
        yield from _layer_parts(outline, {line.written_by: line.size}, {line.buried_by: line.size})
    else:
        if line.kind is Grouping.DIRECTORY:
            yield Part("/" + escape(outline.analysis.tree.nodes.paths[line.node]), colour="bold")
            yield Part(f"{_amount(line)} below it", colour="wasted")
        else:
            yield Part(f"{_amount(line)}, {_why(line.cause)}", colour="wasted")
        yield from _layer_parts(outline, *outline.layers(line))


def _amount(group: Group) -> str:
    return f"{size_text(group.size)} in {count_text(group.count, 'file')}"


def _why(cause: Cause) -> str:
    return f"{cause.word}: {EXPLANATIONS[cause]}"


def _path_parts(outline: Outline, path: Path) -> Iterator[Part]:
    waste, row = outline.waste, path.row
    size = int(waste.size[row])
    yield Part("/" + escape(outline.analysis.tree.nodes.paths[int(waste.node[row])]), colour="bold")
    yield Part(f"{size_text(size)}, {_why(Cause(waste.cause[row]))}", colour="wasted")
    yield from _layer_parts(outline, {int(waste.written_by[row]): size}, {int(waste.buried_by[row]): size})


def _layer_parts(outline: Outline, written_by: dict[int, int], buried_by: dict[int, int]) -> Iterator[Part]:
    yield Part(_layers_text(outline, written_by), "written by")
    is_same = len(written_by) == 1 and written_by == buried_by
    yield Part("the same layer" if is_same else _layers_text(outline, buried_by), "buried by")


def _layers_text(outline: Outline, sizes: dict[int, int]) -> str:
    """One layer with its instruction; of several, how much is whose."""
    if len(sizes) > 1:
        return "layers " + ", ".join(f"{number} ({size_text(size)})" for number, size in sizes.items())
    number = next(iter(sizes))
    instruction = step_text(outline.analysis.image.layers[number - 1].history)
    return f"layer {number}: {instruction or '(no history)'}"
