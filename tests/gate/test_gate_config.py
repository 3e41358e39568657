"""Where rules are stated: every source, which is stronger, and the sentences for what they cannot say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from layerscope.cli.rule_options import RULES, TABLES
from layerscope.errors import BadSettings
from layerscope.gate import config as gate_config
from layerscope.gate.config import DEFAULT, KEYS
from layerscope.gate.config_sources import MAX_FILE, Flags
from layerscope.gate.quantities import Growth
from layerscope.gate.verdict import RuleSeverity
from layerscope.report.verdict.config_text import config_text
from support.gating import config, stated


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path


def held(place: Path, key: str, flags: Flags | None = None, **environment: str) -> tuple[object, str]:
    """The value of a key and where it was stated."""
    limit = stated(place, flags, environment).limits[key]
    return limit.value, limit.origin


def test_without_any_source_the_defaults_hold(here: Path) -> None:
    found = stated(here)
    assert {key: (limit.value, limit.origin) for key, limit in found.limits.items()} == {
        "min-efficiency": (0.9, DEFAULT),
        "max-wasted-percent": (0.1, DEFAULT),
        "wasted-floor": (5_000_000, DEFAULT),
    }
    assert "No rules are configured: defaults apply" in found.notes[0]


def test_any_rule_takes_the_place_of_the_defaults(here: Path) -> None:
    found = stated(here, Flags(limits={"max-layers": "9"}))
    assert set(found.limits) == {"max-layers", "wasted-floor"}
    assert found.notes == ()


def test_a_floor_alone_is_no_rule(here: Path) -> None:
    found = stated(here, Flags(limits={"wasted-floor": "1MB"}))
    assert set(found.limits) == {"min-efficiency", "max-wasted-percent", "wasted-floor"}
    assert found.limit("wasted-floor") == 1_000_000


def test_each_source_is_stronger_than_the_one_before(here: Path) -> None:
    (here / "layerscope.toml").write_text("max-size = 1")
    assert held(here, "max-size") == (1, "layerscope.toml")
    (here / "pyproject.toml").write_text("[tool.layerscope]\nmax-size = 2\n[tool.other]\nx = 1")
    assert held(here, "max-size") == (2, "pyproject.toml [tool.layerscope]")
    assert held(here, "max-size", LAYERSCOPE_MAX_SIZE="3") == (3, "LAYERSCOPE_MAX_SIZE")
    assert held(here, "max-size", Flags(limits={"max-size": "4"}), LAYERSCOPE_MAX_SIZE="3") == (4, "--max-size")


def test_a_weaker_source_keeps_what_a_stronger_one_does_not_state(here: Path) -> None:
    (here / "layerscope.toml").write_text("max-size = 1\nmax-layers = 5")
    (here / "pyproject.toml").write_text("[tool.layerscope]\nmax-size = 2")
    assert held(here, "max-layers") == (5, "layerscope.toml")


def test_a_stronger_limit_keeps_the_severity_of_the_weaker_one(here: Path) -> None:
    (here / "layerscope.toml").write_text('max-size = { limit = 1, severity = "warn" }')
    limit = stated(here, environment={"LAYERSCOPE_MAX_SIZE": "3"}).limits["max-size"]
    assert (limit.value, limit.severity) == (3, RuleSeverity.WARN)


def test_a_stronger_source_can_switch_a_rule_off(here: Path) -> None:
    (here / "layerscope.toml").write_text("max-size = 1")
    assert stated(here, Flags(limits={"max-size": "off"})).limit("max-size") is None


def test_tables_of_all_sources_add_up(here: Path) -> None:
    (here / "layerscope.toml").write_text('[[forbid]]\npath = "a"')
    (here / "pyproject.toml").write_text('[[tool.layerscope.forbid]]\npath = "b"\nwhere = "anywhere"')
    found = stated(here, Flags(forbid=("c", "anywhere:d")))
    assert [(each.about, each.is_anywhere) for each in found.rows("forbid")] == [
        ("a", False),
        ("b", True),
        ("c", False),
        ("d", True),
    ]


def test_flags_state_budgets_and_causes(here: Path) -> None:
    found = stated(here, Flags(budget=("/a=b=1MB",), max_cause=("metadata=2k",)))
    assert [(each.about, each.limit) for each in found.rows("budget")] == [("/a=b", 1_000_000)]
    assert [(each.about, each.limit) for each in found.rows("max-cause")] == [("metadata", 2000)]


def test_an_empty_variable_states_nothing(here: Path) -> None:
    assert "max-size" not in stated(here, environment={"LAYERSCOPE_MAX_SIZE": ""}).limits


def test_a_named_file_takes_the_place_of_both_others(here: Path) -> None:
    (here / "layerscope.toml").write_text("max-size = 1")
    (here / "pyproject.toml").write_text("[tool.layerscope]\nmax-size = 2")
    (here / "other.toml").write_text("max-layers = 3")
    found = stated(here, Flags(config_file=here / "other.toml"))
    assert set(found.limits) == {"max-layers", "wasted-floor"}


def test_a_file_that_is_named_must_be_there(here: Path) -> None:
    for flags in (Flags(config_file=here / "nope.toml"), Flags(dive_file=here / "nope")):
        with pytest.raises(BadSettings, match=r"nope.*: there is no such file"):
            stated(here, flags)


def test_dives_file_and_flags_bring_all_of_dives_rules(here: Path) -> None:
    assert stated(here).dive == {}
    by_flag = stated(here, Flags(dive={"highestWastedBytes": "1MB"})).dive
    assert {key: (limit.value, limit.origin) for key, limit in by_flag.items()} == {
        "lowestEfficiency": (0.9, "dive's default"),
        "highestWastedBytes": (1_000_000, "--highestWastedBytes"),
        "highestUserWastedPercent": (0.1, "dive's default"),
    }
    (here / ".dive-ci").write_text("rules:\n  lowestEfficiency: 0.5\n")
    assert stated(here).dive["lowestEfficiency"].origin == ".dive-ci"
    both = stated(here, Flags(dive={"highestWastedBytes": "1MB"})).dive
    assert (both["lowestEfficiency"].value, both["highestWastedBytes"].value) == (0.5, 1_000_000)


def test_a_dive_ci_alone_takes_the_place_of_our_defaults(here: Path) -> None:
    (here / ".dive-ci").write_text("rules:\n")
    assert set(stated(here).limits) == {"wasted-floor"}


def test_a_pyproject_without_our_table_states_nothing(here: Path) -> None:
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\nmax-size = 3")
    assert set(stated(here).limits) == {"min-efficiency", "max-wasted-percent", "wasted-floor"}


def test_a_baseline_without_limits_of_growth_has_some_by_default(here: Path) -> None:
    found = stated(here, Flags(limits={"baseline": "x.json"}))
    assert found.limit("max-growth") == Growth(1_000_000, 0.01)
    assert any("No growth limit is configured: 1MB or 1% more" in note for note in found.notes)
    given = stated(here, Flags(limits={"baseline": "x.json", "max-growth": "5%"}))
    assert (given.limit("max-growth"), given.limit("max-waste-growth")) == (Growth(0, 0.05), None)


def test_dates_may_be_dates_or_text() -> None:
    for written in ("2026-12-31", '"2026-12-31"'):
        (waiver,) = config(f'[[waive]]\nrule = "forbid"\nreason = "r"\nuntil = {written}').waive
        assert waiver.until == date(2026, 12, 31)


# Refusals


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("max-siz = 1", "unknown key `max-siz`; did you mean `max-size`?"),
        ("zzz = 1", "unknown key `zzz`; allowed: min-efficiency, max-wasted,"),
        ("'a\\u001b' = 1", "unknown key `a\\u001b`"),
        ('max-size = "20XB"', "`max-size`: `20XB` is not a size such as 20MB"),
        ("max-size = nan", "`max-size`: `nan` is not a size"),
        ("max-size = inf", "`max-size`: `inf` is not a size"),
        ("max-size = -1", "`max-size`: `-1` is not a size"),
        ("max-size = true", "`max-size`: `true` is not a size"),
        ("max-size = []", "`max-size`: `[]` is not a size"),
        ("min-efficiency = nan", "`min-efficiency`: `nan` is not a share"),
        ("min-efficiency = 90", "`min-efficiency`: `90` is more than 100%; did you mean `90%`?"),
        ("max-layers = 1.5", "`max-layers`: `1.5` is not a number"),
        ("max-size = { limt = 1 }", "`max-size`: unknown key `limt`; did you mean `limit`?"),
        ("max-size = { severity = 'warn' }", "`max-size`: `limit` is missing"),
        (
            "max-size = { limit = 1, severity = 'warning' }",
            "`severity`: `warning` must be one of error, warn; did you mean `warn`?",
        ),
        ("max-size = { limit = 1, severity = ['warn'] }", "must be one of error, warn"),
        ("wasted-floor = { limit = 1, severity = 'warn' }", "`wasted-floor`: unknown key `severity`"),
        ("baseline = 1", "`baseline`: must be a file name in quotes"),
        ("forbid = 1", "`forbid`: must be tables, each of which begins with the line [[forbid]]"),
        ("[forbid]\npath = 'a'", "`forbid`: must be tables"),
        ("[[forbid]]", "[[forbid]] number 1: `path` is missing"),
        ("[[forbid]]\npath = 'a'\n[[forbid]]\npth = 'b'", "[[forbid]] number 2: unknown key `pth`; did you mean `path`?"),
        ("[[forbid]]\npath = '/'", "[[forbid]] number 1: `path`: must be a glob or a path in quotes"),
        ("[[forbid]]\npath = '[z-a]'", "[[forbid]] number 1: `path`: the glob `[z-a]` cannot be read"),
        (
            "[[forbid]]\npath = 'a'\nwhere = 'visble'",
            "`where`: `visble` must be one of visible, anywhere; did you mean `visible`?",
        ),
        ("[[budget]]\npath = 'a'", "[[budget]] number 1: `max` is missing"),
        ("[[budget]]\npath = 'a'\nmax = '5%'", "`max`: `5%` is not a size"),
        ("[[max-cause]]\ncause = 'metdata'\nmax = 1", "`cause`: must be one of overwritten, metadata,"),
        ("[[directory-growth]]\npath = '/usr/*'\nmax = 1", "is a glob; growth is measured for a directory"),
        ("[[waive]]\nrule = 'forbid'\nreason = 'r'", "[[waive]] number 1: `until` is missing"),
        ("[[waive]]\nrule = 'forbid'\nuntil = 2026-01-01", "`reason` is missing"),
        ("[[waive]]\nrule = 'forbid'\nreason = ' '\nuntil = 2026-01-01", "`reason`: must be text that says why"),
        (
            "[[waive]]\nrule = 'forbd'\nreason = 'r'\nuntil = 2026-01-01",
            "`rule`: `forbd` is not a rule; did you mean `forbid`?",
        ),
        ("[[waive]]\nrule = 'forbid'\nreason = 'r'\nuntil = '2026-13-01'", "`until`: `2026-13-01` is not a date"),
        ("[[waive]]\nrule = 'forbid'\nreason = 'r'\nuntil = 2026-01-01T00:00:00", "is not a date such as 2026-12-31"),
        ("[[waive]]\nrule = 'max-size'\npath = 'a'\nreason = 'r'\nuntil = 2026-01-01", "`path`: max-size has no paths"),
        ("max-size = ", "not valid TOML: "),
        (f"max-size = {'[' * 100_000}", "nested too deeply"),
        ("#" * (MAX_FILE + 1), "longer than 1 MiB"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_file_cannot_say_is_refused_with_its_key(here: Path, text: str, sentence: str) -> None:
    (here / "layerscope.toml").write_text(text)
    with pytest.raises(BadSettings) as raised:
        stated(here)
    assert str(raised.value).startswith("layerscope.toml: ")
    assert sentence in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (Flags(limits={"max-size": "1XB"}), "--max-size: `1XB` is not a size"),
        (Flags(limits={"max-wasted-percent": "nan"}), "--max-wasted-percent: `nan` is not a share"),
        (Flags(forbid=("/",)), "--forbid: must be a glob"),
        (Flags(budget=("/a",)), "--budget: `/a` must be written as in /usr/share/doc=1MB"),
        (Flags(max_cause=("metadat=1",)), "--max-cause: must be one of overwritten, metadata,"),
        (Flags(dive={"lowestEfficiency": "2"}), "`lowestEfficiency`: `2` is outside of 0 to 1"),
    ],
)
def test_what_a_flag_cannot_say_is_refused_with_its_name(here: Path, flags: Flags, sentence: str) -> None:
    with pytest.raises(BadSettings) as raised:
        stated(here, flags)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (
            "LAYERSCOPE_MAX_SIZ",
            "LAYERSCOPE_MAX_SIZ is not a variable that layerscope knows; did you mean `LAYERSCOPE_MAX_SIZE`?",
        ),
        ("LAYERSCOPE_MIN_ZZZZZZZZ", "LAYERSCOPE_MIN_ZZZZZZZZ is not a variable that layerscope knows"),
        ("LAYERSCOPE_max_size", "did you mean `LAYERSCOPE_MAX_SIZE`?"),
        ("LAYERSCOPE_MAX_SIZE", "LAYERSCOPE_MAX_SIZE: `x` is not a size"),
    ],
)
def test_a_mistyped_variable_does_not_pass_for_no_rule(here: Path, variable: str, sentence: str) -> None:
    with pytest.raises(BadSettings) as raised:
        stated(here, environment={variable: "x"})
    assert sentence in str(raised.value)


def test_variables_that_are_no_rules_are_let_be(here: Path) -> None:
    others = ("LAYERSCOPE_MAX_UNPACKED", "LAYERSCOPE_CACHE", "LAYERSCOPE_CONFIG", "LAYERSCOPE_IMAGES", "MAX_SIZE")
    assert stated(here, environment=dict.fromkeys(others, "x")).limits == stated(here).limits


def test_a_pyproject_that_cannot_be_read_may_hold_a_rule_and_is_refused(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.layerscope")
    with pytest.raises(BadSettings, match=r"^pyproject\.toml: not valid TOML"):
        stated(here)


def test_a_directory_in_the_place_of_a_file_is_refused(here: Path) -> None:
    (here / "layerscope.toml").mkdir()
    with pytest.raises(BadSettings, match=r"layerscope\.toml: cannot be read: Is a directory"):
        stated(here)


# The flags of the command line, and what is printed


def test_the_command_line_has_a_flag_for_every_key() -> None:
    assert list(RULES) == list(KEYS)
    assert set(TABLES) == set(gate_config.TABLES) - {"directory-growth", "waive"}


EVERYTHING = """\
min-efficiency = 0.8
max-wasted = "20MB"
max-wasted-percent = "5%"
wasted-floor = "off"
max-size = { limit = "1.5GiB", severity = "warn" }
max-wire-size = 1234567
max-layers = 9
max-growth = "5MB or 2%"
baseline = "a\\u007f\\"b.json"

[[forbid]]
path = "**/\\u001b[2J"
where = "anywhere"

[[budget]]
path = "/usr/share/doc"
max = "1MB"
severity = "warn"

[[max-cause]]
cause = "metadata"
max = 0

[[directory-growth]]
path = "usr/lib/"
max = "1%"

[[waive]]
rule = "forbid"
path = "a"
reason = "why \\"not\\""
until = 2026-12-31

[[waive]]
rule = "max-layers"
reason = "all of it"
until = 2027-01-01
"""


def test_the_printed_configuration_is_a_file_that_says_the_same(here: Path) -> None:
    (here / "layerscope.toml").write_text(EVERYTHING)
    first = stated(here)
    printed = config_text(first)
    (here / "layerscope.toml").write_text(printed)
    assert stated(here) == first
    assert all(line.isprintable() for line in printed.splitlines())


def test_the_printed_configuration_says_where_each_line_was_stated(here: Path) -> None:
    (here / "layerscope.toml").write_text('max-size = 1\n[[forbid]]\npath = "a"')
    (here / ".dive-ci").write_text("rules:\n  lowestEfficiency: 0.5\n")
    printed = config_text(stated(here, Flags(limits={"max-layers": "3"})))
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert 'max-size = "1" # layerscope.toml' in lines
    assert "max-layers = 3 # --max-layers" in lines
    assert "[[forbid]] # layerscope.toml" in lines
    assert "# dive's lowestEfficiency: 0.5 # .dive-ci" in lines
    assert "# dive's highestWastedBytes: disabled # dive's default" in lines
