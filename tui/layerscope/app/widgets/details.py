"""Text about a layer and the image in a pane, wrapped to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.segment import Segment

from layerscope.app.widgets.lines import Lines
from layerscope.report.style import wrapped

LABEL = 12


@dataclass(frozen=True, slots=True)
class Part:
    """A line before it is wrapped: a label, its text, and the colour of both."""

    text: str
    label: str = ""
    colour: str = ""


class Details(Lines):
    """Text about a layer and the image, wrapped to the pane."""

    has_cursor = False

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._parts: list[Part] = []
        self._wrapped: list[Part] = []

    def show(self, parts: list[Part]) -> None:
        """Show other facts, from the top."""
        self._parts = parts
        self._wrap()
        self.scroll_to(y=0, animate=False)

    def fit(self) -> None:
        """Wrap anew."""
        self._wrap()

    def _wrap(self) -> None:
        self._wrapped = [line for part in self._parts for line in _wrapped(part, self.room)]
        self.set_count(len(self._wrapped))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        """The label, dim, and the text."""
        part = self._wrapped[line]
        label = f" {part.label:<{LABEL}}" if part.label else " "
        return [Segment(label, self.ink("dim")), Segment(part.text, self.ink(part.colour) if part.colour else None)]


def _wrapped(part: Part, room: int) -> Iterator[Part]:
    """The lines of a part; the label stands before the first, and room for it before all."""
    indent = LABEL if part.label else 0
    for index, text in enumerate(wrapped(part.text, max(room - indent - 2, 8))):
        yield Part(text, part.label if index == 0 else " " if part.label else "", part.colour)
