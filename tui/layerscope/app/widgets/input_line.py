"""One line to type a filter or a search into: a sign, the input, and how much was found."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from layerscope.app.keys import KeyContext, bindings


class InputLine(Horizontal):
    """A line to type into, hidden until `open`. It posts Typed at each key, Entered on Enter, and Closed after `close`.

    The parts of a line with the id `filter` have the ids `filter-sign`, `filter-text` and `filter-count`.
    """

    class Typed(Message):
        """The text is now `text`."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Entered(Message):
        """The user goes from the input to what it found."""

    class Closed(Message):
        """The line was closed, while it was typed in or not; nothing is filtered or searched any more."""

        def __init__(self, *, was_typed_in: bool) -> None:
            self.was_typed_in = was_typed_in
            super().__init__()

    def __init__(self, placeholder: str, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        yield Static("/", id=f"{self.id}-sign", classes="input-line--sign")
        yield Input(placeholder=self._placeholder, compact=True, id=f"{self.id}-text", classes="input-line--text")
        yield Static("", id=f"{self.id}-count", classes="input-line--count")

    @property
    def is_on(self) -> bool:
        """Tell whether the line is shown."""
        return self.has_class("-on")

    @property
    def is_typed_in(self) -> bool:
        """Tell whether keys go into the input. The input itself learns of its focus only later."""
        return self.is_on and self.screen.focused is self._input

    @property
    def text(self) -> str:
        """Return the text typed so far."""
        return self._input.value

    @property
    def _input(self) -> Input:
        return self.query_one(Input)

    def open(self) -> None:
        """Show the line and let the user type. The focus moves at once, so that keys already waiting arrive here."""
        self.add_class("-on")
        self.display = True  # the class would take effect only with the next frame
        self.screen.set_focus(self._input)

    def close(self) -> None:
        """Hide the line and forget the text."""
        was_typed_in = self.is_typed_in
        with self._input.prevent(Input.Changed):
            self._input.value = ""
        self.remove_class("-on")
        self.display = False
        self.show_text("")
        self.post_message(self.Closed(was_typed_in=was_typed_in))

    def show_text(self, text: str, *, is_wrong: bool = False) -> None:
        """Show a note after the input, such as the number of hits; if what was typed `is_wrong`, whole, on lines below it."""
        self.set_class(is_wrong, "-wrong")
        self.query_one(f"#{self.id}-count", Static).update(Content(text), layout=True)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_to_files()

    def action_to_files(self) -> None:
        """Go to what the text found; close the line when it is empty."""
        if self.text.strip():
            self.post_message(self.Entered())
        else:
            self.close()

    def action_close(self) -> None:
        """Close the line."""
        self.close()


class ListFilter(InputLine):
    """The line to type a part of a name in a list into."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.FILTER)
