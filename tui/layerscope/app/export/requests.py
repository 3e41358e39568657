"""What screens ask the app to do with what leaves the screen. It imports nothing slow, for the first frame waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from textual.message import Message

if TYPE_CHECKING:
    from layerscope.app.export.saving import Savable
    from layerscope.app.export.subject import ExportSubject
    from layerscope.app.slim.planner import SlimPlanner


class ExportRequested(Message):
    """The user wants to copy something of `about`, to open its content in a program, or to pipe it to a command."""

    def __init__(self, about: ExportSubject, how: Literal["copy", "open", "pipe"]) -> None:
        self.about, self.how = about, how
        super().__init__()


class SaveRequested(Message):
    """The user wants to save a view: `shown`, if it is given, the waste grouped by `by`, or the report."""

    def __init__(self, shown: Savable | None, by: str = "path") -> None:
        self.shown, self.by = shown, by
        super().__init__()


class SlimRequested(Message):
    """The user wants to write a smaller image, as planned."""

    def __init__(self, planner: SlimPlanner) -> None:
        self.planner = planner
        super().__init__()
