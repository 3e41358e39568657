"""A pane of labeled text, wrapped to its width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.segment import Segment

from layerscope.app.widgets.lines import Lines
from layerscope.wording.style import wrapped

LABEL = 12


@dataclass(frozen=True, slots=True)
class Detail:
    """A label and its text, before wrapping, and the color of the text."""

    text: str
    label: str = ""
    color: str = ""


class Details(Lines):
    """Shows details, wrapped to the pane."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._parts: list[Detail] = []
        self._wrapped: list[Detail] = []

    def show(self, parts: list[Detail]) -> None:
        """Show other details, from the top."""
        self._parts = parts
        self._wrap()
        self.scroll_to(y=0, animate=False)

    def fit(self) -> None:
        self._wrap()

    def _wrap(self) -> None:
        self._wrapped = [line for part in self._parts for line in _wrapped(part, self.room)]
        self.set_count(len(self._wrapped))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        part = self._wrapped[line]
        label = f" {part.label:<{LABEL}}" if part.label else " "
        return [Segment(label, self.style("dim")), Segment(part.text, self.style(part.color) if part.color else None)]


def _wrapped(part: Detail, room: int) -> Iterator[Detail]:
    """Wrap a detail: its label before the first line, the others indented."""
    indent = LABEL if part.label else 0
    for index, text in enumerate(wrapped(part.text, max(room - indent - 2, 8))):
        yield Detail(text, part.label if index == 0 else " " if part.label else "", part.color)
