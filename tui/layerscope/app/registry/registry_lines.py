"""The widgets of a registry's screen: the tree with size, age and digest in columns, the lines around it, and the note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.registry.registry_outline import RegistryOutline, RegistryRow, RowKind
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import SIZE, TWISTY, Detail, fitted, size_cell
from layerscope.families.figures import age_text
from layerscope.report.registry_tree import attached_text, image_name, moment_of, platforms_text
from layerscope.sources.registry.tag_facts import TagFacts
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.wording.style import cells, cut_end

AGE, DIGEST = 9, 12
ROOMY, NARROW = 72, 48
"""The width, in cells, from which the digest fits, and the one from which the age does."""
ASKING = "asking …"


@dataclass(frozen=True, slots=True)
class RegistryColumns:
    """Which columns fit into a line."""

    has_age: bool
    has_digest: bool

    @classmethod
    def of(cls, room: int) -> RegistryColumns:
        """Choose the columns for `room` cells."""
        return cls(room >= NARROW, room >= ROOMY)

    def text(self, size: str, age: str, digest: str) -> str:
        """Return the columns that fit, with a space after each."""
        parts = [
            f"{size:>{SIZE}} ",
            f"{age:>{AGE}} " if self.has_age else "",
            f" {digest:{DIGEST}} " if self.has_digest else "",
        ]
        return "".join(parts)


class RegistryHeads(Widget):
    """The heads of the columns."""

    COMPONENT_CLASSES = {"registry--head"}  # noqa: RUF012 - Textual's

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        text = RegistryColumns.of(width - 1).text("size", "age", "digest") + "  name" if not y else ""
        ink = self.get_component_rich_style("registry--head", partial=True)
        return Strip([Segment(text, ink)]).crop_extend(0, width, base).apply_style(base)


class RegistrySummary(Widget):
    """One line about the registry: its name, how much of it has arrived, and whether more is on its way."""

    COMPONENT_CLASSES = {"summary--name", "summary--dim"}  # noqa: RUF012 - Textual's

    def __init__(self, name: str, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._name, self._text = name, ASKING

    def show(self, text: str) -> None:
        """Show another text after the name."""
        self._text = text
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        right = f"{self._text} "
        name = cut_end(f" {self._name}", max(width - cells(right) - 1, 0))
        gap = " " * max(width - cells(name) - cells(right), 1)
        bold, dim = (self.get_component_rich_style(f"summary--{each}", partial=True) for each in ("name", "dim"))
        return Strip([Segment(name, bold), Segment(gap + right, dim)]).crop_extend(0, width, base).apply_style(base)


class RegistryLines(CursorLines):
    """Draws the rows of a RegistryOutline. It posts Moved, Chosen for a row to open, Scrolled when others come into sight."""

    class Scrolled(Message):
        """Other rows came into sight."""

    def __init__(self, outline: RegistryOutline, *, now: float, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._outline, self._now = outline, now

    @property
    def nothing(self) -> str:
        return "nothing of what is listed matches" if self._outline.text else ""

    @property
    def row(self) -> RegistryRow | None:
        """Return the row under the cursor."""
        return self._outline.rows[self.cursor] if self.count else None

    @property
    def in_sight(self) -> list[RegistryRow]:
        """Return the rows that are shown now."""
        top = round(self.scroll_y)
        return self._outline.rows[top : top + max(self.scrollable_content_region.height, 1)]

    def show(self, row: RegistryRow | None) -> None:
        """Show the rows after they changed, with the cursor on `row`."""
        self.set_count(len(self._outline.rows))
        line = self._outline.line_of(row)
        if line >= 0 and line != self.cursor:
            self.go(line)
        self.post_message(self.Moved(self))
        self.post_message(self.Scrolled())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Post Scrolled."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Scrolled())

    def after_fit(self) -> None:
        """Post Scrolled: another size shows other rows."""
        super().after_fit()
        self.post_message(self.Scrolled())

    def clicked(self, x: int, *, is_again: bool) -> None:
        """Fold or unfold at a click on the sign; open at a second click."""
        row = self.row
        start = cells(RegistryColumns.of(self.room).text("", "", "")) + 2 * row.level if row else 0
        if row is not None and row.is_foldable and start <= x < start + 2:
            self.post_message(self.Folded(self))
        elif is_again:
            self.choose()

    class Folded(CursorLines.Moved):
        """The user clicked on the sign of the row under the cursor."""

    # What a line looks like.

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw the columns that fit, the sign and the name at its depth."""
        row = self._outline.rows[line]
        figures = RegistryColumns.of(room).text(*self._figures(row))
        sign = TWISTY[self._outline.is_unfolded(row)] if row.is_foldable else "  "
        start = " " * 2 * row.level + sign
        name, told = self._words(row)
        left = max(room - cells(figures) - cells(start), 0)
        name = cut_end(name, left)
        told = fitted(f"  {told}" if told else "", max(left - cells(name), 0))
        return [
            Segment(figures),
            Segment(start, self.style("dim")),
            Segment(name, self._ink(row)),
            Segment(told, self.style("dim")),
        ]

    def _figures(self, row: RegistryRow) -> tuple[str, str, str]:
        if row.kind is RowKind.TAG and (facts := self._outline.facts(*row.place)) is not None:
            return _size(facts.wire_bytes), age_text(moment_of(facts), self._now), facts.digest.short if facts.digest else ""
        if row.image is not None:
            return _size(row.image.wire_bytes), age_text(row.image.created, self._now), row.image.digest.short
        return (_size(row.thing.size), "", row.thing.digest.short) if row.thing is not None else ("", "", "")

    def _words(self, row: RegistryRow) -> tuple[str, str]:
        """Return the name of a row and what is told after it."""
        if row.kind is RowKind.REPOSITORY:
            tags = self._outline.tags.get(row.repository)
            return escape(row.repository), count_text(len(tags), "tag") if tags is not None else ""
        if row.kind is RowKind.TAG:
            facts = self._outline.facts(*row.place)
            return escape(row.tag), platforms_text(facts) if facts is not None else ""
        if row.image is not None:
            return image_name(row.image), row.image.problem
        return (attached_text(row.thing), "") if row.thing is not None else (row.note, "")

    def _ink(self, row: RegistryRow) -> Style:
        facts = self._outline.facts(*row.place) if row.kind is RowKind.TAG else None
        if facts is not None and facts.problem:
            return self.style("removed")
        colors = {RowKind.REPOSITORY: "directory", RowKind.ATTACHED: "added", RowKind.NOTE: "dim"}
        return self.style(colors[row.kind]) if row.kind in colors else Style()


def _size(size: int | None) -> str:
    return "" if size is None else size_cell(size, zero="0  B")


def registry_note(outline: RegistryOutline, row: RegistryRow, host: str) -> Iterator[Detail]:
    """Yield the note on a row of the tree."""
    name = f"{host}/{row.repository}" + (f":{row.tag}" if row.tag and not row.tag.startswith("sha256:") else "")
    yield Detail(escape(name), color="bold")
    if row.thing is not None:
        yield from _thing(row)
        return
    facts = outline.facts(*row.place) if row.tag else None
    if row.kind is RowKind.REPOSITORY:
        tags = outline.tags.get(row.repository)
        if tags:
            yield Detail(", ".join(escape(tag) for tag in list(tags)[:12]) + (" …" if len(tags) > 12 else ""), "tags")
    image = row.image or (facts.chosen if facts is not None else None)
    if image is not None and (row.image is not None or facts is not None):
        if facts is None or len(facts.platforms) < 2 or row.image is not None:
            yield Detail(image_name(image), "image")
        if image.wire_bytes is not None:
            layers = f" in {count_text(len(image.layers), 'layer')}" if image.is_read else ", as the registry says"
            of = f", {image_name(image)}" if facts is not None and len(facts.platforms) > 1 and row.image is None else ""
            yield Detail(f"{size_text(image.wire_bytes)}{layers}{of}", "size")
    if facts is not None and row.image is None:
        yield from _tag(facts, outline, row)
    digest = row.image.digest if row.image is not None else facts.digest if facts is not None else None
    if digest is not None:
        yield Detail(digest, "digest")
    if problem := (facts.problem if facts else "") or outline.notes.get(row.place, ""):
        yield Detail(problem, "", "removed" if problem != ASKING else "dim")


def _tag(facts: TagFacts, outline: RegistryOutline, row: RegistryRow) -> Iterator[Detail]:
    moments = [
        f"{word} {escape(when[:16].replace('T', ' '))}"
        for word, when in (("built", facts.created), ("pushed", facts.pushed))
        if when
    ]
    if moments:
        yield Detail(", ".join(moments), "age")
    if len(facts.platforms) > 1:
        yield Detail(", ".join(escape(str(each)) for each in facts.platforms), "platforms")
    if row.place in outline.attached:
        kinds = [thing.kind for thing in outline.attached[row.place]]
        told = ", ".join(kind + (f" ({kinds.count(kind)})" if kinds.count(kind) > 1 else "") for kind in dict.fromkeys(kinds))
        yield Detail(told or "nothing", "attached")


def _thing(row: RegistryRow) -> Iterator[Detail]:
    assert row.thing is not None
    yield Detail(f"{row.thing.kind} of {row.thing.subject.short}, {_WAYS[row.thing.place]}", "attached")
    yield Detail(row.thing.digest, "digest")
    if row.thing.media_type:
        yield Detail(escape(row.thing.media_type[:200]), "type")
    for key, value in list(row.thing.annotations.items())[:4]:
        yield Detail(f"{escape(key[:100])}: {escape(value[:200])}")


_WAYS = {
    "referrer": "listed as its referrer",
    "index": "listed in its index",
    "tag": "under a tag made of its digest",
    "annotation": "named by its manifest",
}
