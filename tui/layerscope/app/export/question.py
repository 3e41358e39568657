"""A dialog with one line to type into."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from layerscope.app.keys import back


class Question(ModalScreen[str | None]):
    """Asks for a text; it ends with the text, or None. All parts are printable; `note` says what Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [back()]

    def __init__(self, title: str, sentence: str, *, note: str, value: str = "") -> None:
        super().__init__()
        self._title, self._sentence, self._note, self._value = title, sentence, note, value

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(Content(self._sentence))
            yield Input(value=self._value, id="answer", select_on_focus=True)
            yield Static(Content(self._note), id="question-note")

    def on_mount(self) -> None:
        self.query_one("#question").border_title = self._title

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        event.stop()
        if text := event.value.strip():
            self.dismiss(text)
