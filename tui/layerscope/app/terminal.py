"""What the terminal can show: colours, or none; all characters, or ASCII alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
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
        **dict(zip("…·→←↑↓≈▾▸▶◆•✓⭘°—", "~|><^v~v>>**xoo-", strict=True)),
    }
)


@dataclass(frozen=True, slots=True)
class Terminal:
    """What to draw with."""

    is_ascii: bool = False
    has_no_colour: bool = False
    has_few_colours: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Terminal:
        """By the locale (POSIX: LC_ALL before LC_CTYPE before LANG), NO_COLOR, TERM and COLORTERM."""
        locale = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
        term = environment.get("TERM", "")
        is_rich = environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith(
            ("256color", "direct", "kitty", "alacritty", "ghostty", "truecolor")
        )
        return cls(
            is_ascii="utf8" not in locale.lower().replace("-", ""),
            has_no_colour=bool(environment.get("NO_COLOR")),
            has_few_colours=not is_rich,
        )

    def theme(self, wanted: str, remembered: str, known: Collection[str]) -> str:
        """The theme of the settings, else the one remembered, else one that suits. Raises BadSettings for one that is not
        known.
        """
        if wanted and wanted not in known:
            raise BadSettings(f"there is no theme `{escape(wanted)}`{suggestion(wanted, sorted(known))}")
        if self.has_no_colour:
            return "ansi-dark"
        chosen = wanted or (remembered if remembered in known else "")
        return chosen or ("ansi-dark" if self.has_few_colours else "textual-dark")


class _PlainAscii(LineFilter):
    """Replaces every character that is not ASCII, cell by cell: our own signs by look-alikes, all else by `?`."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [segment if segment.text.isascii() else _in_ascii(segment) for segment in segments]


def _in_ascii(segment: Segment) -> Segment:
    text = "".join(each if each.isascii() else "?" * cell_len(each) for each in segment.text.translate(_ASCII))
    return Segment(text, segment.style, segment.control)


def plain_ascii() -> LineFilter:
    """The filter for terminals that show ASCII alone."""
    return _PlainAscii()
