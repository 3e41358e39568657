"""Judges all rules except growth, and measures what each rule limits.

A measuring function takes the subject (the image) and a mask of the nodes that waivers leave out. dive's three rules are
compared strictly, as dive does, so that equality passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from layerscope.gate.config import CAUSES, FLOOR, KEYS, GateConfig, TableRule
from layerscope.gate.judge import Judge, Measured, Rule, unjudged
from layerscope.gate.subject import NodeMask, Subject, entry_findings, layer_findings, own_files, waste_findings
from layerscope.gate.verdict import Finding, RuleResult, RuleSeverity, Unit
from layerscope.layers.table import Problem
from layerscope.text import escape
from layerscope.tree.tree import Longs
from layerscope.units import count_text, size_text
from layerscope.waste.find import Waste

_NOUNS = {
    "lowestEfficiency": ("dive's efficiency", Unit.SHARE, True),
    "highestWastedBytes": ("dive's wasted bytes", Unit.BYTES, False),
    "highestUserWastedPercent": ("dive's wasted share of the layers above the first", Unit.SHARE, False),
}
Measure = Callable[[Subject, NodeMask | None], Measured]


def limit_results(judge: Judge, config: GateConfig) -> Iterator[RuleResult]:
    """Judge the rules that have a single value, such as `max-size`, in the order of KEYS. Growth rules are judged elsewhere."""
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
    """Return the limit of `wasted-floor`; 0 where it is off, so that every wasted byte is judged."""
    floor = config.limit(FLOOR)
    return floor if isinstance(floor, int) else 0


def table_results(judge: Judge, config: GateConfig) -> Iterator[RuleResult]:
    """Judge the rules that can be stated several times: `forbid`, then `budget`, then `max-cause`."""
    for key, (unit, noun, measure) in _TABLES.items():
        for row in config.rows(key):
            assert isinstance(row.limit, int), "only growth is relative"
            rule = Rule(key, row.name, noun(row), unit, row.limit, row.origin, row.severity)
            yield judge.judge(rule, partial(measure, judge.subject, row))


def _forbidden_noun(forbid: TableRule) -> str:
    where = "in any layer" if forbid.is_anywhere else "that a container sees"
    return f"paths {where} that match {escape(forbid.about)}"


def _forbidden(subject: Subject, forbid: TableRule, excluded: NodeMask | None) -> Measured:
    """Count what matches a forbidden glob: paths that a container sees or, with `is_anywhere`, the entries of all layers."""
    mask = subject.fitting(forbid.about)
    if excluded is not None:
        mask = mask & ~excluded
    entries, implied = _entries_at(subject, mask, is_anywhere=forbid.is_anywhere)
    found = (*entry_findings(subject, entries), *implied)
    return Measured(len(entries) + len(implied), found)


def _entries_at(subject: Subject, mask: NodeMask, *, is_anywhere: bool) -> tuple[Longs, tuple[Finding, ...]]:
    """Return the numbers of the entries at the nodes of a mask, and a finding for each visible directory without an entry.

    The entries are those that a container sees or, with `is_anywhere`, those of all layers. A directory has no entry where only
    paths below it imply it.
    """
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
    """Measure the bytes wasted for one cause. Contents that could not be compared are a doubt: their cause is not known."""
    waste = subject.own_waste
    rows = waste.cause == CAUSES[limit.about]
    if excluded is not None:
        rows &= ~excluded[waste.node]
    waste = waste.part(rows)
    uncompared = uncompared_text(subject.analysis.identity.problems)
    doubt = f"{uncompared}, so the cause is not known" if uncompared else ""
    return Measured(waste.wasted_bytes, waste_findings(subject, waste), doubt=doubt)


def uncompared_text(problems: Sequence[Problem]) -> str:
    """Say which contents were not compared, from the problems of a ContentIdentity; empty if all were."""
    unread = sum(bool(problem.path) for problem in problems)
    unfetched = len(problems) - unread
    parts = [f"{count_text(unread, 'content')} could not be compared"] if unread else []
    if unfetched:
        parts.append(f"contents of {count_text(unfetched, 'layer')} were not compared (--compare-contents fetches them)")
    return " and ".join(parts)


_TABLES: dict[str, tuple[Unit, Callable[[TableRule], str], Callable[[Subject, TableRule, NodeMask | None], Measured]]] = {
    "forbid": (Unit.COUNT, _forbidden_noun, _forbidden),
    "budget": (Unit.BYTES, lambda budget: f"size of {escape(budget.about)}", _spent),
    "max-cause": (Unit.BYTES, lambda limit: f"wasted, {limit.about}", _wasted_for),
}


def dive_results(judge: Judge, config: GateConfig) -> Iterator[RuleResult]:
    """Judge those of dive's rules that are not disabled. NaN and infinite figures become doubts, though dive lets NaN pass."""
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
    """Yield a note on what is odd about dive's figures, if one of dive's rules is on."""
    if any(limit.value is not None for limit in config.dive.values()) and judge.subject.analysis.dive.note:
        yield judge.subject.analysis.dive.note


def _measured(value: float) -> Measured:
    if math.isnan(value):
        return Measured(0, doubt="dive's figure is NaN, 0 divided by 0: no layer above the first holds a byte")
    if math.isinf(value):
        return Measured(0, doubt="dive's figure is infinite: bytes are wasted, but no layer above the first holds any")
    return Measured(value)


def _own_waste(subject: Subject, excluded: NodeMask | None) -> Waste:
    waste = subject.own_waste
    return waste if excluded is None else waste.part(~excluded[waste.node])


def _base_remark(subject: Subject) -> str:
    base = subject.base_wasted_bytes
    return f"the base's own {size_text(base)} of waste are not counted" if base else ""


def efficiency(subject: Subject, excluded: NodeMask | None) -> Measured:
    """Measure efficiency: the share of all content bytes that the author's layers did not bury (remove, replace or repeat)."""
    waste = _own_waste(subject, excluded)
    content = waste.content_bytes
    share = (content - waste.wasted_bytes) / content if content else 1.0
    return Measured(share, waste_findings(subject, waste), _base_remark(subject))


def wasted(subject: Subject, excluded: NodeMask | None) -> Measured:
    """Measure the bytes that the author's layers buried: removed, replaced or stored again."""
    waste = _own_waste(subject, excluded)
    return Measured(waste.wasted_bytes, waste_findings(subject, waste), _base_remark(subject))


def wasted_share(subject: Subject, excluded: NodeMask | None) -> Measured:
    """Measure the bytes that the author's layers buried, as a share of these layers' own content bytes.

    The share is 1 if these layers hold no content and yet bury some of the base's.
    """
    waste, own = _own_waste(subject, excluded), subject.own_content_bytes
    share = waste.wasted_bytes / own if own else float(waste.wasted_bytes > 0)
    return Measured(share, waste_findings(subject, waste), _base_remark(subject))


def size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    return Measured(subject.analysis.waste.content_bytes, layer_findings(subject))


def own_size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    unknown = "" if subject.analysis.base_layers is not None else "the base is not known, so this is the whole image"
    return Measured(subject.own_content_bytes, layer_findings(subject), unknown)


def wire_size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    """Measure the bytes that a pull of all layers moves, estimated for uncompressed layers. Unknown sizes are a doubt.

    Where no estimate is possible either, the stored bytes are measured, an upper bound (`is_most`).
    """
    analysis = subject.analysis
    unknown = [
        number
        for number, (size, table) in enumerate(zip(analysis.layer_sizes, analysis.contents.stack.tables, strict=True), 1)
        if table.unpacked_bytes and not size.stored_bytes
    ]
    if unknown:
        numbers = ", ".join(map(str, unknown))
        return Measured(0, doubt=f"the size on the wire is not known here (layer {numbers})")
    pull = analysis.pull_size
    is_unknown = pull.pull_bytes is None
    sizes = [size.stored_bytes if is_unknown else size.pull_bytes for size in analysis.layer_sizes]
    found = [Finding(layer=number, size=size or 0) for number, size in enumerate(sizes, 1)]
    findings = tuple(sorted(found, key=lambda each: -each.size))
    plain = f"{size_text(pull.stored_bytes)} stored, with layers that are uncompressed here"
    if pull.pull_bytes is None:
        remark = f"{plain}; a registry would store less, but how much is unknown"
        return Measured(pull.stored_bytes, findings, remark, is_most=True)
    return Measured(pull.pull_bytes, findings, f"estimated: {plain}" if pull.is_estimate else "", is_estimate=pull.is_estimate)


def layers(subject: Subject, _excluded: NodeMask | None) -> Measured:
    return Measured(len(subject.analysis.image.layers))


def layer_size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    found = layer_findings(subject)
    return Measured(found[0].size if found else 0, found, is_each=True)


def file_size(subject: Subject, excluded: NodeMask | None) -> Measured:
    found = entry_findings(subject, own_files(subject, excluded))
    return Measured(found[0].size if found else 0, found, is_each=True)


MEASURES: dict[str, Measure] = {
    "min-efficiency": efficiency,
    "max-wasted": wasted,
    "max-wasted-percent": wasted_share,
    "max-size": size,
    "max-wire-size": wire_size,
    "max-own-size": own_size,
    "max-layers": layers,
    "max-layer-size": layer_size,
    "max-file-size": file_size,
}
