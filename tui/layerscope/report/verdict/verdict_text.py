"""The gate's verdict for a terminal: each rule with its margin, then the worst offenders and what to change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

from layerscope.gate.quantities import margin_text, measured_and_limit
from layerscope.gate.verdict import Finding, Outcome, RuleResult, Verdict
from layerscope.report.fix_lines import fix_lines
from layerscope.report.image_text import fact_lines
from layerscope.report.verdict.gate_run import OUTCOMES, GateRun
from layerscope.text import escape
from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.sentences import pull_facts, step_text
from layerscope.wording.style import Style, cells, cut_end, cut_middle, wrapped

LINES = 24
"""Lines of a report that fit a terminal's height."""
MOST_FIXES = 3
_FEWEST_OFFENDERS, _MOST_OFFENDERS = 2, 6
_MOST_DOUBTS, _MOST_NOTES = 5, 4
_NAME = 32
_BROKEN = (Outcome.FAILED, Outcome.WARNED)

_WORDS = {
    "forbid": "forbidden",
    "budget": "in budget",
    "max-file-size": "file",
    "max-layer-size": "layer",
    "max-size": "layer",
    "max-own-size": "layer",
    "max-wire-size": "on the wire",
    "max-growth": "grew",
    "max-own-growth": "grew",
    "max-waste-growth": "waste grew",
    "directory-growth": "grew",
}


def gate_text(run: GateRun, style: Style, *, is_log: bool = False, has_edits: bool = False) -> str:
    """Format the whole verdict, each line within `style.width` cells; about a screenful unless there are many rules.

    A log, which nobody has to scroll at once, has all fixes, with `has_edits` each with its hunks.
    """
    head = [list(part(run, style)) for part in (_heading, _doubts, _rules)]
    notes = list(_notes(run, style))
    room = LINES - _height([*head, notes])
    if is_log or has_edits:
        fixes = list(fix_lines(run.advice, run.analysis, style, limit=len(run.advice.fixes), has_edits=has_edits))
    else:
        fixes = _fixes(run, style, room=room - _height([[""] * (1 + 2 * _FEWEST_OFFENDERS)]))
    offenders = list(_offenders(run, style, room=room - (0 if is_log else _height([fixes]))))
    blocks = [*head, offenders, fixes, notes]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _height(blocks: list[list[str]]) -> int:
    """Count the lines of the blocks that are not empty, each followed by an empty line."""
    return sum(len(block) + 1 for block in blocks if block)


def verdict_sentence(verdict: Verdict) -> str:
    """Summarize a verdict on one line, escaped: `FAILED: 2 of 5 rules are broken (max-size, forbid **/.git/**)`."""
    total, broken = len(verdict.results), verdict.failed
    if verdict.doubts:
        return f"COULD NOT JUDGE: {count_text(len(verdict.doubts), 'reason')}"
    if broken:
        names = ", ".join(escape(result.name) for result in broken)
        are = "is" if len(broken) == 1 else "are"
        return f"FAILED: {len(broken)} of {count_text(total, 'rule')} {are} broken ({names})"
    warned = sum(result.outcome is Outcome.WARNED for result in verdict.results)
    return f"PASSED: {count_text(total, 'rule')}" + (f", {count_text(warned, 'warning')}" if warned else "")


def _heading(run: GateRun, style: Style) -> Iterator[str]:
    image, waste = run.analysis.image, run.analysis.waste
    rest = style.plain(f" · {style.name(str(image.platform))[:30]} · {image.short_id}")
    name = cut_middle(style.name(image.name or image.reference), style.width - cells(rest), mark=style.plain("…"))
    yield style.paint(name, "bold") + rest
    facts = [
        f"{size_text(waste.content_bytes)} on disk",
        *pull_facts(run.analysis.pull_size),
        f"{size_text(waste.wasted_bytes)} wasted",
        f"{percent_text(waste.efficiency)} efficient",
    ]
    yield from map(style.plain, fact_lines(facts, style))
    color = "green" if run.verdict.has_passed else "red"
    sentence = style.name(verdict_sentence(run.verdict))
    yield style.paint(cut_end(sentence, style.width, mark=style.plain("…")), "bold", color)


def _doubts(run: GateRun, style: Style) -> Iterator[str]:
    yield from _listed(run.verdict.doubts, style, _MOST_DOUBTS)


def _listed(sentences: tuple[str, ...], style: Style, most: int) -> Iterator[str]:
    for sentence in sentences[:most]:
        lines = list(wrapped(style.name(style.plain(sentence)), style.width - 2))
        yield from (f"{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(lines))
    if len(sentences) > most:
        yield f"- and {len(sentences) - most} more (--json has all)"


def _rules(run: GateRun, style: Style) -> Iterator[str]:
    results = run.verdict.results
    if not results:
        return
    width = min(max(len("rule"), *(cells(style.name(result.name)) for result in results)), max(_NAME, style.width - 48))
    yield style.paint(f"        {'rule':<{width}}  {'measured':>10}  {'limit':>12}  {'margin':>10}", "dim")
    for result in results:
        yield _rule(result, width, style)
        for waiver in result.waivers:
            yield cut_end(f"        {style.name(waiver)}", style.width, mark=style.plain("…"))


def _rule(result: RuleResult, width: int, style: Style) -> str:
    mark = OUTCOMES[result.outcome]
    name = cut_middle(style.name(result.name), width, mark=style.plain("…"))
    measured, limit = measured_and_limit(result)
    bound = f"{'min' if result.is_floor else 'max'} {limit}"
    margin = "not judged" if result.outcome is Outcome.UNJUDGED else margin_text(result)
    figures = f"{style.plain(measured):>10}  {bound:>12}  {margin:>10}"
    return style.paint(f"{mark.column:<6}", mark.color) + f"  {name}{' ' * (width - cells(name))}  {figures}".rstrip()


def _offenders(run: GateRun, style: Style, *, room: int) -> Iterator[str]:
    results = run.verdict.results
    broken = [result for outcome in _BROKEN for result in results if result.outcome is outcome]
    # What grew within its limit is nobody's offense.
    if not broken:
        broken = [each for each in results if each.outcome is not Outcome.PASSED or not each.key.endswith("growth")]
    turns = zip_longest(*([(result, finding) for finding in result.findings] for result in broken))
    found: dict[tuple[object, ...], tuple[RuleResult, Finding]] = {}
    for result, finding in filter(None, chain.from_iterable(turns)):
        found.setdefault((finding.path, finding.layer, finding.buried_by, finding.cause), (result, finding))
    if not found:
        return
    yield style.paint("Worst offenders", "bold") + style.paint(style.plain("  (written by → buried by)"), "dim")
    count = min(max((room - 1) // 2, _FEWEST_OFFENDERS), _MOST_OFFENDERS)
    for result, finding in list(found.values())[:count]:
        yield from _offender(run, result, finding, style)


def _offender(run: GateRun, result: RuleResult, finding: Finding, style: Style) -> Iterator[str]:
    word = finding.cause.word if finding.cause is not None else _WORDS.get(result.key, "")
    start = style.plain(f"  {size_text(finding.size):>8}  {word:<11}  {_layers(finding):>9}  ")
    path = "" if finding.path is None else "/" + style.name(finding.path)
    yield (start + cut_middle(path, style.width - cells(start), mark=style.plain("…"))).rstrip()
    more = style.plain(" · ").join(part for part in (finding.note, _instruction(run, finding, style)) if part)
    if more:
        yield style.paint(cut_end(" " * 12 + more, style.width, mark=style.plain("…")), "dim")


def _instruction(run: GateRun, finding: Finding, style: Style) -> str:
    """Return the instruction to change: that of the layer which buried the bytes, else of the one which wrote them."""
    number = finding.buried_by or finding.layer
    if not number:
        return ""
    return style.name(step_text(run.analysis.image.layers[number - 1].history)) or "(no history)"


def _layers(finding: Finding) -> str:
    if finding.layer is None:
        return ""
    return f"{finding.layer:>3} → {finding.buried_by:<3}" if finding.buried_by else f"{finding.layer:>3}      "


def _fixes(run: GateRun, style: Style, *, room: int) -> list[str]:
    """Return the lines of as many fixes as fit into `room` lines, at least of one."""
    lines: list[str] = []
    for limit in range(MOST_FIXES, 0, -1):
        lines = list(fix_lines(run.advice, run.analysis, style, limit=limit))
        if len(lines) < room:
            break
    return lines


def _notes(run: GateRun, style: Style) -> Iterator[str]:
    yield from _listed(run.verdict.notes, style, _MOST_NOTES)
