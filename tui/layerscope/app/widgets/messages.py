"""Short messages: one is shown in the place of the footer's keys for a moment, and the last ones can be read whole."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widget import Widget

from layerscope.app.keys import back
from layerscope.app.widgets.lines import Detail, Details
from layerscope.wording.style import cells, cut_end

Severity = Literal["information", "warning", "error"]
MOST = 50
"""How many messages are kept."""
SECONDS = 5.0
"""How long a message is shown."""
COLORS: dict[Severity, str] = {"information": "", "warning": "modified", "error": "removed"}
_SIGNS: dict[Severity, str] = {"information": "", "warning": "! ", "error": "! "}
_CUT = "  ^p: last messages"


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """A message: what it is about, such as `Copied`, or nothing; its text, without control characters; how bad it is."""

    title: str
    text: str
    severity: Severity = "information"

    @property
    def sentence(self) -> str:
        """Return it as one line, which says without color whether it is a problem."""
        return f"{_SIGNS[self.severity]}{self.title}{': ' if self.title else ''}{self.text}"

    def line(self, room: int) -> str:
        """Return the sentence in at most `room` cells; one that is cut says where it can be read whole."""
        if cells(self.sentence) <= room:
            return self.sentence
        hint = _CUT if room >= 3 * len(_CUT) else ""
        return cut_end(self.sentence, room - len(hint)) + hint


class Messages:
    """The last messages of an app, oldest first, of which `shown` is on the screen now."""

    def __init__(self) -> None:
        self.last: deque[ShortMessage] = deque(maxlen=MOST)
        self.shown: ShortMessage | None = None

    def say(self, text: str, title: str, severity: Severity) -> ShortMessage:
        """Keep and show a message."""
        printable = "".join(each if each.isprintable() else " " for each in text)
        self.shown = ShortMessage(title, printable, severity)
        self.last.append(self.shown)
        return self.shown

    def end(self, said: ShortMessage | None = None) -> bool:
        """Show `said` no longer if it is shown; without it, what is shown and no error. Tell whether anything ended."""
        shown = self.shown
        is_over = shown is not None and (shown is said if said is not None else shown.severity != "error")
        if is_over:
            self.shown = None
        return is_over


def shown_message(widget: Widget) -> ShortMessage | None:
    """Return the message that the widget's app shows now."""
    messages = getattr(widget.app, "messages", None)
    return messages.shown if isinstance(messages, Messages) else None


class MessagesScreen(ModalScreen[None]):
    """The last messages, whole, the newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [back(), Binding("q", "app.back", "Close", show=False)]

    def __init__(self, messages: Messages) -> None:
        super().__init__()
        self._messages = messages

    def compose(self) -> ComposeResult:
        yield Details(id="messages")

    def on_mount(self) -> None:
        pane = self.query_one(Details)
        pane.border_title, pane.border_subtitle = "Last messages", "esc closes"
        shown = [Detail(said.sentence, color=COLORS[said.severity]) for said in reversed(self._messages.last)]
        pane.show(shown or [Detail("There were none.")])


def show_messages(app: App[Any], messages: Messages) -> None:
    """Show the last messages."""
    app.push_screen(MessagesScreen(messages))
