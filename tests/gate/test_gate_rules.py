"""Every rule at its limit, just inside and just outside."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.gate.evaluate import evaluate
from layerscope.gate.verdict import Outcome, RuleSeverity, Unit
from layerscope.layers.table import Problem
from layerscope.sources.open import open_image
from layerscope.waste.find import Cause
from support.gating import TODAY, analyzed, config, judged, result
from support.image_builder import Layer, directory, file, hardlink, image, layer, opaque, whiteout

KEPT = layer(file("d/kept", bytes(700)), file("gone", bytes(300)))
STACK = (KEPT, layer(whiteout("gone")))
"""1,000 content bytes, of which 300 are wasted; 70 % efficient."""


@dataclass(frozen=True)
class Case:
    """A rule of `text`, in which `%s` is its limit: it passes at `inside` and `at`, and fails at `outside`."""

    text: str
    inside: object
    at: object
    outside: object
    layers: tuple[Layer, ...] = STACK
    base: int | None = None


FORBIDDEN = (layer("a/x.pem", "b"),)
CASES = {
    "min-efficiency": Case("min-efficiency = %s", 0.699, 0.7, 0.701),
    "max-wasted": Case("max-wasted = %s", 301, 300, 299),
    "max-wasted-percent": Case("wasted-floor = 0\nmax-wasted-percent = %s", 0.301, 0.3, 0.299),
    "max-size": Case("max-size = %s", 1001, 1000, 999),
    "max-own-size": Case("max-own-size = %s", 8, 7, 6, (*STACK, layer(file("own", bytes(7)))), 2),
    "max-layers": Case("max-layers = %s", 3, 2, 1),
    "max-layer-size": Case("max-layer-size = %s", 1001, 1000, 999),
    "max-file-size": Case("max-file-size = %s", 701, 700, 699),
    "budget of a directory": Case('[[budget]]\npath = "/d"\nmax = %s', 701, 700, 699),
    "budget of a glob": Case('[[budget]]\npath = "**/kept"\nmax = %s', 701, 700, 699),
    "max-cause": Case('[[max-cause]]\ncause = "deleted"\nmax = %s', 301, 300, 299),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_rule_passes_inside_and_at_its_limit_and_fails_outside(case: Case) -> None:
    for limit, outcome, code in (
        (case.inside, Outcome.PASSED, 0),
        (case.at, Outcome.PASSED, 0),
        (case.outside, Outcome.FAILED, 1),
    ):
        verdict = judged(case.text % limit, *case.layers, base=case.base)
        assert (result(verdict).outcome, verdict.exit_code) == (outcome, code)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_margin_is_positive_inside_nothing_at_the_limit_and_negative_outside(case: Case) -> None:
    inside, at, outside = (
        result(judged(case.text % limit, *case.layers, base=case.base)).margin for limit in (case.inside, case.at, case.outside)
    )
    assert inside > 0 == at > outside


def test_the_size_on_the_wire_of_plain_layers_is_an_estimate_and_says_so() -> None:
    size = analyzed(*STACK).pull_size
    assert size.pull_bytes is not None
    assert 0 < size.pull_bytes < size.stored_bytes == sum(len(each.tar()) for each in STACK)
    assert [judged(f"max-wire-size = {size.pull_bytes + more}", *STACK).exit_code for more in (1, 0, -1)] == [0, 0, 1]
    found = result(judged("max-wire-size = 0", *STACK))
    assert (found.measured, found.is_estimate) == (size.pull_bytes, True)
    assert found.sentence.startswith(f"Size on the wire: ≈{size.pull_bytes} B, at most 0 B (estimated: ")
    assert "uncompressed" in found.sentence


def test_the_size_on_the_wire_of_compressed_layers_is_that_of_the_stored_ones() -> None:
    analysis = analyze(read_image(open_image("-", stdin=io.BytesIO(image(*STACK, compress="gzip")))))
    stored = sum(each.reader.stored_bytes for each in analysis.image.layers)
    verdicts = [evaluate(analysis, config(f"max-wire-size = {stored + more}"), today=TODAY) for more in (0, -1)]
    assert [verdict.exit_code for verdict in verdicts] == [0, 1]
    assert not result(verdicts[0]).is_estimate
    assert "≈" not in result(verdicts[0]).sentence


def test_a_size_on_the_wire_that_cannot_be_estimated_passes_where_the_stored_layers_would_and_is_a_doubt_beyond() -> None:
    """An engine's storage has headers alone: a pull moves less than the unpacked tars, and how much less is not known."""
    analysis = analyzed(*STACK)
    sizes = tuple(replace(each, pull_bytes=None) for each in analysis.layer_sizes)
    unknown = replace(analysis, contents=replace(analysis.contents, sizes=sizes))
    stored = unknown.pull_size.stored_bytes
    passed, doubted = (evaluate(unknown, config(f"max-wire-size = {stored + more}"), today=TODAY) for more in (0, -1))
    assert (result(passed).outcome, passed.exit_code) == (Outcome.PASSED, 0)
    assert (result(doubted).outcome, doubted.exit_code) == (Outcome.UNJUDGED, 2)
    assert "a registry would store less, but how much is unknown" in doubted.doubts[0]


def test_a_warning_does_not_fail_the_gate() -> None:
    verdict = judged('max-size = { limit = 999, severity = "warn" }', *STACK)
    assert (result(verdict).outcome, result(verdict).severity, verdict.exit_code) == (Outcome.WARNED, RuleSeverity.WARN, 0)


@pytest.mark.parametrize(
    "table",
    [
        '[[forbid]]\npath = "kept"',
        '[[budget]]\npath = "/d"\nmax = 0',
        '[[max-cause]]\ncause = "deleted"\nmax = 0',
    ],
)
def test_tables_may_be_warnings_too(table: str) -> None:
    assert judged(table, *STACK).exit_code == 1
    verdict = judged(f'{table}\nseverity = "warn"', *STACK)
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.WARNED, 0)


def test_a_rule_that_is_off_is_not_judged() -> None:
    verdict = judged('max-size = "off"', *STACK)
    assert (verdict.results, verdict.exit_code) == ((), 0)
    assert verdict.notes[0] == "Every rule is off, so nothing was judged."


# The waste of a tiny image


def test_the_wasted_share_is_judged_only_above_the_floor() -> None:
    at = judged("wasted-floor = 300\nmax-wasted-percent = 0.1", *STACK)
    above = judged("wasted-floor = 299\nmax-wasted-percent = 0.1", *STACK)
    assert (result(at).outcome, at.exit_code) == (Outcome.UNJUDGED, 0)
    assert (result(above).outcome, above.exit_code) == (Outcome.FAILED, 1)


def test_a_tiny_image_does_not_fail_by_default_over_a_share_of_little() -> None:
    verdict = judged("", layer(file("kept", bytes(9500)), file("gone", bytes(500))), layer(whiteout("gone")))
    assert [each.name for each in verdict.results] == ["min-efficiency", "max-wasted-percent"]
    assert verdict.exit_code == 0
    assert verdict.notes[0].startswith("No rules are configured: defaults apply")


def test_a_floor_that_is_off_lets_every_byte_be_judged() -> None:
    assert judged('wasted-floor = "off"\nmax-wasted-percent = 0.1', *STACK).exit_code == 1


def test_an_image_without_content_wastes_nothing() -> None:
    verdict = judged(
        "min-efficiency = 1\nmax-wasted = 0\nwasted-floor = 0\nmax-wasted-percent = 0\nmax-file-size = 0", layer("d/")
    )
    assert verdict.exit_code == 0


def test_an_image_without_layers_can_be_judged() -> None:
    assert (
        judged('min-efficiency = 1\nmax-layers = 0\n[[forbid]]\npath = "**"\n[[budget]]\npath = "/a"\nmax = 0').exit_code == 0
    )


def test_layers_that_hold_nothing_and_bury_the_bases_files_waste_all_they_can() -> None:
    verdict = judged("wasted-floor = 0\nmax-wasted-percent = 0.99", *STACK, base=1)
    assert (result(verdict).measured, verdict.exit_code) == (1.0, 1)


# The base


BASED = (*STACK, layer(file("mine", bytes(100))), layer(whiteout("mine"), file("d/kept", bytes(50))))
"""On a base of two layers: 100 bytes deleted and 700 overwritten by own layers, 300 by the base's."""


def test_what_the_bases_layers_waste_is_not_charged() -> None:
    assert result(judged("max-wasted = 800", *BASED, base=2)).measured == 800
    assert result(judged("max-wasted = 800", *BASED)).measured == 1100
    assert judged("max-wasted = 800", *BASED, base=2).exit_code == 0


def test_what_the_bases_layers_waste_is_said() -> None:
    verdict = judged("max-wasted = 800", *BASED, base=2)
    assert "The base's layers waste 300 B more, which is not counted against you." in verdict.notes
    assert "the base's own 300 B of waste are not counted" in result(verdict).sentence


def test_an_unknown_base_is_said() -> None:
    assert any(note.startswith("The base is not known: all layers count as yours") for note in judged("", *BASED).notes)
    assert not any("not known" in note for note in judged("", *BASED, base=0).notes)


@pytest.mark.parametrize(
    ("text", "measured"),
    [
        ("max-own-size = 1", 150),
        ("max-layer-size = 1", 100),
        ("max-file-size = 1", 100),
        ("max-size = 1", 1150),
        ("max-layers = 1", 4),
        ("wasted-floor = 0\nmax-wasted-percent = 0.1", 800 / 150),
        ("min-efficiency = 1", (1150 - 800) / 1150),
    ],
)
def test_with_a_base_own_layers_are_what_counts_but_for_the_whole_image(text: str, measured: float) -> None:
    assert result(judged(text, *BASED, base=2)).measured == measured


# Doubt


def test_a_cause_that_hangs_on_contents_that_could_not_be_compared_is_a_doubt() -> None:
    analysis = analyzed(*STACK)
    analysis.identity.problems.append(Problem(1, b"gone", "a content that cannot be compared"))
    by_cause = evaluate(analysis, config('[[max-cause]]\ncause = "deleted"\nmax = 1000'), today=TODAY)
    assert (result(by_cause).outcome, by_cause.exit_code) == (Outcome.UNJUDGED, 2)
    whole = evaluate(analysis, config("max-wasted = 1000"), today=TODAY)
    assert whole.exit_code == 0
    assert any("1 content could not be compared" in note for note in whole.notes)


def test_a_size_on_the_wire_that_is_not_known_is_a_doubt() -> None:
    analysis = analyzed(*STACK)
    sizes = tuple(replace(each, stored_bytes=0) for each in analysis.layer_sizes)
    unknown = replace(analysis, contents=replace(analysis.contents, sizes=sizes))
    verdict = evaluate(unknown, config("max-wire-size = 1000000"), today=TODAY)
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.UNJUDGED, 2)
    assert "the size on the wire is not known here (layer 1, 2)" in verdict.doubts[0]


# Findings


def test_waste_is_told_by_cause_and_layers_with_the_directory_that_holds_it() -> None:
    lower = layer(*(file(f"var/lists/{number}", bytes(1000)) for number in range(20)), file("etc/x", bytes(10)))
    verdict = judged("max-wasted = 0", lower, layer(whiteout("var/lists"), whiteout("etc/x")))
    finding = result(verdict).findings[0]
    assert (finding.path, finding.layer, finding.buried_by, finding.cause) == (b"var/lists", 1, 2, Cause.DELETED)
    assert (finding.size, finding.note) == (20010, "21 files")


def test_the_biggest_files_are_told_and_only_those_beyond_the_limit() -> None:
    verdict = judged("max-file-size = 10", layer(file("a", bytes(11)), file("b", bytes(10)), file("c", bytes(12))))
    assert [(each.path, each.size) for each in result(verdict).findings] == [(b"c", 12), (b"a", 11)]


def test_a_file_that_was_removed_is_carried_all_the_same() -> None:
    finding = result(judged("max-file-size = 1", layer(file("a", bytes(9))), layer(whiteout("a")))).findings[0]
    assert (finding.path, finding.layer, finding.buried_by) == (b"a", 1, 2)


def test_layers_beyond_the_limit_are_told() -> None:
    verdict = judged("max-layer-size = 5", layer(file("a", bytes(6))), layer(file("b", bytes(5))))
    assert [(each.layer, each.size) for each in result(verdict).findings] == [(1, 6)]


# Forbidden paths


def forbidden(glob: str, *layers: Layer, where: str = "visible") -> list[bytes | None]:
    verdict = judged(f"[[forbid]]\npath = '{glob}'\nwhere = '{where}'", *layers)
    found = [finding.path for finding in result(verdict).findings]
    assert verdict.exit_code == (1 if found else 0)
    assert result(verdict).measured == len(found)
    return sorted(found, key=str)


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("*.pem", [b"a/b/k.pem", b"k.pem"]),
        ("/*.pem", [b"k.pem"]),
        ("**/.git/**", [b".git/x", b"a/.git/y/z"]),
        (".git", [b".git/x", b"a/.git/y/z"]),
        ("a/.git", [b"a/.git/y/z"]),
        ("/a/", [b"a/.git/y/z", b"a/b/k.pem"]),
        ("/a/**/k.pem", [b"a/b/k.pem"]),
        ("/a/**/b/k.pem", [b"a/b/k.pem"]),
        ("[kx].pem", [b"a/b/k.pem", b"k.pem"]),
        ("nothing", []),
    ],
)
def test_globs_are_those_of_find_and_stand_for_all_below(glob: str, paths: list[bytes]) -> None:
    lower = layer(".git/x", "a/.git/y/z", "k.pem", "a/b/k.pem", "keep")
    found = forbidden(glob, lower)
    assert [path for path in found if path in {b".git/x", b"a/.git/y/z", b"k.pem", b"a/b/k.pem", b"keep"}] == paths


def test_a_removed_path_is_forbidden_anywhere_and_not_visible() -> None:
    layers = (layer("secret"), layer(whiteout("secret")))
    assert forbidden("secret", *layers) == []
    assert forbidden("secret", *layers, where="anywhere") == [b"secret"]


def test_every_version_of_a_forbidden_path_counts_anywhere() -> None:
    layers = (layer("secret"), layer("secret"), layer(whiteout("secret")))
    assert forbidden("secret", *layers, where="anywhere") == [b"secret", b"secret"]


def test_a_path_that_its_own_layer_buries_is_found_anywhere() -> None:
    layers = (layer("d/secret", file("d", b"no directory")),)
    assert forbidden("secret", *layers) == []
    assert forbidden("secret", *layers, where="anywhere") == [b"d/secret"]


def test_what_an_opaque_directory_hides_is_found_anywhere() -> None:
    layers = (layer("d/", "d/secret"), layer("d/", opaque("d")))
    assert forbidden("d/secret", *layers) == []
    assert forbidden("d/secret", *layers, where="anywhere") == [b"d/secret"]


def test_a_directory_that_no_entry_names_can_be_forbidden() -> None:
    assert forbidden("/opt/secret", layer("opt/secret/file")) == [b"opt/secret", b"opt/secret/file"]


def test_a_forbidden_path_tells_the_layer_that_wrote_it_and_the_one_that_removed_it() -> None:
    verdict = judged('[[forbid]]\npath = "s"\nwhere = "anywhere"', layer(file("s", b"1234")), layer("x"), layer(whiteout("s")))
    finding = result(verdict).findings[0]
    assert (finding.layer, finding.buried_by, finding.size, result(verdict).unit) == (1, 3, 4, Unit.COUNT)


# Budgets


def test_a_budget_counts_each_content_once_and_only_what_is_visible() -> None:
    lower = layer(directory("d"), file("d/a", bytes(100)), hardlink("d/b", "d/a"), file("d/gone", bytes(50)))
    assert result(judged('[[budget]]\npath = "/d"\nmax = 0', lower, layer(whiteout("d/gone")))).measured == 100


def test_a_budget_counts_a_content_whose_first_name_is_elsewhere() -> None:
    lower = layer(file("a", bytes(100)), hardlink("d/b", "a"))
    assert result(judged('[[budget]]\npath = "/d"\nmax = 0', lower)).measured == 100


def test_a_budget_for_what_is_not_there_is_kept_and_says_so() -> None:
    verdict = judged('[[budget]]\npath = "/nowhere"\nmax = 0', *STACK)
    assert verdict.exit_code == 0
    assert "nothing in the image matches" in result(verdict).sentence


# Names


def test_rules_that_are_stated_twice_have_names_of_their_own() -> None:
    verdict = judged('[[forbid]]\npath = "a"\n[[forbid]]\npath = "a"\n[[forbid]]\npath = "a"\nwhere = "anywhere"', *STACK)
    assert [each.name for each in verdict.results] == ["forbid a", "forbid a (2)", "forbid a anywhere"]
