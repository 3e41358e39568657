"""Growth rules: an image compared with a baseline, and which directories and layers grew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from layerscope.gate.baseline import Baseline, Spent, baseline_of, named_text
from layerscope.gate.config import GROWTH_KEYS, KEYS, GateConfig, TableRule
from layerscope.gate.judge import Judge, Measured, Rule
from layerscope.gate.quantities import Growth
from layerscope.gate.verdict import Finding, RuleResult, RuleSeverity, Unit
from layerscope.masking import masked, without_build_arguments
from layerscope.units import size_text

MOST = 10
_EXPLAINED = 0.9
"""A directory is left out when one below it accounts for this share of its growth."""
_OTHER_BASE = "the base is known on one side only; give both the same --base"


def growth_results(judge: Judge, config: GateConfig, before: Baseline) -> Iterator[RuleResult]:
    """Judge the growth rules against the baseline `before`: single values in the order of KEYS, then directories."""
    directories = config.rows("directory-growth")
    after = baseline_of(judge.subject, named=[each.about for each in directories])
    for name in GROWTH_KEYS:
        limit = config.limits.get(name)
        if limit is not None and isinstance(limit.value, Growth):
            old, new, doubt = _totals(name, before, after, is_derived=bool(judge.subject.analysis.base_known_by))
            rule = _rule(name, limit.value, old, limit.origin, limit.severity or RuleSeverity.ERROR)
            found = grown_layers(before, after) if name != "max-waste-growth" else ()
            found += grown_directories(before, after, is_waste=name == "max-waste-growth")
            measured = Measured(new - old, found, f"{size_text(old)} before, {size_text(new)} now", doubt)
            yield judge.judge_figure(rule, measured)
    for directory in directories:
        yield _directory_result(judge, directory, before, after)


def _rule(name: str, growth: Growth, old: int, origin: str, severity: RuleSeverity) -> Rule:
    return Rule(name, name, KEYS[name].noun, Unit.BYTES, growth.allowed(old), origin, severity)


def _totals(name: str, before: Baseline, after: Baseline, *, is_derived: bool) -> tuple[int, int, str]:
    """Return the bytes that a growth rule compares (before, now), and why they cannot be compared, empty if they can.

    Where the base is known now because it `is_derived`, and was not when the baseline was recorded, whole images are compared.
    """
    old, new = before.totals, after.totals
    is_alike = (old.base_layers is None) == (new.base_layers is None)
    if name == "max-growth" or (name == "max-own-growth" and old.base_layers is None and is_derived):
        return old.content_bytes, new.content_bytes, ""
    if name == "max-own-growth":
        return old.own_content_bytes, new.own_content_bytes, "" if is_alike else _OTHER_BASE
    if is_alike:
        return old.own_wasted_bytes, new.own_wasted_bytes, ""
    return old.wasted_bytes, new.wasted_bytes, ""


def _directory_result(judge: Judge, limit: TableRule, before: Baseline, after: Baseline) -> RuleResult:
    """Judge the growth of one directory.

    If the baseline does not list it because it was deep and small, its former size is unknown: that is a doubt.
    """
    assert isinstance(limit.limit, Growth), "a directory's growth is relative"
    path = named_text(limit.about)
    known, new = before.directories.get(path), after.directories[path].content_bytes
    doubt = (
        ""
        if known or path.count("/") <= before.depth
        else "the baseline lacks this directory; record it again with `layerscope baseline`"
    )
    old = known.content_bytes if known else 0
    noun, allowed = f"growth of {path}", limit.limit.allowed(old)
    rule = Rule("directory-growth", limit.name, noun, Unit.BYTES, allowed, limit.origin, limit.severity)
    inside = f"{path}/".encode()
    found = tuple(each for each in grown_directories(before, after) if (b"/%b" % (each.path or b"")).startswith(inside))
    return judge.judge_figure(rule, Measured(new - old, found, f"{size_text(old)} before, {size_text(new)} now", doubt))


def grown_layers(before: Baseline, after: Baseline) -> tuple[Finding, ...]:
    """List layers that are new or bigger than in the baseline, largest growth first.

    A layer whose diff_id both images have did not grow. The other layers are paired by their instruction, in order.
    """
    same = {layer.diff_id for layer in before.layers} & {layer.diff_id for layer in after.layers} - {""}
    waiting = defaultdict[str, list[int]](list)
    for layer in before.layers:
        if layer.diff_id not in same:
            # A baseline of an earlier version may still have build arguments and secrets.
            waiting[masked(without_build_arguments(layer.created_by))].append(layer.content_bytes)
    found = []
    for number, layer in enumerate(after.layers, 1):
        if layer.diff_id in same:
            continue
        old = waiting[layer.created_by].pop(0) if waiting[layer.created_by] else None
        grown = layer.content_bytes - (old or 0)
        if grown > 0:
            note = "a new layer" if old is None else f"{size_text(old)} before"
            found.append(Finding(layer=number, size=grown, note=note))
    return tuple(sorted(found, key=lambda finding: -finding.size)[:MOST])


def grown_directories(before: Baseline, after: Baseline, *, is_waste: bool = False) -> tuple[Finding, ...]:
    """List directories that grew since the baseline, largest growth first, without the root.

    A directory is left out if one below it explains nearly all of its growth. With `is_waste` the wasted bytes are compared.
    """
    grown = dict(_grown(before, after, is_waste=is_waste))
    children: dict[str, int] = {}
    for path, (growth, _) in grown.items():
        parent = _parent(path, grown)
        children[parent] = max(children.get(parent, 0), growth)
    found = [
        Finding(path=path[1:].encode(), size=growth, note=f"{size_text(old)} before")
        for path, (growth, old) in grown.items()
        if path != "/" and children.get(path, 0) < _EXPLAINED * growth
    ]
    return tuple(sorted(found, key=lambda finding: -finding.size)[:MOST])


def _grown(before: Baseline, after: Baseline, *, is_waste: bool) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield (path, (growth, former size)) for each directory that grew since the baseline.

    Deep directories missing from the baseline are left out: their former size is unknown.
    """
    for path, spent in after.directories.items():
        known = before.directories.get(path)
        if known is None and path.count("/") > before.depth:
            continue
        old, new = (_bytes(each, is_waste=is_waste) for each in (known, spent))
        if new > old:
            yield path, (new - old, old)


def _bytes(spent: Spent | None, *, is_waste: bool) -> int:
    if spent is None:
        return 0
    return spent.wasted_bytes if is_waste else spent.content_bytes


def _parent(path: str, among: dict[str, tuple[int, int]]) -> str:
    """Return the nearest ancestor of a directory that is in `among`; empty if none is."""
    while path not in ("/", ""):
        path = path.rpartition("/")[0]
        if (path or "/") in among:
            return path or "/"
    return ""
