"""The heads of a list's columns: which one has the mark of the order, and what a click on one sorts by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from rich.segment import Segment
from rich.style import Style

from layerscope.app.widgets.lines import fitted

Order = TypeVar("Order", bound=Enum)

FALLING, RISING = "▼", "▲"
"""The mark of the head that lines are sorted by, with the most first or with the least."""


@dataclass(frozen=True, slots=True)
class ColumnHead(Generic[Order]):
    """The head of a column of `width` cells, with the space after it. A click on it sorts by `order`; by nothing for None."""

    text: str
    width: int
    order: Order | None = None
    is_right: bool = False
    """Whether it stands above figures, which are aligned on the right."""
    is_rising: bool = False
    """Whether its order has the least first, such as names."""

    def cell(self, order: Order) -> str:
        """Return the head in its cells, with a mark if the lines are sorted by it."""
        mark = (RISING if self.is_rising else FALLING) if self.text and self.order is order else ""
        return fitted(f"{self.text + mark:>{self.width - 1}} " if self.is_right else self.text + mark, self.width)


def head_segments(heads: Iterable[ColumnHead[Order]], order: Order, *, plain: Style, chosen: Style) -> list[Segment]:
    """Draw the heads; that of `order` in the style `chosen`."""
    return [Segment(head.cell(order), chosen if head.order is order else plain) for head in heads]


def order_at(heads: Iterable[ColumnHead[Order]], x: int) -> Order | None:
    """Return what a click at cell `x` sorts by."""
    for head in heads:
        if x < head.width:
            return head.order
        x -= head.width
    return None
