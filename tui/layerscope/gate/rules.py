"""Each rule of the configuration -> its result; dive's three rules are compared strictly, as dive does, so that equality
passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from layerscope.gate.config import CAUSES, GateConfig, TableRule
from layerscope.gate.judge import Judge, Rule, unjudged
from layerscope.gate.measures import MEASURES, Measured
from layerscope.gate.offenders import entry_findings, waste_findings
from layerscope.gate.rule_keys import FLOOR, KEYS
from layerscope.gate.subject import NodeMask, Subject
from layerscope.gate.verdict import Finding, RuleResult, RuleSeverity, Unit
from layerscope.text import escape
from layerscope.tree.tree import Longs
from layerscope.units import count_text, size_text


def limit_results(judge: Judge, config: GateConfig) -> Iterator[RuleResult]:
    """Judge the single-value keys in the order of KEYS, without those of growth."""
    for name, measure in MEASURES.items():
        limit = config.limits.get(name)
        if limit is None or not isinstance(limit.value, int | float):
            continue
        key = KEYS[name]
        severity = limit.severity or RuleSeverity.ERROR
        assert key.unit is not None, "what is measured has a unit"
        rule = Rule(name, name, key.noun, key.unit, limit.value, limit.origin, severity, key.is_floor)
        floor = _floor(config) if name == "max-wasted-percent" else -1
        if judge.subject.own_waste.wasted_bytes <= floor:
            share = measure(judge.subject, None).value
            wasted = size_text(judge.subject.own_waste.wasted_bytes)
            yield unjudged(rule, share, f"{wasted} wasted is not above {FLOOR}, {size_text(floor)}")
        else:
            yield judge.judge(rule, partial(measure, judge.subject))


def _floor(config: GateConfig) -> int:
    """Return the `min-wasted` floor; 0 where it is off, so that every wasted byte is judged."""
    floor = config.limit(FLOOR)
    return floor if isinstance(floor, int) else 0


def table_results(judge: Judge, config: GateConfig) -> Iterator[RuleResult]:
    """Judge what is forbidden, then budgets, then limits of causes."""
    for key, (unit, noun, measure) in _TABLES.items():
        for row in config.rows(key):
            assert isinstance(row.limit, int), "only growth is relative"
            rule = Rule(key, row.name, noun(row), unit, row.limit, row.origin, row.severity)
            yield judge.judge(rule, partial(measure, judge.subject, row))


def _forbidden_noun(forbid: TableRule) -> str:
    where = "in any layer" if forbid.is_anywhere else "that a container sees"
    return f"paths {where} that match {escape(forbid.about)}"


def _forbidden(subject: Subject, forbid: TableRule, excluded: NodeMask | None) -> Measured:
    """Count paths, or entries where every layer is searched."""
    mask = subject.fitting(forbid.about)
    if excluded is not None:
        mask = mask & ~excluded
    entries, implied = _entries_at(subject, mask, is_anywhere=forbid.is_anywhere)
    found = (*entry_findings(subject, entries), *implied)
    return Measured(len(entries) + len(implied), found)


def _entries_at(subject: Subject, mask: NodeMask, *, is_anywhere: bool) -> tuple[Longs, tuple[Finding, ...]]:
    """Return the entries of these nodes, and the directories among them that have no entry of their own."""
    tree, view = subject.analysis.tree, subject.last
    seen = np.flatnonzero(mask & view.is_visible)
    shown = view.entry[seen]
    implied = tuple(Finding(path=tree.nodes.paths[node]) for node in seen[shown < 0].tolist())
    if is_anywhere:
        # An entry that its own layer's tar buries gives no version, and can be pulled all the same.
        return np.flatnonzero(mask[tree.entry_node]), implied
    return shown[shown >= 0].astype(np.int64), implied


def _spent(subject: Subject, budget: TableRule, excluded: NodeMask | None) -> Measured:
    mask = subject.fitting(budget.about)
    if excluded is not None:
        mask = mask & ~excluded
    entries, _ = _entries_at(subject, mask, is_anywhere=False)
    remark = "" if mask.any() else "nothing in the image matches"
    return Measured(subject.content_bytes_of(mask), entry_findings(subject, entries), remark)


def _wasted_for(subject: Subject, limit: TableRule, excluded: NodeMask | None) -> Measured:
    """Add up the bytes wasted for a cause. Contents that could not be compared may belong to another, so they are a doubt."""
    waste = subject.own_waste
    rows = waste.cause == CAUSES[limit.about]
    if excluded is not None:
        rows &= ~excluded[waste.node]
    waste = waste.part(rows)
    unread = len(subject.analysis.identity.problems)
    doubt = f"{count_text(unread, 'content')} could not be compared, so the cause is not known" if unread else ""
    return Measured(waste.wasted_bytes, waste_findings(subject, waste), doubt=doubt)


_TABLES: dict[str, tuple[Unit, Callable[[TableRule], str], Callable[[Subject, TableRule, NodeMask | None], Measured]]] = {
    "forbid": (Unit.COUNT, _forbidden_noun, _forbidden),
    "budget": (Unit.BYTES, lambda budget: f"size of {escape(budget.about)}", _spent),
    "max-cause": (Unit.BYTES, lambda limit: f"wasted, {limit.about}", _wasted_for),
}
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
        if isinstance(limit.value, int | float):
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
