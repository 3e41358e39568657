"""dive's rules: an existing `.dive-ci` gives the verdict that dive itself gives, or none where dive's makes no sense."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.errors import BadSettings
from layerscope.gate.config import GateConfig
from layerscope.gate.config_sources import Flags, dive_config
from layerscope.gate.evaluate import evaluate
from layerscope.gate.quantities import Quantity
from layerscope.gate.verdict import Outcome, Verdict
from support.dive_stacks import TIMEOUT, dive_program, odd_stacks, stacks
from support.gating import TODAY, analyzed, stated
from support.image_builder import Layer, file, image, layer, whiteout

pytestmark = pytest.mark.slow

KEYS = ("lowestEfficiency", "highestWastedBytes", "highestUserWastedPercent")
MISCONFIGURED = 2


def limits(text: str | bytes) -> list[Quantity | None]:
    """dive's three limits as a `.dive-ci` states them, in the order of KEYS."""
    found = dive_config(text.encode() if isinstance(text, str) else text, origin=".dive-ci").dive
    return [found[key].value for key in KEYS]


def verdict_of(config: GateConfig, *layers: Layer) -> Verdict:
    return evaluate(analyzed(*layers), config, today=TODAY)


# Against dive itself


def run_dive(archive: Path, config: Path, *flags: str) -> int:
    """dive's verdict as an exit code, MISCONFIGURED where it says so of its own rules."""
    environment = {**os.environ, "HOME": str(archive.parent)}
    command = [dive_program(), "--ci", "--ci-config", str(config), *flags, "--source", "docker-archive", str(archive)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT, check=False)
    out = done.stdout.decode("utf-8", "replace")
    return MISCONFIGURED if "Misconfigured" in out or "configuration error" in out else done.returncode


def ours(archive: Path, config: Path, flags: Flags, *layers: Layer) -> int:
    try:
        rules = stated(archive.parent, flags)
    except BadSettings:
        return MISCONFIGURED
    return verdict_of(rules, *layers).exit_code


shares = st.one_of(
    st.sampled_from(("0", "1", "0.5", "0.9", "1.0", ".5", "5e-1", "disabled", '"0.25"', "'0.75'", "0.1 # why", '"disabled"')),
    st.floats(0, 1).map(repr),
)
odd_shares = st.sampled_from(("2", "-1", "off", "Disabled", "true", "5%", "x", "0.5.5", "1e3"))
sizes = st.sampled_from(
    (
        "0",
        "1",
        "7",
        "600",
        "607",
        "1kB",
        "1KiB",
        "1.5k",
        "20MB",
        "20Mb",
        "20 MB",
        "1,000",
        "disabled",
        '"7B"',
        "6e2",
        "0.6K",
        "1EB",
    )
)
odd_sizes = st.sampled_from(("off", "x", "1XB", "-1", "1.2.3", "99EB", "kB", "Disabled"))


@st.composite
def dive_files(draw: st.DrawFn) -> str:
    """A `.dive-ci` of the sort that people have, mostly with limits that make sense."""
    lines = []
    for key, good, odd in (
        ("lowestEfficiency", shares, odd_shares),
        ("highestWastedBytes", sizes, odd_sizes),
        ("highestUserWastedPercent", shares, odd_shares),
    ):
        if draw(st.integers(0, 9)) < 8:
            value = draw(odd if draw(st.integers(0, 9)) == 0 else good)
            spelled = draw(st.sampled_from((key, key, key, key.lower(), f'"{key}"')))
            lines.append(f"  {spelled}: {value}")
    head = draw(st.sampled_from(("", "---\n", "# rules\n", "plugins:\n  - plugin1\n\n")))
    body = "\n".join(draw(st.permutations(lines)))
    extra = draw(st.sampled_from(("", "  # a comment\n", "  plugin1/rule1: error\n")))
    return f"{head}rules:\n{extra if lines else ''}{body}\n" if lines else "rules:\n"


@pytest.mark.slow
@settings(max_examples=60)
@given(layers=st.one_of(stacks, odd_stacks), text=dive_files())
def test_a_dive_ci_gives_the_verdict_that_dive_gives(
    layers: list[Layer], text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scratch = tmp_path_factory.mktemp("dive")
    archive, config = scratch / "image.tar", scratch / ".dive-ci"
    archive.write_bytes(image(*layers))
    config.write_text(text)
    assert_same_verdict(archive, config, layers, Flags())


@pytest.mark.slow
@settings(max_examples=20)
@given(layers=stacks, share=st.sampled_from(("0", "0.5", "1", "disabled")), size=st.sampled_from(("0", "7", "1kB", "disabled")))
def test_dives_own_flags_win_over_its_file(
    layers: list[Layer], share: str, size: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scratch = tmp_path_factory.mktemp("dive")
    archive, config = scratch / "image.tar", scratch / ".dive-ci"
    archive.write_bytes(image(*layers))
    config.write_text("rules:\n  lowestEfficiency: 0.99\n  highestUserWastedPercent: disabled\n")
    assert_same_verdict(archive, config, layers, Flags(dive={"lowestEfficiency": share, "highestWastedBytes": size}))


def assert_same_verdict(archive: Path, config: Path, layers: list[Layer], flags: Flags) -> None:
    """Where dive's share is no number, dive's verdict is chance, and ours is none; nor is it for what no engine unpacks."""
    typed = [part for key, value in flags.dive.items() for part in (f"--{key}", value)]
    theirs, code = run_dive(archive, config, *typed), ours(archive, config, flags, *layers)
    if theirs != MISCONFIGURED and stated(archive.parent, flags).dive["highestUserWastedPercent"].value is not None:
        theirs = theirs if math.isfinite(analyzed(*layers).dive.user_wasted_percent) else 2
    is_doubtful = theirs != MISCONFIGURED and any(problem.is_doubt for problem in analyzed(*layers).problems)
    assert code == (2 if is_doubtful else theirs)


@pytest.mark.parametrize("name", ["efficiency", "bytes", "percent"])
def test_equality_passes_and_one_step_beyond_fails_as_with_dive(name: str, tmp_path: Path) -> None:
    layers = [layer(file("a", bytes(700)), file("b", bytes(300))), layer(whiteout("b"), file("c", bytes(1000)))]
    figures = analyzed(*layers).dive
    archive, config = tmp_path / "image.tar", tmp_path / ".dive-ci"
    archive.write_bytes(image(*layers))
    key, at, beyond = {
        "efficiency": (KEYS[0], repr(figures.efficiency_score), repr(math.nextafter(figures.efficiency_score, 1))),
        "bytes": (KEYS[1], str(figures.inefficient_bytes), str(figures.inefficient_bytes - 1)),
        "percent": (KEYS[2], repr(figures.user_wasted_percent), repr(math.nextafter(figures.user_wasted_percent, 0))),
    }[name]
    others = "".join(f"  {other}: disabled\n" for other in KEYS if other != key)
    for limit, code in ((at, 0), (beyond, 1)):
        config.write_text(f"rules:\n  {key}: {limit}\n{others}")
        assert (run_dive(archive, config), ours(archive, config, Flags(), *layers)) == (code, code)


LAX = "rules:\n  lowestEfficiency: 0\n  highestUserWastedPercent: 1\n"
ODD_FILES = (
    "",
    "# only a comment\n",
    "other: 1\n",
    "rules: ~\n",
    "rules: disabled\n",
    "...\nrules:\n",
    "rules:\n  lowestEfficiency:\n  highestUserWastedPercent: 1\n",
    "rules:\n  lowestEfficiency: ~\n  highestUserWastedPercent: 1\n",
    "rules:\n  lowestEfficiency: ''\n",
    "rules:\n  lowestEfficiency: disabled#x\n",
    "rules:\n  lowestEfficiency: 'disabled'\n  highestUserWastedPercent: disabled # x\n",
    "rules:\n  lowestEfficiency : +0.5\n  highestUserWastedPercent: 1.\n",
    "rules:\n  lowestEfficiency: -0.0\n  highestUserWastedPercent: 1e0\n",
    LAX.replace("\n", "\r\n"),
    "\ufeff" + LAX,
    LAX.replace("rules", "RULES"),
    LAX.replace("rules", '"rules"'),
    LAX.replace("  ", "     ") + "more: x\n",
    *(
        f"{LAX}  highestWastedBytes: {size}\n"
        for size in (
            "300",
            "299.9",
            ".3k",
            "3e2",
            '"3e2"',
            "-0",
            "1,0",
            "20  MB",
            "0.3 KB",
            "''",
            "300b",
            "0.292968750KiB",
            "1e30",
        )
    ),
)


@pytest.mark.parametrize("text", ODD_FILES)
def test_odd_files_too_give_the_verdict_that_dive_gives(text: str, tmp_path: Path) -> None:
    layers = [layer(file("a", bytes(700)), file("b", bytes(300))), layer(whiteout("b"), file("c", bytes(1000)))]
    archive, config = tmp_path / "image.tar", tmp_path / ".dive-ci"
    archive.write_bytes(image(*layers))
    config.write_bytes(text.encode())
    assert_same_verdict(archive, config, layers, Flags())


# What makes no sense is no verdict


def test_a_share_that_is_no_number_is_no_verdict() -> None:
    verdict = verdict_of(dive_config(b"rules:\n", origin=".dive-ci"), layer("a"))
    assert verdict.exit_code == 2
    assert "highestUserWastedPercent: dive's figure is NaN" in verdict.doubts[0]
    assert [result.outcome for result in verdict.results] == [Outcome.PASSED, Outcome.UNJUDGED]


def test_an_infinite_share_is_no_verdict() -> None:
    verdict = verdict_of(dive_config(b"rules:\n", origin=".dive-ci"), layer("a"), layer(whiteout("a")))
    assert verdict.exit_code == 2
    assert "infinite" in verdict.doubts[0]


def test_a_share_that_nobody_asks_for_is_no_doubt() -> None:
    config = dive_config(b"rules:\n  highestUserWastedPercent: disabled\n", origin=".dive-ci")
    assert verdict_of(config, layer("a")).exit_code == 0


def test_what_is_odd_about_dives_figures_is_said() -> None:
    config = dive_config(b"rules:\n", origin=".dive-ci")
    verdict = verdict_of(config, layer(file("a", b"1")), layer(file("-b", b"1"), whiteout("nothing"), file("c", b"2")))
    assert any("dive stops at a whiteout of a path that it cannot find" in note for note in verdict.notes)


# The file


def test_rules_that_a_file_lacks_have_dives_defaults() -> None:
    assert limits("rules:\n") == [0.9, None, 0.1]
    assert limits("") == [0.9, None, 0.1]
    assert limits("rules:\n  highestWastedBytes: 20MB\n") == [0.9, 20_000_000, 0.1]
    assert limits("rules:\n  lowestEfficiency:\n  highestUserWastedPercent: ~\n") == [0.9, None, 0.1]


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("20MB", 20_000_000),
        ("20MiB", 20 << 20),
        ("20Mb", 20_000_000),
        ("1,000 kB", 1_000_000),
        ("1.5k", 1500),
        ("7", 7),
        ("1e3", 1000),
    ],
)
def test_sizes_are_as_dive_reads_them(value: str, size: int) -> None:
    assert limits(f"rules:\n  highestWastedBytes: {value}\n")[1] == size


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_blank_lines_and_other_keys_are_passed_over(end: str) -> None:
    rules = "rules:\n\n    # inside\n    lowestEfficiency: 0.5 # why\n    plugin1/rule1: error\n"
    text = f"# head\n---\nplugins:\n  - one\n{rules}last: x\n"
    assert limits(text.replace("\n", end)) == [0.5, None, 0.1]
    notes = dive_config(text.encode(), origin=".dive-ci").notes
    assert notes == (".dive-ci: dive has no rule `plugin1/rule1` and ignores it.",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rules:\n- lowestEfficiency: 0.9", "line 2: `rules` must be a mapping"),
        ("rules:\n  lowestEfficiency: 0.9\n   highestWastedBytes: 1", "line 3: not valid YAML: mapping values are not allowed"),
        ("rules:\n\tlowestEfficiency: 0.9", "line 2: not valid YAML"),
        ("rules:\n  highestWastedBytes: 010", "line 2: `010` means different numbers"),
        ("rules:\n  highestWastedBytes: 1_000", "means different numbers"),
        ("rules:\n  lowestEfficiency: .nan", "means different numbers"),
        ("rules:\n  lowestEfficiency: nan", "line 2: `lowestEfficiency`: `nan` is not a ratio"),
        ("rules:\n  lowestEfficiency: .inf", "means different numbers"),
        ("rules:\n  lowestEfficiency: 1.5", "line 2: `lowestEfficiency`: `1.5` is outside of 0 to 1"),
        ("rules:\n  lowestEfficiency: off", "`lowestEfficiency`: `off` is not a ratio from 0 to 1, nor `disabled`"),
        ("rules:\n  lowestEfficency: 0.9", "line 2: dive has no rule `lowestEfficency`; did you mean `lowestEfficiency`?"),
        ("rules:\n  lowestEfficiency: 0.9\n  lowestefficiency: 0.8", "line 3: `lowestEfficiency` is stated twice"),
        ("rules:\nrules:\n", "line 2: `rules` is stated twice"),
        ("rules:\nRULES:\n", "line 2: `rules` is stated twice"),
        ("rules:\n  x: 1\n  x: 2\n", "line 3: `x` is stated twice"),
        ("rules:\n  highestWastedBytes: 20XB", "`highestWastedBytes`: `20XB` is not a size"),
        ("rules:\n  lowestEfficiency: [0.9]", "line 2: a value is a number or a word"),
        ("rules:\n  lowestEfficiency: !!int 1", "line 2: the tag `tag:yaml.org,2002:int` is not read here"),
        ("rules:\n  lowestEfficiency: !!python/object/apply:os.system [id]", "line 2: a value is a number or a word"),
        ("rules:\n  ? [a]\n  : 1", "line 2: a key must be a word"),
        ("rules:\n  <<: 1", "line 2: only mappings can be merged"),
        ("rules: &r\n  <<: *r\n", "line 2: not valid YAML: an anchor contains itself"),
        ("a: &a [*a]\nrules:\n", "line 1: not valid YAML: an anchor contains itself"),
        ("rules:\n  lowestEfficiency: *nothing", "line 2: not valid YAML: found undefined alias 'nothing'"),
        ("rules:\n---\n]: [", "line 3: not valid YAML"),
        ("rules:\n  a: \x1b[2J", "line 2: not valid YAML: a control character"),
        ("rules: \x1b[2J", "line 1: not valid YAML: a control character"),
        ("just text", "line 1: a file of rules must be a mapping"),
        ("- rules:", "line 1: a file of rules must be a mapping"),
        (b"rules:\n  a: \xff", "line 2: not UTF-8"),
        (b"\xff\xfer", "line 1: not UTF-16"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_read_for_sure_is_refused(text: str | bytes, sentence: str) -> None:
    with pytest.raises(BadSettings) as raised:
        limits(text)
    assert sentence in str(raised.value)
    assert str(raised.value).isprintable()


MERGES = "x: &x {lowestEfficiency: 1, highestUserWastedPercent: disabled}\ny: &y {lowestEfficiency: 0}\n"
VALID_YAML = (
    "rules: {lowestEfficiency: 0.9, highestUserWastedPercent: disabled}",
    "{rules: {lowestEfficiency: 0.8, 'highestUserWastedPercent': \"1\"}}",
    "{\n  rules: {\n    lowestEfficiency: 0.8, # why\n    highestUserWastedPercent: 1,\n  },\n}",
    "rules: {}",
    "rules: {lowestEfficiency}",
    '"rules":\n  ? "lowestEfficiency"\n  : "0.9"\n  ? highestUserWastedPercent\n  : disabled\n',
    "limit: &limit 0.8\nrules:\n  lowestEfficiency: *limit\n  highestUserWastedPercent: &other disabled\n",
    f"{MERGES}rules:\n  <<: *x\n",
    f"{MERGES}rules:\n  <<: *x\n  lowestEfficiency: 0\n",
    f"{MERGES}rules:\n  lowestEfficiency: 0\n  <<: *x\n",
    f"{MERGES}rules:\n  <<: [*x, *y]\n",
    f"{MERGES}rules:\n  <<: [*y, *x, *y]\n",
    f"{MERGES}rules: *x\n",
    "rules:\n  lowestEfficiency:\n    0.8\n  highestUserWastedPercent:\n    # between\n    disabled\n",
    "rules:\n  lowestEfficiency: |-\n    0.8\n  highestUserWastedPercent: >-\n    disabled\n",
    "rules:\n  lowestEfficiency: |\n    0.8\n",
    "rules:\n  highestWastedBytes: 1\n    MB\n  highestUserWastedPercent: disabled\n",
    'rules:\n  "lowest\\x45fficiency": 0.9\n',
    'rules:\n  lowestEfficiency: "0.\\\n    8"\n',
    "rules:\n  lowestEfficiency: !!str 0.8\n",
    "rules:\n  lowestEfficiency: !!str null\n",
    "rules:\n  lowestEfficiency: !!str\n",
    "rules:\n  lowestEfficiency: null\n  highestUserWastedPercent: Null\n",
    "rules:\n  lowestEfficiency: 'null'\n",
    "rules:\n  lowestEfficiency: ''\n",
    "rules:\n  lowestEfficiency: 90%\n",
    "rules:\n  lowestEfficiency: yes\n",
    "rules:\n  highestWastedBytes: 2001-01-01\n",
    "rules:\n  highestWastedBytes: 1:10\n",
    f"{LAX}---\nrules:\n  lowestEfficiency: 1\n",
    f"%YAML 1.1\n---\n{LAX}...\n",
    f"--- # head\n{LAX}",
    f"1: 2\n? \n: x\n{LAX}  true: x\n",
    f"plugins: [a, {{b: c}}, !tagged d]\n{LAX}",
    f"text: |\n  rules:\n    lowestEfficiency: 1\n{LAX}",
    "rules:\n  - x\n",
    "rules: 3\n",
    "[rules]",
    "rules:\n  lowestEfficiency: 0.9\n  lowestEfficiency: 0.1\n",
    "rules:\n  lowestEfficiency: {a: 1}\n",
    "rules:\n  lowestEfficiency: @x\n",
    "rules:\n  lowestEfficiency: *x\n",
    "a: &a {b: *a}\nrules:\n",
    "rules:\n  lowestEfficiency: 0.8 highestUserWastedPercent: 1\n",
    "rules: {lowestEfficiency: 0.8",
    "a: b: c\nrules:\n",
)


@pytest.mark.parametrize("text", VALID_YAML)
def test_valid_yaml_gives_the_verdict_that_dive_gives(text: str, tmp_path: Path) -> None:
    layers = [layer(file("a", bytes(700)), file("b", bytes(300))), layer(whiteout("b"), file("c", bytes(1000)))]
    archive, config = tmp_path / "image.tar", tmp_path / ".dive-ci"
    archive.write_bytes(image(*layers))
    config.write_bytes(text.encode())
    assert_same_verdict(archive, config, layers, Flags())


def test_a_file_in_utf_16_is_read_as_dive_reads_it() -> None:
    assert limits("rules: {lowestEfficiency: 0.5}".encode("utf-16")) == [0.5, None, 0.1]


def test_a_second_document_is_told_of() -> None:
    notes = dive_config(b"rules:\n---\nrules: {lowestEfficiency: 0}\n", origin=".dive-ci").notes
    assert notes == (".dive-ci: a second YAML document follows the rules; dive ignores it.",)


def bomb(lines: int) -> str:
    """Nine aliases of the line before, again and again: 9 ** `lines` values for who copies."""
    names = [f"n{number}" for number in range(lines)]
    rows = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(names)]
    return "".join([f"n0: &n0 [{', '.join('x' * 9)}]\n", *rows])


def merge_bomb(lines: int) -> str:
    names = [f"n{number}" for number in range(lines)]
    rows = [f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, name in pairwise(names)]
    return "".join(["n0: &n0 {lowestEfficiency: 0.5}\n", *rows, f"rules:\n  <<: *{names[-1]}\n"])


def test_aliases_of_aliases_cost_what_they_take_in_the_file() -> None:
    assert limits(bomb(300) + "rules: {lowestEfficiency: 0.5}\n") == [0.5, None, 0.1]
    assert limits(merge_bomb(300)) == [0.5, None, 0.1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"rules:\n#" + bytes(1 << 20), "longer than 64 KiB"),
        (b"rules:\na: " + b"[" * 60_000, "line 2: nested too deeply"),
        (b"rules:\na: " + b"{a: " * 15_000, "line 2: nested too deeply"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(350)), "nested too deeply"),
        (b"rules: " + b"!" * 60_000, "line 1: the tag `tag:yaml.org"),
        (b"rules: " + b"x" * 60_000, "line 1: `rules` must be a mapping"),
        (b"rules: {" + b"x" * 60_000 + b": 1}", "line 1: not valid YAML"),
        (b"rules:\n  highestWastedBytes: " + b"9" * 60_000, "line 2: `highestWastedBytes`: `9999"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_hostile_file_is_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(BadSettings) as raised:
        limits(text)
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 300


@settings(max_examples=100)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([*"rules{}[]:,&*!|>-?#%@'\"\n\t ~0", "rules:", "\n  ", "<<: ", "&a ", "*a"]), max_size=40).map(
            lambda parts: "".join(parts).encode()
        ),
    )
)
def test_any_bytes_are_read_or_refused_with_a_sentence(raw: bytes) -> None:
    try:
        dive_config(raw, origin=".dive-ci")
    except BadSettings as error:
        assert str(error).isprintable()


def test_yaml_is_imported_only_where_there_is_a_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from layerscope.gate.config_sources import Flags, read_config\n"
        "read_config(Flags(dive={'lowestEfficiency': '1'}), directory=Path(), environment={}); print('yaml' in sys.modules)"
    )
    seen = []
    for text in (None, "rules:\n"):
        if text is not None:
            (tmp_path / ".dive-ci").write_text(text)
        seen.append(
            subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        )
    assert seen == ["False\n", "True\n"]


def test_the_three_rules_of_a_file_are_judged_beside_our_own(tmp_path: Path) -> None:
    (tmp_path / ".dive-ci").write_text("rules:\n  highestUserWastedPercent: disabled\n")
    (tmp_path / "layerscope.toml").write_text("max-layers = 1\n")
    names = [each.name for each in verdict_of(stated(tmp_path), layer("a")).results]
    assert names == ["max-layers", "lowestEfficiency"]
