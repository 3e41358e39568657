"""The terminal: how many colors and which characters it can show, and Textual's driver for it.

The driver has fixes for Ctrl+Z, SIGSTOP and terminals that disappear.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import set_cell_size
from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter

from layerscope.app.terminal_guard import TerminalGuard
from layerscope.errors import BadSettings
from layerscope.text import escape, suggestion
from layerscope.wording.style import ASCII_SIGNS, cells

if TYPE_CHECKING:
    from textual.app import App

_ALL_COLORS = ("alacritty", "contour", "foot", "ghostty", "iterm2", "kitty", "rio", "wezterm")
"""Parts of TERM of terminals with 24-bit colors, such as `xterm-kitty`."""
_SYSTEMS = {"truecolor": ColorSystem.TRUECOLOR, "256": ColorSystem.EIGHT_BIT, "standard": ColorSystem.STANDARD}
_CUBE = (0, 95, 135, 175, 215, 255)
"""The levels of red, green and blue in xterm's cube of colors."""
HIDE_CURSOR = "\x1b[?25l"
CONSOLE_SIGNS = str.maketrans("▏▎▍▌▐▕▋▊▉▅▆▇▀▄▘▖▔▁▂▃▓⇒◆✓⭘", "││││││██████─────   ▒»♦xo")
"""Similar signs for our own that are not among the 512 of Linux's console fonts (Lat15 and Uni2 of Debian's console-setup)."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The abilities of a terminal."""

    is_ascii: bool = False
    has_no_color: bool = False
    has_few_colors: bool = False
    """Whether it shows only 16 colors, which the user's terminal settings define."""
    has_all_colors: bool = True
    """Whether it shows 24-bit colors; else 256 of them, unless it has few."""
    is_console: bool = False
    """Whether it is Linux's own console, whose fonts have few signs."""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ, *, encoding: str = "") -> Terminal:
        """Detect the abilities from the locale, NO_COLOR, TERM, COLORTERM, and the encoding of standard error.

        POSIX puts LC_ALL before LC_CTYPE before LANG. Without any of them we assume UTF-8, as Python does. An LC_CTYPE that
        Python itself has set, because the locale is C (PEP 538), says nothing about the terminal.
        """
        kind = "" if environment is os.environ and not _began_with("LC_CTYPE") else environment.get("LC_CTYPE")
        locale = environment.get("LC_ALL") or kind or environment.get("LANG") or "C.UTF-8"
        encoding = encoding or getattr(sys.__stderr__, "encoding", None) or "utf-8"
        colors = _colors(environment)
        return cls(
            is_ascii=not (_is_utf8(locale) and _is_utf8(encoding)),
            has_no_color=bool(environment.get("NO_COLOR")),
            has_few_colors=colors is ColorSystem.STANDARD,
            has_all_colors=colors is ColorSystem.TRUECOLOR,
            is_console=environment.get("TERM") == "linux",
        )

    @property
    def colors(self) -> ColorSystem:
        """Return the color system to convert the colors of a theme to."""
        if self.has_few_colors:
            return ColorSystem.STANDARD
        return ColorSystem.TRUECOLOR if self.has_all_colors else ColorSystem.EIGHT_BIT

    def theme(self, wanted: str, remembered: str, known: Collection[str]) -> str:
        """Return the theme of the settings, else the remembered one, else one that suits the terminal.

        A theme remembered from a better terminal is not used on one of 16 colors. Raises BadSettings for an unknown theme.
        """
        if wanted and wanted not in known:
            raise BadSettings(f"there is no theme `{escape(wanted)}`{suggestion(wanted, sorted(known))}")
        if self.has_no_color:
            return "ansi-dark"
        is_fit = remembered in known and (remembered.startswith("ansi-") or not self.has_few_colors)
        return wanted or (remembered if is_fit else "ansi-dark" if self.has_few_colors else "textual-dark")

    @property
    def filters(self) -> list[LineFilter]:
        """Return the filters to apply to every line before it is drawn."""
        is_indexed = not (self.has_no_color or self.has_few_colors or self.has_all_colors)
        signs: list[LineFilter] = [_PlainAscii()] if self.is_ascii else [_ConsoleSigns()] * self.is_console
        return [_Colorless()] * self.has_no_color + [_Indexed()] * is_indexed + signs


def _began_with(variable: str) -> bool:
    """Tell whether an environment variable was set when the process began; True where the system does not tell."""
    try:
        began = Path("/proc/self/environ").read_bytes()
    except OSError:
        return True
    return any(each.startswith(f"{variable}=".encode()) for each in began.split(b"\0"))


def _is_utf8(name: str) -> bool:
    return "utf8" in name.lower().replace("-", "")


def _colors(environment: Mapping[str, str]) -> ColorSystem:
    """Return the color system with the most colors that the terminal shows.

    TEXTUAL_COLOR_SYSTEM overrides it, as in a browser (`textual serve`).
    """
    named = _SYSTEMS.get(environment.get("TEXTUAL_COLOR_SYSTEM", ""))
    if named is not None:
        return named
    term = environment.get("TERM", "").lower()
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") and term != "linux":
        # GNU screen takes the numbers of a color of 24 bits for blinking and the like; tmux may go by the same name.
        is_gnu_screen = term.startswith("screen") and environment.get("TERM_PROGRAM") != "tmux"
        return ColorSystem.EIGHT_BIT if is_gnu_screen else ColorSystem.TRUECOLOR
    if term.endswith(("-direct", "truecolor")) or any(name in term for name in _ALL_COLORS):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if "256color" in term else ColorSystem.STANDARD


class _Colorless(LineFilter):
    """Removes all colors, even the terminal's own sixteen; bold, reverse and the like stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [Segment(text, style and _without_color(style), control) for text, style, control in segments]


@lru_cache(1024)
def _without_color(style: Style) -> Style:
    return style.without_color


class _Indexed(LineFilter):
    """Replaces 24-bit colors by the nearest of the 256 numbered ones. Rich's own choice turns dark grays into navy blue."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [Segment(text, style and _indexed(style), control) for text, style, control in segments]


@lru_cache(4096)
def _indexed(style: Style) -> Style:
    color, back = (each and _nearest(each) for each in (style.color, style.bgcolor))
    return style + Style(color=color, bgcolor=back)


def _nearest(color: RichColor) -> RichColor:
    """Return the color of xterm's cube (16 to 231) or of its ramp of grays (232 to 255) that is nearest to a 24-bit one."""
    if color.triplet is None:
        return color
    levels = [min(range(6), key=lambda level: abs(_CUBE[level] - part)) for part in color.triplet]
    step = min(max(round((sum(color.triplet) / 3 - 8) / 10), 0), 23)
    numbers = {
        16 + 36 * levels[0] + 6 * levels[1] + levels[2]: [_CUBE[level] for level in levels],
        232 + step: [8 + 10 * step] * 3,
    }

    def distance(number: int) -> int:
        return sum((theirs - ours) ** 2 for theirs, ours in zip(numbers[number], color.triplet or (), strict=True))

    return RichColor.from_ansi(min(numbers, key=distance))


class _ConsoleSigns(LineFilter):
    """Replaces our signs that the fonts of Linux's console lack by similar ones."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [Segment(text.translate(CONSOLE_SIGNS), style, control) for text, style, control in segments]


class _PlainAscii(LineFilter):
    """Replaces characters that are not ASCII, cell by cell: our own signs by similar ones, all others by `?`."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        shown = []
        for segment in segments:
            if not segment.text.isascii():
                text = "".join(each if each.isascii() else "?" * cells(each) for each in segment.text.translate(ASCII_SIGNS))
                # Characters that are drawn as one may be narrower than their sum.
                segment = Segment(set_cell_size(text, cells(segment.text)), segment.style, segment.control)  # noqa: PLW2901
            shown.append(segment)
        return shown


class TerminalDriver(LinuxDriver):
    """Gives the terminal back whatever ends the process, and works around four faults of Textual 8.2.

    On Ctrl+Z, the rest of a pipeline or the script around us keeps running, so that no shell shows its prompt. After `fg`,
    the screen is not drawn. After a SIGSTOP from another process, Textual takes the modes it set itself for those to restore
    at the end. When the terminal is gone, writing to it ends the writer thread, and waiting for that thread never ends.
    """

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = _Patient(sys.__stderr__)
        self._is_suspended = False
        self._attributes: list[Any] | None = None
        self._guard: TerminalGuard | None = None

    def start_application_mode(self) -> None:
        """Take the terminal under a guard; keep the modes that Textual sets, to set them again after SIGCONT."""
        self._guard = self._guard or TerminalGuard.of(self.fileno)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        with suppress(termios.error):
            self._attributes = termios.tcgetattr(self.fileno)

    def stop_application_mode(self) -> None:
        """Give the terminal back, and end the guard."""
        super().stop_application_mode()
        if self._guard is not None:
            self._guard.end()
            self._guard = None

    # Signal handlers run in the middle of whatever the main thread does. If that is writing to the terminal, it holds the lock
    # of the queue of writes, and a handler that writes too waits for ever. So the work is left to the event loop.

    def _sigtstp_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._continue)

    def _stop(self) -> None:
        """Give the terminal back, then stop the whole process group."""
        if not self._is_suspended:
            self.suspend_application_mode()
            self._is_suspended = True
        os.kill(0, signal.SIGSTOP)

    def _continue(self) -> None:
        """Take the terminal again, unless we continue in the background."""
        if not self._is_in_foreground:
            os.kill(0, signal.SIGSTOP)
            return
        if self._is_suspended:
            self._is_suspended = False
            self._must_signal_resume = True
            self.resume_application_mode()
        else:
            self._set_modes_again()
        self._app.refresh(layout=True)

    def _set_modes_again(self) -> None:
        """Set our terminal modes again: a shell that had the terminal meanwhile has set its own."""
        with suppress(termios.error):
            termios.tcsetattr(self.fileno, termios.TCSANOW, self._attributes or termios.tcgetattr(self.fileno))
        self._enable_mouse_support()
        self._enable_bracketed_paste()
        self.write(HIDE_CURSOR)

    @property
    def _is_in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:  # there is no terminal any more
            return True


class _Patient:
    """A file that ignores errors of writing, such as those of a terminal that is gone."""

    def __init__(self, file: TextIO | None) -> None:
        assert file is not None
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()
