"""What to change, as reports show it: the sentences of fixes, their edits to be read, and what is too small to be told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from layerscope.advice.advice import Advice, Fix
from layerscope.analysis import Analysis
from layerscope.masking import masked
from layerscope.units import percent_text, size_text
from layerscope.wording.style import Style, cut_end, wrapped

FIXES_SHOWN = 10
TRIFLE_BYTES = 1_000_000
TRIFLE_SHARE = 0.01
"""Fixes that save less than both, of the image's content, are told together."""
_REMARK = re.compile(r"^(@@ [-+,0-9 ]+ @@).*", re.MULTILINE)
_COLORS = {"+": "green", "-": "red", "@": "dim"}


def split_trifles(fixes: tuple[Fix, ...], content_bytes: int) -> tuple[tuple[Fix, ...], tuple[Fix, ...]]:
    """Divide fixes, the biggest first, into those that are told one by one and those that are told together.

    The biggest is always told, and a single trifle like the others.
    """
    least = min(TRIFLE_BYTES, TRIFLE_SHARE * content_bytes)
    count = max(sum(fix.size >= least for fix in fixes), 1)
    return (fixes, ()) if len(fixes) <= count + 1 else (fixes[:count], fixes[count:])


def more_fixes_text(count: int) -> str:
    """Say how many fixes are left out: `1 more fix`, `3 more fixes`."""
    return "1 more fix" if count == 1 else f"{count:,} more fixes"


def edit_lines(fix: Fix) -> list[str]:
    """Return a fix's edit to be read, unescaped: its diff without secrets, and without the remarks that repeat its sentence."""
    return masked(_REMARK.sub(r"\1", fix.patch)).removesuffix("\n").split("\n") if fix.patch else []


def holds_secret(fix: Fix) -> bool:
    """Tell whether a fix's edit holds what looks like a secret, so that it must not stand in a report as it is."""
    return masked(fix.patch) != fix.patch


def fix_lines(
    advice: Advice, analysis: Analysis, style: Style, *, limit: int = FIXES_SHOWN, has_edits: bool = False
) -> Iterator[str]:
    """Yield lines with the `limit` biggest fixes, then why others could not be found; nothing if there is nothing to say.

    Each line fits into `style.width` cells, but those of the edits that `has_edits` adds. Trifles are only counted.
    """
    told, _ = split_trifles(advice.fixes, analysis.waste.content_bytes)
    limit = min(limit, len(told))
    fixes, rest = advice.fixes[:limit], advice.fixes[limit:]
    if fixes:
        yield _fixes_heading(advice, analysis, style)
    for fix in fixes:
        for number, line in enumerate(wrapped(style.name(style.plain(fix.sentence)), style.width - 12)):
            figure = size_text(fix.size) if number == 0 else ""
            yield f"  {style.paint(f'{figure:>8}', 'magenta')}  {line}"
        if has_edits:
            for line in edit_lines(fix):
                yield f"            {style.paint(style.name(line), *filter(None, [_COLORS.get(line[:1])]))}"
    if rest:
        yield style.paint(f"  {size_text(sum(fix.size for fix in rest)):>8}  in {more_fixes_text(len(rest))}", "dim")
    for note in advice.notes:
        yield from wrapped(style.name(note), style.width)


def _fixes_heading(advice: Advice, analysis: Analysis, style: Style) -> str:
    """Return the heading of the fixes, with what all of them save.

    That may be more than is wasted: caches that a container sees are not waste.
    """
    saved = sum(fix.size for fix in advice.fixes)
    share = percent_text(min(saved / max(analysis.waste.content_bytes, 1), 1.0))
    title = "What to change"
    figures = cut_end(f"  ({size_text(saved)}, {share} of the image)", style.width - len(title), mark=style.plain("…"))
    return style.paint(title, "bold") + style.paint(figures, "dim")
