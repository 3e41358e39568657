"""Judges one rule: compares a measured figure with its limit and applies waivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import reduce

import numpy as np

from layerscope.gate.config import Waiver
from layerscope.gate.quantities import measured_and_limit
from layerscope.gate.subject import NodeMask, Subject
from layerscope.gate.verdict import Finding, Outcome, RuleResult, RuleSeverity, Unit
from layerscope.text import escape

SOON = timedelta(days=14)
"""How long before its last day a waiver is announced."""
_MOST_OF_PASSED = 5
"""Findings listed for a rule that passed: only the biggest."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule measured: a figure, and findings that name the layers or paths it comes from.

    `remark` is added to the sentence of the result; `doubt`, where not empty, says why there is no figure. `is_each`: the limit
    is for each finding, and only findings beyond it are reported. `is_estimate`: the figure is shown with a ≈. `is_most`: the
    true figure is not known, but no more than this; if this is beyond the limit, that is a doubt.
    """

    value: float
    findings: tuple[Finding, ...] = ()
    remark: str = ""
    doubt: str = ""
    is_each: bool = False
    is_estimate: bool = False
    is_most: bool = False


Measuring = Callable[[NodeMask | None], Measured]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about one figure: what is measured (`noun`) and its limit. The other fields are those of RuleResult."""

    key: str
    name: str
    noun: str
    unit: Unit
    limit: float
    origin: str
    severity: RuleSeverity = RuleSeverity.ERROR
    is_floor: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a figure keeps the limit: one that equals the limit does, NaN never does."""
        return value >= self.limit if self.is_floor else value <= self.limit


@dataclass(slots=True, eq=False)
class Judge:
    """Judges the rules for one image on one day, and records doubts and which waivers were used."""

    subject: Subject
    waivers: tuple[Waiver, ...]
    today: date
    doubts: list[str] = field(default_factory=list)
    used: set[Waiver] = field(default_factory=set)

    def judge(self, rule: Rule, measure: Measuring) -> RuleResult:
        """Judge a rule: measure, and if it is broken, measure again without what is waived.

        `measure` gets a mask of the nodes to leave out, or None.
        """
        measured = measure(None)
        if measured.doubt:
            self.doubts.append(f"{rule.name}: {measured.doubt}.")
            return unjudged(rule, measured.value, measured.doubt)
        if rule.holds(measured.value):
            return self._result(rule, measured, Outcome.PASSED)
        if measured.is_most:
            self.doubts.append(f"{rule.name}: {measured.remark}.")
            return unjudged(rule, measured.value, measured.remark)
        waivers = [waiver for waiver in self.waivers if waiver.rule == rule.key and waiver.until >= self.today]
        if any(not waiver.path for waiver in waivers):
            return self._waived(rule, measured, [waiver for waiver in waivers if not waiver.path])
        return self._judge_rest(rule, measured, waivers, measure)

    def judge_figure(self, rule: Rule, measured: Measured) -> RuleResult:
        """Judge a rule by a figure from which no path can be left out: only a waiver of the whole rule applies."""
        return self.judge(rule, lambda _excluded: measured)

    def _judge_rest(self, rule: Rule, measured: Measured, waivers: list[Waiver], measure: Measuring) -> RuleResult:
        """Judge a broken rule again without the paths that waivers name; a waiver that changes nothing is not used."""
        waivers = [waiver for waiver in waivers if measure(self.subject.fitting(waiver.path)).value != measured.value]
        if waivers:
            rest = measure(reduce(np.logical_or, (self.subject.fitting(waiver.path) for waiver in waivers)))
            if rule.holds(rest.value):
                return self._waived(rule, measured, waivers)
            measured = rest
        outcome = Outcome.WARNED if rule.severity is RuleSeverity.WARN else Outcome.FAILED
        return self._result(rule, measured, outcome, waivers)

    def _waived(self, rule: Rule, measured: Measured, waivers: list[Waiver]) -> RuleResult:
        return self._result(rule, measured, Outcome.WAIVED, waivers)

    def _result(self, rule: Rule, measured: Measured, outcome: Outcome, waivers: list[Waiver] | None = None) -> RuleResult:
        self.used.update(waivers or ())
        findings = measured.findings[:_MOST_OF_PASSED] if outcome is Outcome.PASSED else measured.findings
        if measured.is_each and outcome is not Outcome.PASSED:
            findings = tuple(finding for finding in findings if finding.size > rule.limit)
        result = replace(_bare_result(rule, measured.value, outcome), is_estimate=measured.is_estimate)
        remark = f" ({measured.remark})" if measured.remark else ""
        sentence = f"{_capital(rule.noun)}: {' '.join(_against(result))}{remark}."
        return replace(result, sentence=sentence, findings=findings, waivers=tuple(map(waiver_text, waivers or ())))

    def expired(self) -> Iterator[RuleResult]:
        """Yield a failed result for every waiver whose last day is past: nobody decided to extend it."""
        for waiver in self.waivers:
            late = (self.today - waiver.until).days
            if late > 0:
                rule = Rule("waive", waiver.name, "days past its end", Unit.COUNT, 0, waiver.origin)
                sentence = f"The waiver expired on {waiver.until}; it was for this: {escape(waiver.reason)}."
                yield replace(_bare_result(rule, late, Outcome.FAILED), sentence=sentence)

    def notes(self) -> Iterator[str]:
        """Yield a note on each used waiver that ends soon, and on each waiver that no rule needs."""
        for waiver in self.waivers:
            if self.today <= waiver.until <= self.today + SOON and waiver in self.used:
                yield f"{escape(waiver.name)} ends on {waiver.until}: {escape(waiver.reason)}."
            elif waiver.until >= self.today and waiver not in self.used:
                yield f"{escape(waiver.name)}: nothing needs this waiver; it can be removed from {escape(waiver.origin)}."


def unjudged(rule: Rule, value: float, why: str) -> RuleResult:
    """Build the result of a rule that was not judged; `why` completes the sentence `NOUN: not judged, because ...`."""
    return replace(_bare_result(rule, value, Outcome.UNJUDGED), sentence=f"{_capital(rule.noun)}: not judged, because {why}.")


def waiver_text(waiver: Waiver) -> str:
    """Describe a waiver in a sentence."""
    what = f" for {escape(waiver.path)}" if waiver.path else ""
    return f"Waived{what} until {waiver.until}: {escape(waiver.reason)}."


def _bare_result(rule: Rule, value: float, outcome: Outcome) -> RuleResult:
    return RuleResult(
        key=rule.key,
        name=rule.name,
        outcome=outcome,
        severity=rule.severity,
        unit=rule.unit,
        measured=value,
        limit=rule.limit,
        is_floor=rule.is_floor,
        origin=rule.origin,
        sentence="",
    )


def _capital(noun: str) -> str:
    return noun[:1].upper() + noun[1:]


def _against(result: RuleResult) -> Iterator[str]:
    measured, limit = measured_and_limit(result)
    yield f"{measured},"
    yield "at least" if result.is_floor else "at most"
    yield limit
