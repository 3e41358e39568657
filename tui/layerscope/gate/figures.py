"""Measured figures and limits as text that never looks equal where the numbers differ."""

from __future__ import annotations

from layerscope.gate.verdict import RuleResult, Unit
from layerscope.units import size_text

_MOST_DIGITS = 12


def figure_text(value: float, unit: Unit, *, digits: int = 1) -> str:
    """Format a figure: `383 MB`, `62.8%`, `10`."""
    if unit is Unit.BYTES:
        return size_text(int(value))
    return f"{100 * value:.{digits}f}%" if unit is Unit.SHARE else f"{int(value):,}"


def exact_text(value: float, unit: Unit) -> str:
    """Format a figure to the last byte."""
    return f"{int(value):,} B" if unit is Unit.BYTES else figure_text(value, unit, digits=_MOST_DIGITS)


def measured_and_limit(result: RuleResult) -> tuple[str, str]:
    """Format both with as many digits as it takes to tell them apart; an estimate gets a ≈ in front."""
    measured, limit = _told_apart(result)
    return f"≈{measured}" if result.is_estimate else measured, limit


def _told_apart(result: RuleResult) -> tuple[str, str]:
    measured, limit, unit = result.measured, result.limit, result.unit
    pair = figure_text(measured, unit), figure_text(limit, unit)
    digits = 2
    while measured != limit and pair[0] == pair[1] and unit is Unit.SHARE and digits <= _MOST_DIGITS:
        pair = figure_text(measured, unit, digits=digits), figure_text(limit, unit, digits=digits)
        digits += 1
    if measured != limit and pair[0] == pair[1]:
        return exact_text(measured, unit), exact_text(limit, unit)
    return pair


def margin_text(result: RuleResult) -> str:
    """Format how far inside (+) or beyond (-) the limit a figure is: `+1.20 MB`, `-27.2%` (percentage points), `0`."""
    margin, unit = result.margin, result.unit
    if unit is not Unit.SHARE:
        return ("+" if margin > 0 else "") + figure_text(margin, unit)
    digits = 1
    while margin and digits < _MOST_DIGITS and not float(f"{100 * margin:.{digits}f}"):
        digits += 1
    return f"{100 * margin:+.{digits}f}%" if margin else "0%"
