"""Screens as SVG, still or moving: one file without scripts, fonts or addresses, which every browser draws alike.

Letters are text in whatever monospaced font there is, spaced to fit the cells; blocks and lines are shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, groupby
from typing import Any

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App

from support.cell_shapes import CELL, LINE, blocks, box, kind_of, strokes

FONT = "14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
BASELINE, MARGIN, BAR = 13, 12, 30
"""Of the letters in their cell; around the screen; of the window's bar and of the caption, in dots."""
WORDS = re.compile(r"\S+(?: \S+)*")

Row = tuple[Segment, ...]
Span = tuple[int, int]
"""The first frame in which something is shown, and the first in which it is not any more."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is around the screen: its title, and the colors of the paper, the letters and the keys."""

    title: str
    paper: str = "#121212"
    ink: str = "#e0e0e0"
    key: str = "#ffa62b"


@dataclass(frozen=True, slots=True)
class Frame:
    """What the screen shows for some seconds, and what is said of it; `key` is what was pressed to get there."""

    rows: tuple[Row, ...]
    seconds: float = 1.0
    key: str = ""
    caption: str = ""


def rows_of(app: App[Any]) -> tuple[Row, ...]:
    """What an app under a pilot shows."""
    strips = app.screen._compositor.render_strips(app.screen.size)
    return tuple(tuple(strip.simplify().discard_meta()) for strip in strips)


class Film:
    """Frames as one SVG. What stays from frame to frame is there once, what is the same in two places is drawn once."""

    def __init__(self, frames: Sequence[Frame], window: Window) -> None:
        self._frames, self._window = frames, window
        self._drawn: dict[str, str] = {}
        self._classes: dict[str, str] = {}
        self._whole: Span = (0, len(frames))

    def svg(self) -> str:
        """The whole file. It runs again and again; where nothing may move, it is the first frame."""
        first, spans = self._frames[0].rows, self._spans()
        width = round(sum(segment.cell_length for segment in first[0]) * CELL) + 2 * MARGIN
        height = BAR + len(first) * LINE + (BAR + 6 if any(frame.caption for frame in self._frames) else MARGIN)
        drawn = "\n".join(f'<g id="{name}">{shapes}</g>' for shapes, name in self._drawn.items())
        dots = "".join(f'<circle cx="{18 + 18 * dot}" cy="15" r="5" fill="#808080"/>' for dot in range(3))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img">\n'
            f"<title>{escape(self._window.title)}</title>\n<style>\n{self._rules(spans)}\n</style>\n<defs>\n{drawn}\n</defs>\n"
            f'<rect width="{width}" height="{height}" rx="8" fill="{self._window.paper}"/>\n{dots}\n'
            f'<g transform="translate({MARGIN} {BAR})">\n{self._shown(spans)}\n</g>\n</svg>\n'
        )

    def _spans(self) -> dict[Span, list[str]]:
        """What is shown, by when it is."""
        spans: dict[Span, list[str]] = {}
        lines = len(self._frames[0].rows)
        tracks = [([self._row(frame.rows[line]) for frame in self._frames], line * LINE) for line in range(lines)]
        for shapes, y in [*tracks, ([self._caption(frame) for frame in self._frames], lines * LINE + 6)]:
            for drawn, run in groupby(range(len(shapes)), shapes.__getitem__):
                frames = list(run)
                if drawn:
                    name = self._drawn.setdefault(drawn, f"r{len(self._drawn)}")
                    spans.setdefault((frames[0], frames[-1] + 1), []).append(f'<use href="#{name}" y="{y}"/>')
        return dict(sorted(spans.items()))

    def _shown(self, spans: dict[Span, list[str]]) -> str:
        looks = {span: "" if span == self._whole else f' class="f {_name(span)}"' for span in spans}
        return "\n".join(f"<g{looks[span]}>{''.join(parts)}</g>" for span, parts in spans.items())

    def _rules(self, spans: dict[Span, list[str]]) -> str:
        rules = [f"text{{font:{FONT}}}", "path{fill:none}", "rect:not([rx]){shape-rendering:crispEdges}"]
        rules += [f".{name}{{{style}}}" for style, name in self._classes.items()]
        times = list(accumulate((frame.seconds for frame in self._frames), initial=0.0))
        moving = [span for span in spans if span != self._whole]
        if moving:
            rules.append(f".f{{visibility:hidden;animation:{times[-1]:g}s step-end infinite}}")
            rules += [rule for span in moving for rule in _blinking(span, times)]
            rules.append("@media(prefers-reduced-motion:reduce){.f{animation:none}}")
        return "\n".join(rules)

    def _class(self, style: str) -> str:
        return f'class="{self._classes.setdefault(style, f"c{len(self._classes)}")}"'

    def _row(self, row: Row) -> str:
        """All backgrounds of a row, then what stands on them."""
        backs: list[str] = []
        fronts: list[str] = []
        column = 0
        for text, style, _control in row:
            ink, paper = self._colors(style or Style())
            if paper != self._window.paper:
                backs.append(box((column, 0, cell_len(text), 1), self._class(f"fill:{paper}")))
            fronts += self._pieces(text, style or Style(), ink, column)
            column += cell_len(text)
        return "".join(backs + fronts)

    def _colors(self, style: Style) -> tuple[str, str]:
        ink, paper = _hex(style.color, self._window.ink), _hex(style.bgcolor, self._window.paper)
        return (paper, ink) if style.reverse else (ink, paper)

    def _pieces(self, text: str, style: Style, ink: str, column: int) -> Iterator[str]:
        for kind, letters in groupby(text, kind_of):
            piece = "".join(letters)
            if kind == "block":
                for place, opacity in blocks(piece, column):
                    yield box(place, self._class(f"fill:{ink}" + (f";fill-opacity:{opacity}" if opacity < 1 else "")))
            elif kind == "stroke":
                yield f'<path {self._class(f"stroke:{ink}")} d="{strokes(piece, column)}"/>'
            else:
                for words in WORDS.finditer(piece):
                    look = f'{self._class(_font(style, ink))} y="{BASELINE}"'
                    yield _text(words[0], column + cell_len(piece[: words.start()]), look)
            column += cell_len(piece)

    def _caption(self, frame: Frame) -> str:
        """The key that was pressed, and what it does."""
        column, shapes = 1, ""
        if frame.key:
            width = cell_len(frame.key) + 2
            shapes = f'<rect y="2" width="{width * CELL:g}" height="22" rx="4" fill="{self._window.key}"/>'
            shapes += _text(frame.key, 1, f'y="18" font-weight="bold" fill="{self._window.paper}"')
            column += width
        return shapes + (_text(frame.caption, column, f'y="18" fill="{self._window.ink}"') if frame.caption else "")


def _hex(color: Color | None, default: str) -> str:
    return default if color is None or color.is_default else color.get_truecolor().hex


def _font(style: Style, ink: str) -> str:
    looks = {"font-weight:bold": style.bold, "font-style:italic": style.italic, "text-decoration:underline": style.underline}
    return ";".join(
        [f"fill:{ink}", *(look for look, is_so in looks.items() if is_so), *(["fill-opacity:.6"] * bool(style.dim))]
    )


def _text(text: str, column: int, look: str) -> str:
    """Text without spaces at its ends or next to one another, which are not kept."""
    return f'<text x="{column * CELL:g}" textLength="{cell_len(text) * CELL:g}" {look}>{escape(text, quote=False)}</text>'


def _name(span: Span) -> str:
    return f"s{span[0]}-{span[1]}"


def _blinking(span: Span, times: Sequence[float]) -> Iterator[str]:
    """Rules for what is to be seen during a span, each time the film runs."""
    name, hidden, seen = _name(span), "{visibility:hidden}", "{visibility:visible}"
    start, end = (f"{100 * times[frame] / times[-1]:.3f}%" for frame in span)
    steps = ("" if span[0] == 0 else f"0%{hidden}") + f"{start}{seen}" + ("" if span[1] == len(times) - 1 else f"{end}{hidden}")
    yield f"@keyframes {name}{{{steps}}}"
    yield f".{name}{{animation-name:{name}{';visibility:visible' if span[0] == 0 else ''}}}"
