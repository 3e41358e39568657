"""The screen of all images: families, what each image costs, what removing it frees. It wires; list and note show and tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from layerscope.app.images.bars import ImagesFilter, ImagesSummary
from layerscope.app.images.image_lines import ImageHeads, ImageLines
from layerscope.app.images.note import note_parts
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.app.widgets.details import Details
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.lines import Lines
from layerscope.families.outline import Outline
from layerscope.families.rows import TRUNK


class ImagesScreen(Screen[None]):
    """Shows an Outline. It posts Opened for the image that the user wants to look into. Ages are told as of `now`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.IMAGES)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-medium"), (36, "-tall")]  # noqa: RUF012 - Textual's
    AUTO_FOCUS = "#images"

    class Opened(Message):
        """The user opened an image, by its number."""

        def __init__(self, image: int) -> None:
            self.image = image
            super().__init__()

    class Wanted(Message):
        """The user wants to know what all images waste, or has waited long enough for it."""

    def __init__(self, outline: Outline, *, now: float) -> None:
        super().__init__()
        self.outline = outline
        self._now = now

    def compose(self) -> ComposeResult:
        """Totals above, the list, the note, keys below."""
        yield ImagesSummary(self.outline.ledger.totals, id="summary")
        yield ImageHeads(id="images-heads")
        yield ImageLines(self.outline, now=self._now, id="images")
        yield ImagesFilter(id="images-filter")
        yield Details(id="images-note")
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """Show all; the note needs no focus."""
        self.query_one("#images-note").can_focus = False
        self.pane.show()

    @property
    def pane(self) -> ImageLines:
        """The list."""
        return self.query_one(ImageLines)

    @property
    def filter_line(self) -> ImagesFilter:
        """The line of the filter."""
        return self.query_one(ImagesFilter)

    @property
    def image(self) -> int:
        """The image under the cursor, or TRUNK."""
        return self.pane.row.image if self.pane.row is not None else TRUNK

    def learn(self, image: int, wasted_bytes: int) -> None:
        """An image was read; the cursor stays where it is."""
        here = self.image
        self.outline.learn(image, wasted_bytes)
        self.query_one(ImagesSummary).show(self.outline.ledger.totals)
        self.pane.show(here)

    def show_reading(self, image: int, done: int, total: int) -> None:
        """An image is being read."""
        title = self.outline.ledger.titles(image)[0]
        self.query_one(ImagesSummary).show_reading(f" reading {done:,} of {total:,}: {title} ")

    def show_all_read(self) -> None:
        """Nothing is read any more."""
        self.query_one(ImagesSummary).show_reading("")

    @on(Lines.Moved)
    def _tell(self) -> None:
        row = self.pane.row
        self.query_one("#images-note", Details).show(list(note_parts(self.outline.ledger, row)) if row is not None else [])

    @on(Lines.Chosen)
    def _open(self) -> None:
        if self.image != TRUNK:
            self.post_message(self.Opened(self.image))

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, keys are letters."""
        if action == "filter" and self.filter_line.is_typed_in:
            return False
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        """Explore the image."""
        self.pane.choose()

    def action_toggle_family(self) -> None:
        """Fold or unfold what is built on it."""
        self.pane.toggle()

    def action_fold(self) -> None:
        """Fold it, or go to what it is built on."""
        self.pane.fold()

    def action_unfold(self) -> None:
        """Unfold it, or go into it."""
        self.pane.unfold()

    def action_fold_all(self) -> None:
        """Fold all families."""
        self._show_after(lambda: self.outline.fold_all(is_open=False))

    def action_unfold_all(self) -> None:
        """Unfold all families."""
        self._show_after(lambda: self.outline.fold_all(is_open=True))

    def action_sort(self) -> None:
        """Sort by the next figure."""
        self._show_after(self.outline.sort_next)
        self.query_one(ImageHeads).show(self.outline.order)

    def _show_after(self, change: Callable[[], None]) -> None:
        image = self.image
        change()
        self.pane.show(image)

    def action_analyze(self) -> None:
        """Find out what all images waste."""
        self.post_message(self.Wanted())

    def action_filter(self) -> None:
        """Open the filter."""
        self.filter_line.open()

    def action_back(self) -> None:
        """Out of the filter."""
        if self.filter_line.is_on:
            self.filter_line.close()

    @on(ImagesFilter.Typed)
    def _filter(self, event: ImagesFilter.Typed) -> None:
        self._show_after(lambda: self.outline.filter(event.text))
        self.pane.go_to_hit()
        self.filter_line.show_count(sum(map(self.outline.is_hit, self.outline.rows)) if self.outline.text else None)

    @on(ImagesFilter.Closed)
    def _to_list(self) -> None:
        self.set_focus(self.pane)
