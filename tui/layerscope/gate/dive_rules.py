"""dive's three rules, judged on dive's figures the way dive does: comparisons are strict, so equality passes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from layerscope.gate.config import GateConfig
from layerscope.gate.judge import Judge, Rule
from layerscope.gate.measures import Measured
from layerscope.gate.verdict import RuleResult, Unit

_NOUNS = {
    "lowestEfficiency": ("dive's efficiency", Unit.SHARE, True),
    "highestWastedBytes": ("dive's wasted bytes", Unit.BYTES, False),
    "highestUserWastedPercent": ("dive's wasted share of the layers above the first", Unit.SHARE, False),
}


def dive_results(judge: Judge, config: GateConfig) -> Iterator[RuleResult]:
    """Judge the rules that are not disabled. A figure that is not a number becomes a doubt, where dive itself lets it pass."""
    if not any(limit.value is not None for limit in config.dive.values()):
        return
    figures = judge.subject.analysis.dive
    values = {
        "lowestEfficiency": figures.efficiency_score,
        "highestWastedBytes": figures.inefficient_bytes,
        "highestUserWastedPercent": figures.user_wasted_percent,
    }
    for key, limit in config.dive.items():
        if limit.value is not None:
            noun, unit, is_floor = _NOUNS[key]
            rule = Rule(key, key, noun, unit, limit.value, limit.origin, is_floor=is_floor)
            yield judge.judge_figure(rule, _measured(values[key]))


def dive_notes(config: GateConfig, judge: Judge) -> Iterator[str]:
    """Note what is odd about dive's figures, if a rule uses them."""
    if any(limit.value is not None for limit in config.dive.values()) and judge.subject.analysis.dive.note:
        yield judge.subject.analysis.dive.note


def _measured(value: float) -> Measured:
    if math.isnan(value):
        return Measured(0, doubt="dive's figure is NaN, 0 divided by 0: no layer above the first holds a byte")
    if math.isinf(value):
        return Measured(0, doubt="dive's figure is infinite: bytes are wasted, but no layer above the first holds any")
    return Measured(value)
