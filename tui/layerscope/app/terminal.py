"""What the terminal can show: colours, or none; all characters, or ASCII alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from layerscope.errors import BadSettings
from layerscope.settings.suggestion import suggestion
from layerscope.text import escape

_ASCII = str.maketrans(
    {
        **dict.fromkeys("─━═╌┄┈▁▔", "-"),
        **dict.fromkeys("│┃║▏▕▎▍╎┆┊▌▐", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╔╗╚╝╋╶╴╵╷", "+"),
        **dict.fromkeys("█▉▊▋▀▄▇▆▅▃▂", "#"),
        **dict(zip("…·→⇒←↑↓≈▾▸▶◆•✓⭘°—", "~|>=<^v~v>>**xoo-", strict=True)),
    }
)


_ALL_COLOURS = ("alacritty", "contour", "foot", "ghostty", "iterm2", "kitty", "rio", "wezterm")
"""Terminals that show all colours; some of their names begin with `xterm-`."""
_SYSTEMS = {"truecolor": ColorSystem.TRUECOLOR, "256": ColorSystem.EIGHT_BIT, "standard": ColorSystem.STANDARD}


@dataclass(frozen=True, slots=True)
class Terminal:
    """What to draw with."""

    is_ascii: bool = False
    has_no_colour: bool = False
    has_few_colours: bool = False
    """Whether it shows 16 colours, of its own choice."""
    has_all_colours: bool = True
    """Whether it shows colours of 24 bits; else it is 256 of them, where it is not few."""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ, *, encoding: str = "") -> Terminal:
        """By the locale (POSIX: LC_ALL before LC_CTYPE before LANG), NO_COLOR, TERM and COLORTERM, and by the encoding of what
        is drawn on. Without any locale it is UTF-8, as for Python, which also takes LANG=C for that.
        """
        locale = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or "C.UTF-8"
        encoding = encoding or getattr(sys.__stderr__, "encoding", None) or "utf-8"
        colours = _colours(environment)
        return cls(
            is_ascii=not (_is_utf8(locale) and _is_utf8(encoding)),
            has_no_colour=bool(environment.get("NO_COLOR")),
            has_few_colours=colours is ColorSystem.STANDARD,
            has_all_colours=colours is ColorSystem.TRUECOLOR,
        )

    @property
    def colours(self) -> ColorSystem:
        """What the colours of a theme are to be made into."""
        if self.has_few_colours:
            return ColorSystem.STANDARD
        return ColorSystem.TRUECOLOR if self.has_all_colours else ColorSystem.EIGHT_BIT

    def theme(self, wanted: str, remembered: str, known: Collection[str]) -> str:
        """The theme of the settings, else the one remembered, else one that suits. Raises BadSettings for one that is not
        known. A theme remembered from a better terminal is not for one of 16 colours.
        """
        if wanted and wanted not in known:
            raise BadSettings(f"there is no theme `{escape(wanted)}`{suggestion(wanted, sorted(known))}")
        if self.has_no_colour:
            return "ansi-dark"
        is_fit = remembered in known and (remembered.startswith("ansi-") or not self.has_few_colours)
        return wanted or (remembered if is_fit else "ansi-dark" if self.has_few_colours else "textual-dark")

    @property
    def filters(self) -> list[LineFilter]:
        """What every line goes through before it is drawn."""
        return [_Colourless()] * self.has_no_colour + [_PlainAscii()] * self.is_ascii


def _is_utf8(name: str) -> bool:
    return "utf8" in name.lower().replace("-", "")


def _colours(environment: Mapping[str, str]) -> ColorSystem:
    """The most that the terminal shows. TEXTUAL_COLOR_SYSTEM says it outright, as in a browser (`textual serve`)."""
    named = _SYSTEMS.get(environment.get("TEXTUAL_COLOR_SYSTEM", ""))
    if named is not None:
        return named
    term = environment.get("TERM", "").lower()
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") and term != "linux":
        # GNU screen takes the numbers of a colour of 24 bits for blinking and the like; tmux may go by the same name.
        is_gnu_screen = term.startswith("screen") and environment.get("TERM_PROGRAM") != "tmux"
        return ColorSystem.EIGHT_BIT if is_gnu_screen else ColorSystem.TRUECOLOR
    if term.endswith(("-direct", "truecolor")) or any(name in term for name in _ALL_COLOURS):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if "256color" in term else ColorSystem.STANDARD


class _Colourless(LineFilter):
    """Takes all colours away, also the codes for the terminal's own; bold, reverse and the like stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [Segment(text, style and _without_colour(style), control) for text, style, control in segments]


@lru_cache(1024)
def _without_colour(style: Style) -> Style:
    return style.without_color


class _PlainAscii(LineFilter):
    """Replaces every character that is not ASCII, cell by cell: our own signs by look-alikes, all else by `?`."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [segment if segment.text.isascii() else _in_ascii(segment) for segment in segments]


def _in_ascii(segment: Segment) -> Segment:
    text = "".join(each if each.isascii() else "?" * cell_len(each) for each in segment.text.translate(_ASCII))
    # Characters that are drawn as one may be narrower than their sum.
    return Segment(set_cell_size(text, cell_len(segment.text)), segment.style, segment.control)
