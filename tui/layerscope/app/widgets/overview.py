"""The base of the screens that show all of an image: its waste, a treemap, its biggest files. The key of each works in all."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.binding import BindingType
from textual.screen import Screen

from layerscope.app.keys import KeyContext, bindings
from layerscope.app.widgets.jump import Jump

OverviewName = Literal["waste", "treemap", "biggest"]


class Overview(Screen[Jump | OverviewName | None]):
    """It ends with where to go in the files, with the name of the overview to open in its place, or with None.

    `NAME` is its own: its key goes back to the files.
    """

    NAME: ClassVar[OverviewName]
    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.OVERVIEWS)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-medium"), (36, "-tall")]  # noqa: RUF012 - Textual's

    def action_overview(self, name: OverviewName) -> None:
        """Open another overview in place of this one; go back to the files from this one."""
        self.end(None if name == self.NAME else name)

    def end(self, result: Jump | OverviewName | None) -> None:
        """Close the screen, unless it is closed already."""
        # A further click is still on its way when one has ended it: Textual would close the screen below, too.
        if self.is_current:
            self.dismiss(result)
