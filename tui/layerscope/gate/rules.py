"""Each rule of the configuration -> its result; dive's three rules are compared strictly, as dive does, so that equality
passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from layerscope.gate.config import Budget, Forbid, GateConfig, MaxCause, Where
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


def forbid_result(judge: Judge, forbid: Forbid) -> RuleResult:
    """Judge that no path matches the glob. `measured` counts paths, or entries where every layer is searched."""
    where = "in any layer" if forbid.where is Where.ANYWHERE else "that a container sees"
    what = f"paths {where} that match {escape(forbid.path)}"
    rule = Rule("forbid", forbid.name, what, Unit.COUNT, 0, forbid.origin, forbid.severity)
    return judge.judge(rule, lambda excluded: _forbidden(judge.subject, forbid, excluded))


def _forbidden(subject: Subject, forbid: Forbid, excluded: NodeMask | None) -> Measured:
    mask = subject.fitting(forbid.path)
    if excluded is not None:
        mask = mask & ~excluded
    entries, implied = _entries_at(subject, mask, is_anywhere=forbid.where is Where.ANYWHERE)
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


def budget_result(judge: Judge, budget: Budget) -> RuleResult:
    """Judge the bytes that a container sees in a directory, or in all that matches a glob."""
    rule = Rule(
        "budget", budget.name, f"size of {escape(budget.path)}", Unit.BYTES, budget.size, budget.origin, budget.severity
    )
    return judge.judge(rule, lambda excluded: _spent(judge.subject, budget, excluded))


def _spent(subject: Subject, budget: Budget, excluded: NodeMask | None) -> Measured:
    mask = subject.fitting(budget.path)
    if excluded is not None:
        mask = mask & ~excluded
    entries, _ = _entries_at(subject, mask, is_anywhere=False)
    remark = "" if mask.any() else "nothing in the image matches"
    return Measured(subject.content_bytes_of(mask), entry_findings(subject, entries), remark)


def cause_result(judge: Judge, limit: MaxCause) -> RuleResult:
    """Judge the bytes wasted for one cause. Contents that could not be compared may belong to another cause, so they are a
    doubt.
    """
    noun = f"wasted, {limit.cause.word}"
    rule = Rule("max-cause", limit.name, noun, Unit.BYTES, limit.size, limit.origin, limit.severity)
    return judge.judge(rule, lambda excluded: _wasted_for(judge.subject, limit, excluded))


def _wasted_for(subject: Subject, limit: MaxCause, excluded: NodeMask | None) -> Measured:
    waste = subject.own_waste
    rows = waste.cause == limit.cause
    if excluded is not None:
        rows &= ~excluded[waste.node]
    waste = waste.part(rows)
    unread = len(subject.analysis.identity.problems)
    doubt = f"{count_text(unread, 'content')} could not be compared, so the cause is not known" if unread else ""
    return Measured(waste.wasted_bytes, waste_findings(subject, waste), doubt=doubt)


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
