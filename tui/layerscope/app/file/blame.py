"""The page of every layer that touched a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from layerscope.app.file.pages import Page, Piece
from layerscope.app.file.path_history import Facts
from layerscope.wording.findings import WASTED_MARK
from layerscope.wording.style import cells

MARKS = 3
"""Cells of the marks before a version."""


@dataclass(frozen=True, eq=False)
class Blame(Page):
    """Draws two lines for each version: its change and attributes, and the instruction of its layer."""

    facts: Sequence[Facts] = ()
    has_cursor: ClassVar[bool] = True
    step: ClassVar[int] = 2

    def at(self, room: int) -> Page:
        """Choose the columns that fit: what ended a version moves to its second line first, then dates go, then owners."""
        for look in _LOOKS:
            heads = _version_lines(self.facts, look)
            if max(map(cells, heads), default=0) <= room - MARKS:
                break
        tails = [_tail(each, has_ending=not look.has_ending) for each in self.facts]
        return replace(self, texts=[text for pair in zip(heads, tails, strict=True) for text in pair])

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        """Draw the mark of the change, and `!` for wasted content."""
        facts = self.facts[line // 2]
        return (
            [("   ", "")] if line % 2 else [(f" {facts.mark}", facts.word), (WASTED_MARK if facts.is_wasted else " ", "wasted")]
        )

    def color(self, line: int) -> str:
        return "dim" if line % 2 else self.facts[line // 2].word


@dataclass(frozen=True, slots=True)
class _Look:
    """Which optional columns the first line of a version has."""

    has_ending: bool = False
    has_date: bool = False
    has_owner: bool = False


_LOOKS = (
    _Look(has_ending=True, has_date=True, has_owner=True),
    _Look(has_date=True, has_owner=True),
    _Look(has_owner=True),
    _Look(),
)


def _version_lines(facts: Sequence[Facts], look: _Look) -> list[str]:
    owner = max((cells(each.owner) for each in facts), default=0) + 1 if look.has_owner else 0
    return [_version_line(each, look, owner) for each in facts]


def _version_line(facts: Facts, look: _Look, owner: int) -> str:
    text = f" layer {facts.layer:<3} {facts.word:<8}"
    if facts.mode:
        shown = (facts.owner or "-") if owner else ""
        text += f" {facts.mode} {shown:<{owner}}{facts.size:>8}" + (f"  {facts.date}" if look.has_date else "")
    text += f"  → {facts.link}" if facts.link else ""
    return text + (f"  ({_ending(facts)})" if look.has_ending and facts.buried_by else "")


def _tail(facts: Facts, *, has_ending: bool) -> str:
    ending = f"{_ending(facts)} · " if has_ending and facts.buried_by else ""
    return f"      {ending}{facts.instruction or '(the history does not say what made it)'}"


def _ending(facts: Facts) -> str:
    until = f"until layer {facts.buried_by}"
    if facts.buried_by == facts.layer:
        until = "shadowed: the same layer holds the path again"
    return f"{until}{', wasted' if facts.is_wasted else ''}"
