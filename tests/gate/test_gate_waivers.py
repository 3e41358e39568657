"""What is let through for a while, and what becomes of it when its time is over."""

from __future__ import annotations

from datetime import date

import pytest

from layerscope.gate.verdict import Outcome
from support.gating import TODAY, judged, result
from support.image_builder import file, layer, whiteout

FORBID = '[[forbid]]\npath = "*.pem"\n'


def waiver(rule: str, path: str = "", until: str = "2026-12-31", reason: str = "soon") -> str:
    place = f'path = "{path}"\n' if path else ""
    return f'[[waive]]\nrule = "{rule}"\n{place}reason = "{reason}"\nuntil = {until}\n'


IMAGE = layer("a/x.pem", "b/y.pem")


def test_a_waived_path_does_not_break_the_rule() -> None:
    verdict = judged(FORBID + waiver("forbid", "*.pem"), IMAGE)
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.WAIVED, 0)
    assert result(verdict).waivers == ("Waived for *.pem until 2026-12-31: soon.",)
    assert result(verdict).measured == 2


def test_what_is_not_waived_still_breaks_the_rule() -> None:
    verdict = judged(FORBID + waiver("forbid", "/a/**"), IMAGE)
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.FAILED, 1)
    assert [finding.path for finding in result(verdict).findings] == [b"b/y.pem"]
    assert result(verdict).measured == 1


def test_waivers_add_up() -> None:
    verdict = judged(FORBID + waiver("forbid", "/a/**") + waiver("forbid", "y.pem"), IMAGE)
    assert result(verdict).outcome is Outcome.WAIVED
    assert len(result(verdict).waivers) == 2


def test_a_waiver_is_for_its_own_rule_only() -> None:
    text = f'{FORBID}[[budget]]\npath = "/a"\nmax = 0\n{waiver("budget", "/a/**")}'
    outcomes = {each.key: each.outcome for each in judged(text, IMAGE).results}
    assert outcomes == {"forbid": Outcome.FAILED, "budget": Outcome.WAIVED}


@pytest.mark.parametrize(
    "rule",
    [
        "min-efficiency = 1",
        "max-wasted = 0",
        "wasted-floor = 0\nmax-wasted-percent = 0",
        '[[max-cause]]\ncause = "deleted"\nmax = 0',
        "max-file-size = 10",
    ],
)
def test_waste_and_files_below_a_waived_path_are_not_charged(rule: str) -> None:
    layers = (layer(file("big/a", bytes(100)), file("small", bytes(10))), layer(whiteout("big/a")))
    assert judged(rule, *layers).exit_code == 1
    key = next(
        word for word in ("max-cause", "max-file-size", "max-wasted-percent", "max-wasted", "min-efficiency") if word in rule
    )
    verdict = judged(rule + "\n" + waiver(key, "/big"), *layers)
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.WAIVED, 0)


def test_a_rule_without_paths_is_waived_as_a_whole() -> None:
    verdict = judged("max-layers = 0\n" + waiver("max-layers"), IMAGE)
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.WAIVED, 0)


@pytest.mark.parametrize(("until", "code"), [(date(2026, 11, 26), 0), (TODAY, 0), (date(2026, 11, 24), 1)])
def test_a_waiver_holds_up_to_its_last_day(until: date, code: int) -> None:
    assert judged(FORBID + waiver("forbid", "*.pem", until=str(until)), IMAGE).exit_code == code


def test_an_expired_waiver_fails_even_when_nothing_needs_it() -> None:
    verdict = judged(FORBID + waiver("forbid", "*.pem", until="2026-11-24"), layer("nothing"))
    kept, expired = verdict.results
    assert (kept.outcome, expired.outcome, verdict.exit_code) == (Outcome.PASSED, Outcome.FAILED, 1)
    assert (expired.key, expired.name, expired.measured) == ("waive", "waive forbid *.pem", 1)
    assert expired.sentence == "The waiver expired on 2026-11-24; it was for this: soon."


def test_a_waiver_that_nothing_needs_is_said_and_one_that_ends_soon_too() -> None:
    notes = judged(FORBID + waiver("forbid", "*.pem", until="2026-11-30") + waiver("max-layers"), IMAGE).notes
    assert "waive forbid *.pem ends on 2026-11-30: soon." in notes
    assert "waive max-layers: nothing needs this waiver; it can be removed from layerscope.toml." in notes


def test_a_waiver_that_ends_later_is_not_spoken_of() -> None:
    notes = judged(FORBID + waiver("forbid", "*.pem", until="2027-06-30"), IMAGE).notes
    assert not any("ends on" in note for note in notes)


def test_the_reason_is_escaped() -> None:
    verdict = judged(FORBID + waiver("forbid", "*.pem", reason="\\u001b[2J"), IMAGE)
    assert result(verdict).waivers == ("Waived for *.pem until 2026-12-31: \\x1b[2J.",)
