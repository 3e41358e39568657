"""What to change, as lines for a terminal: each fix with the bytes it saves."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.advice.advice import Advice, Fix
from layerscope.analysis import Analysis
from layerscope.units import percent_text, size_text
from layerscope.wording.style import Style, cut_end, wrapped

SHOWN = 10


def fix_lines(advice: Advice, analysis: Analysis, style: Style, *, limit: int = SHOWN) -> Iterator[str]:
    """Yield the biggest fixes, then why others could not be found; empty where there is nothing to say. Lines fit
    `style.width`.
    """
    fixes, rest = advice.fixes[:limit], advice.fixes[limit:]
    if fixes:
        yield _heading(advice, analysis, style)
    for fix in fixes:
        yield from _lines(fix, style)
    if rest:
        count = "1 more fix" if len(rest) == 1 else f"{len(rest):,} more fixes"
        yield style.paint(f"  {size_text(sum(fix.size for fix in rest)):>8}  in {count}", "dim")
    for note in advice.notes:
        yield from wrapped(style.name(note), style.width)


def _heading(advice: Advice, analysis: Analysis, style: Style) -> str:
    """Return the heading. Fixes may save more than is wasted: caches that a container sees are not waste."""
    saved = sum(fix.size for fix in advice.fixes)
    share = percent_text(min(saved / max(analysis.waste.content_bytes, 1), 1.0))
    title = "What to change"
    figures = cut_end(f"  ({size_text(saved)}, {share} of the image)", style.width - len(title), mark=style.plain("…"))
    return style.paint(title, "bold") + style.paint(figures, "dim")


def _lines(fix: Fix, style: Style) -> Iterator[str]:
    for number, line in enumerate(wrapped(style.name(style.plain(fix.sentence)), style.width - 12)):
        figure = size_text(fix.size) if number == 0 else ""
        yield f"  {style.paint(f'{figure:>8}', 'magenta')}  {line}"
