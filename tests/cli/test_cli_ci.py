"""`layerscope ci`: one verdict, its exit code, its reports, and where it is asked for."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from layerscope.cli.ci import today
from layerscope.report.verdict.gate_run import KINDS
from support.commands import COMMAND, environment, on_terminal, process, ran, shell, written
from support.image_builder import Layer, digest, file, image, layer, whiteout
from support.sources_build import Layout, config, layer_tar, saved, tar, write_tar

GOOD = (layer(file("a", bytes(5000)), "d/b"),)
WASTEFUL = (layer(file("a", bytes(5000)), "keep"), layer(whiteout("a")))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a directory without any configuration."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "good.tar", *GOOD)


@pytest.fixture
def wasteful(tmp_path: Path) -> Path:
    return written(tmp_path / "wasteful.tar", *WASTEFUL)


# The verdict


def test_a_good_image_passes_and_nothing_is_said_on_standard_error(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci", good)
    assert (done.code, done.err) == (0, "")
    assert "PASSED: 2 rules" in done.lines
    assert "No rules are configured" in done.out


def test_a_broken_rule_fails_and_says_which(wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci", wasteful)
    assert done.code == 1
    assert done.err == f"layerscope: {wasteful}: FAILED: 1 of 2 rules is broken (min-efficiency)\n"
    assert "FAILED  min-efficiency            0.3%     min 90.0%      -89.7%" in done.lines
    assert "   5.00 kB  deleted        1 → 2    /a" in done.lines
    assert "            1 file · step 2" in done.lines


def test_flags_state_rules(wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "ci", wasteful, "--max-layers", "2").code == 0
    assert ran(capsys, "ci", wasteful, "--max-layers", "1").code == 1
    assert ran(capsys, "ci", wasteful, "--forbid", "a").code == 0
    assert ran(capsys, "ci", wasteful, "--forbid", "anywhere:a").code == 1
    assert ran(capsys, "ci", wasteful, "--budget", "/keep=1").code == 1
    assert ran(capsys, "ci", wasteful, "--max-cause", "deleted=4999").code == 1
    assert ran(capsys, "ci", wasteful, "--base", "2", "--max-wasted", "0").code == 0


def test_dives_flags_are_taken(wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--highestUserWastedPercent", "disabled", "--lowestEfficiency", "0.001")
    assert ran(capsys, "ci", wasteful, *arguments).code == 0
    assert ran(capsys, "ci", wasteful, *arguments, "--highestWastedBytes", "1kB").code == 1


def test_files_here_state_rules(here: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "layerscope.toml").write_text("max-layers = 0")
    assert ran(capsys, "ci", good).code == 1
    (here / "pyproject.toml").write_text("[tool.layerscope]\nmax-layers = 1")
    assert ran(capsys, "ci", good).code == 0
    (here / "other.toml").write_text("max-size = 1")
    assert ran(capsys, "ci", good, "--config", "other.toml").code == 1
    (here / ".dive-ci").write_text("rules:\n  lowestEfficiency: 1\n  highestUserWastedPercent: disabled\n")
    assert "lowestEfficiency" in ran(capsys, "ci", good).out


def test_a_variable_states_a_rule(good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_SIZE", "1kB")
    assert ran(capsys, "ci", good).code == 1


def test_the_day_is_todays(here: Path, wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = 'max-layers = 1\n[[waive]]\nrule = "max-layers"\nreason = "soon"\nuntil = '
    (here / "layerscope.toml").write_text(rule + str(today() + timedelta(days=1)))
    assert ran(capsys, "ci", wasteful).code == 0
    (here / "layerscope.toml").write_text(rule + str(today() - timedelta(days=2)))
    done = ran(capsys, "ci", wasteful)
    assert done.code == 1
    assert "waive max-layers" in done.err


def test_the_text_of_many_findings_fits_a_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lower = layer(*(file(f"deep/{'directory/' * 8}{number}/{'name' * 20}", bytes(9000 + number)) for number in range(40)))
    layers = [lower, *(layer(whiteout(f"deep/{'directory/' * 8}{number}")) for number in range(40))]
    place = written(tmp_path / "image.tar", *layers)
    done = ran(capsys, "ci", place, "--max-wasted", "1", "--min-efficiency", "0.9", "--forbid", "anywhere:deep")
    assert done.code == 1
    assert len(done.lines) <= 24
    assert max(map(len, done.lines)) <= 80


def test_a_log_has_every_fix_and_their_edits_where_they_are_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`here` is the current directory, in which the Dockerfile lies."""
    made = [(f"RUN get {number}", layer(file(f"{number}/a", bytes([number]) * 2_000_000))) for number in range(6)]
    gone = [(f"RUN rm -rf /{number}", layer(whiteout(f"{number}"))) for number in range(6)]
    steps = [step for pair in zip(made, gone, strict=True) for step in (*pair, ("USER a", None))]
    lines = [instruction for instruction, _ in steps]
    history = [{"created_by": f"RUN /bin/sh -c {line[4:]} # buildkit"} for line in lines if line.startswith("RUN")]
    tars = [each.tar() for _, each in steps if each is not None]
    place = write_tar(here / "image.tar", saved(*tars, settings=config(*tars, history=history)))
    (here / "Dockerfile").write_text("\n".join(["FROM scratch", *lines]) + "\n")
    done = ran(capsys, "ci", place)
    assert sum("join the two RUNs" in line for line in done.lines) == 6
    assert not any("+++ b/Dockerfile" in line for line in done.lines)
    full = ran(capsys, "ci", place, "--fixes", "full")
    assert sum("+++ b/Dockerfile" in line for line in full.lines) == 6
    assert any(line.strip() == "+ && rm -rf /3" for line in full.lines)


def test_growth_within_its_limit_is_no_offense(tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(capsys, "baseline", good, "-o", "lock.json")
    bigger = written(tmp_path / "bigger.tar", *GOOD, layer(file("new/x", bytes(3000))))
    passed = ran(capsys, "ci", bigger, "--baseline", "lock.json", "--max-growth", "1MB")
    assert passed.code == 0
    assert "grew" not in passed.out
    assert "grew" in ran(capsys, "ci", bigger, "--baseline", "lock.json", "--max-growth", "1kB").out


@pytest.mark.parametrize(
    ("settings", "repository", "named"),
    [
        ({"GITHUB_WORKSPACE": "here"}, "", "sub/app/Dockerfile"),
        ({"CI_PROJECT_DIR": "here/sub"}, "", "app/Dockerfile"),
        ({"GITHUB_WORKSPACE": "nowhere"}, "here", "sub/app/Dockerfile"),
        ({}, "", "Dockerfile"),
    ],
)
def test_reports_name_the_dockerfile_from_the_repository(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], repository: str, named: str
) -> None:
    """The command runs in `elsewhere`, so that no path of its own directory would do."""
    dockerfile = tmp_path / "here" / "sub" / "app" / "Dockerfile"
    dockerfile.parent.mkdir(parents=True)
    dockerfile.write_text("FROM scratch\nRUN step 1\n")
    for name, value in settings.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    if repository:
        (tmp_path / repository / ".git").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    process("ci", good, "--max-layers", "0", "--dockerfile", str(dockerfile), "--report", "gitlab=gate.json")
    (issue, *_) = json.loads(Path("gate.json").read_text())
    assert issue["location"]["path"] == named


def test_a_terminal_gets_color_and_a_pipe_does_not(wasteful: Path) -> None:
    shown, code = on_terminal("ci", wasteful)
    assert code == 1
    assert "\x1b[31mFAILED\x1b[0m" in shown
    assert b"\x1b" not in process("ci", wasteful).stdout


# Where it is asked for


@pytest.mark.parametrize("arguments", [["{}", "--ci"], ["--ci", "{}"], ["ci", "{}"], ["{}", "--ci", "--max-layers", "9"]])
def test_the_gate_is_a_command_and_an_option(good: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    done = ran(capsys, *[each.format(good) for each in arguments])
    assert done.code == 0
    assert "PASSED: " in done.out


@pytest.mark.parametrize("value", ["true", "True", "1", "woodpecker"])
def test_in_ci_an_image_is_judged(
    wasteful: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)
    assert ran(capsys, wasteful).code == 1
    assert ran(capsys, wasteful, "--max-layers", "9").code == 0


@pytest.mark.parametrize("value", ["", "false", "0", "no", "FALSE"])
def test_outside_of_ci_an_image_is_reported_on(
    wasteful: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)
    done = ran(capsys, wasteful)
    assert done.code == 0
    assert "Waste by cause" in done.out


@pytest.mark.parametrize("option", [["--text"], ["--json", "-"], ["--json=-"]])
def test_in_ci_the_report_can_be_asked_for(
    wasteful: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    done = ran(capsys, wasteful, *option)
    assert done.code == 0
    assert "deleted" in done.out


def test_in_ci_other_commands_are_what_they_are(
    wasteful: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert ran(capsys, "ls", wasteful).code == 0
    assert ran(capsys, "demo").code == 0
    assert ran(capsys, wasteful, "--help").out.startswith("Usage: layerscope [OPTIONS] IMAGE\n")


@pytest.mark.slow
def test_standard_input_is_judged() -> None:
    assert process("ci", "-", stdin=image(*GOOD)).returncode == 0
    assert process("-", "--ci", stdin=image(*WASTEFUL)).returncode == 1


# What cannot be judged is never a pass


LOOSE = ("--min-efficiency", "0", "--max-size", "1TB")
BASE = layer_tar("base")
CUT = layer(file("a", bytes(3000)), "b").tar()[:1500]


def refused_saved(*layers: bytes) -> Callable[[Path], str]:
    return lambda place: write_tar(place, saved(*layers))


def without_layer(place: Path) -> str:
    files = saved(BASE, layer_tar("x"))
    files.pop(f"{1:064x}/layer.tar")
    return write_tar(place, files)


def foreign(place: Path) -> str:
    layout = Layout()
    media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    absent = {"mediaType": media_type, "digest": digest(b"windows"), "size": 7, "urls": ["https://example.com/x"]}
    own = layout.add(BASE, "application/vnd.oci.image.layer.v1.tar")
    entry = layout.image(settings=config(b"windows", BASE), changes={"layers": [absent, own]})
    return write_tar(place, layout.files(entry))


def _cut(place: Path) -> str:
    return _bytes(place, tar(saved(layer_tar("x"), layer(file("a", bytes(9000))).tar()))[:-8000])


def _bytes(place: Path, content: bytes) -> str:
    place.write_bytes(content)
    return str(place)


BROKEN = {
    "a truncated layer": refused_saved(BASE, CUT),
    "a truncated gzip layer": refused_saved(BASE, gzip.compress(layer_tar("x"))[:-9]),
    "a gzip layer with a wrong checksum": refused_saved(BASE, gzip.compress(layer_tar("x"))[:-8] + bytes(8)),
    "an absent layer": without_layer,
    "a foreign layer": foreign,
    "a cut archive": _cut,
    "no image": lambda place: write_tar(place, {"hello": b"world"}),
    "an empty file": lambda place: _bytes(place, b""),
    "no file": str,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("rules", [(), LOOSE, ("--max-layers", "off")], ids=["default", "loose", "off"])
def test_a_broken_image_never_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: Callable[[Path], str], rules: tuple[str, ...]
) -> None:
    done = ran(capsys, "ci", broken(tmp_path / "image.tar"), *rules)
    assert done.code == 2
    assert done.err.startswith("layerscope: ")
    assert "PASSED" not in done.out


def test_what_is_broken_is_said_and_doubt_comes_before_broken_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci", write_tar(tmp_path / "image.tar", saved(BASE, CUT)), "--max-layers", "1")
    assert done.code == 2
    assert "COULD NOT JUDGE: 1 reason" in done.lines
    assert "layer 2: " in done.err
    assert "truncated" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--max-siz", "1"], "there is no option --max-siz; did you mean `--max-size`?"),
        (["--max-size", "20XB"], "--max-size: `20XB` is not a size such as 20MB"),
        (["--min-efficiency", "nan"], "--min-efficiency: `nan` is not a share"),
        (["--config", "nope.toml"], "nope.toml: there is no such file"),
        (["--ci-config", "nope"], "nope: there is no such file"),
        (["--report", "junti=x"], "there is no report `junti`; did you mean `junit`?"),
        (["--report", "json"], "--report json must be written as in --report junit=gate.xml"),
        (["--report", "json=a", "--report", "sarif=./a"], "two reports would go to the same file"),
        (["--report", "json=-", "--json", "/dev/stdout"], "two reports would go to the same file"),
        (["--report", "json={image}"], "would overwrite the image itself"),
        (["--json", "{image}"], "would overwrite the image itself"),
        (["--baseline", "nope.json"], "the baseline nope.json: there is no such file; `layerscope baseline IMAGE` writes one"),
        (["--baseline", "./nope.tar"], "there is no file or directory ./nope.tar"),
        (["--base", "9"], "the image has only 1 layers"),
        (["--max-growth", "1MB"], "no baseline is given"),
    ],
)
def test_what_is_misconfigured_is_no_verdict(
    good: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    done = ran(capsys, "ci", good, *[each.format(image=good) for each in arguments])
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert "PASSED" not in done.out


def test_without_an_image_there_is_nothing_to_judge(capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci")
    assert (done.code, done.out) == (2, "")
    assert "name the image to check" in done.err


def test_a_misspelled_variable_is_no_verdict(
    good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_SZIE", "1")
    assert ran(capsys, "ci", good).code == 2


@pytest.mark.slow
def test_a_full_disk_under_the_text_is_no_pass(good: Path) -> None:
    assert shell(f"$layerscope ci {good} > /dev/full").returncode == 2


# Reports


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_report_is_written(here: Path, wasteful: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    done = ran(capsys, "ci", wasteful, "--report", f"{kind}={here / 'report'}")
    assert done.code == 1
    assert (here / "report").stat().st_size > 100
    assert "FAILED: " in done.out


def test_one_run_writes_any_number_of_reports(here: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [part for kind in KINDS for part in ("--report", f"{kind}={kind}")]
    assert ran(capsys, "ci", good, *flags, "--json", "more.json").code == 0
    assert sorted(path.name for path in here.iterdir()) == sorted([*KINDS, "more.json"])
    assert (here / "more.json").read_bytes() == (here / "json").read_bytes()


def test_a_report_on_standard_output_is_there_alone(wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci", wasteful, "--json", "-")
    assert json.loads(done.out)["outcome"] == "failed"
    assert "FAILED: " in done.err


def test_the_json_says_all_of_the_verdict(wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(ran(capsys, "ci", wasteful, "--max-wasted", "1kB", "--json", "-").out)
    assert document["schema"] == "layerscope.gate/1"
    assert (document["outcome"], document["exit_code"]) == ("failed", 1)
    (rule,) = document["rules"]
    assert {key: rule[key] for key in ("key", "outcome", "measured", "limit", "margin", "unit", "origin")} == {
        "key": "max-wasted",
        "outcome": "failed",
        "measured": 5000,
        "limit": 1000,
        "margin": -4000,
        "unit": "bytes",
        "origin": "--max-wasted",
    }
    assert rule["sentence"] == "Wasted bytes: 5.00 kB, at most 1.00 kB."
    assert rule["findings"] == [
        {"path": "/a", "layer": 1, "buried_by": 2, "cause": "deleted", "bytes": 5000, "is_base": False, "note": "1 file"}
    ]
    assert document["layers"][1]["instruction"] == "step 2"
    assert document["slim"].pop("push_bytes_estimate") > 0
    assert document["slim"] == {"possible_bytes": 5000, "rewritten_layers": [1]}


def test_the_json_says_what_a_smaller_image_leaves_out_but_of_the_base(
    wasteful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(ran(capsys, "ci", wasteful, "--base", "1", "--json", "-").out)
    assert document["slim"] == {"possible_bytes": 0, "push_bytes_estimate": 0, "rewritten_layers": []}


def test_a_report_that_cannot_be_written_is_no_pass_and_keeps_no_other_from_being_written(
    here: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(capsys, "ci", good, "--report", "json=/nowhere/x", "--report", f"junit={here / 'gate.xml'}")
    assert done.code == 2
    assert "/nowhere/x cannot be written: No such file or directory" in done.err
    assert "PASSED: " in done.out
    assert (here / "gate.xml").exists()


def test_a_report_that_cannot_be_written_comes_before_a_broken_rule(wasteful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "ci", wasteful, "--report", "json=/nowhere/x").code == 2


# GitHub's runners


@pytest.fixture
def summary(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = here / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    return place


def test_a_summary_is_added_to_what_other_steps_wrote(
    summary: Path, wasteful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary.write_text("before\n")
    assert ran(capsys, "ci", wasteful).code == 1
    assert summary.read_text().startswith("before\n")
    assert "min-efficiency" in summary.read_text()


def test_a_summary_that_cannot_be_written_is_no_pass(summary: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary.mkdir()
    done = ran(capsys, "ci", good)
    assert done.code == 2
    assert "which GITHUB_STEP_SUMMARY names, cannot be written: Is a directory" in done.err


def test_a_summary_without_room_is_left_alone(summary: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary.write_bytes(b"x" * ((1 << 20) - 10))
    done = ran(capsys, "ci", good)
    assert (done.code, summary.stat().st_size) == (0, (1 << 20) - 10)
    assert "GITHUB_STEP_SUMMARY is full" in done.err


def test_in_actions_broken_rules_are_annotations_and_the_text_is_none(
    wasteful: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = ran(capsys, "ci", wasteful).lines
    assert lines[0].startswith("::stop-commands::")
    end = lines.index(f"::{lines[0].removeprefix('::stop-commands::')}::")
    assert not any(line.startswith("::") for line in lines[1:end])
    assert any(line.startswith("::error ") and "min-efficiency" in line for line in lines[end:])


def test_in_actions_a_report_on_standard_output_leaves_the_annotations_to_standard_error(
    wasteful: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = ran(capsys, "ci", wasteful, "--json", "-")
    assert json.loads(done.out)["exit_code"] == 1
    assert "\n::error " in done.err


# Dockerfiles


DOCKERFILE = "FROM scratch\nCOPY a keep /\nRUN rm /a\n"


def with_history(tmp_path: Path) -> str:
    """The wasteful image as a Dockerfile makes it."""
    history = [{"created_by": "COPY a keep / # buildkit"}, {"created_by": "RUN /bin/sh -c rm /a # buildkit"}]
    tars = [each.tar() for each in WASTEFUL]
    return write_tar(tmp_path / "image.tar", saved(*tars, settings=config(*tars, history=history)))


def test_lines_are_those_of_the_dockerfile_that_is_named_or_lies_here(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = with_history(tmp_path)

    def lines(*flags: str | Path) -> list[int | None]:
        document = json.loads(ran(capsys, "ci", place, *flags, "--json", "-").out)
        return [each["line"] for each in document["layers"]]

    assert lines() == [None, None]
    (tmp_path / "Other").write_text(DOCKERFILE)
    assert lines("--dockerfile", tmp_path / "Other") == [2, 3]
    (here / "Dockerfile").write_text("\n" + DOCKERFILE)
    assert lines() == [3, 4]


def test_a_named_dockerfile_must_be_one_and_one_that_lies_here_is_only_told_of(
    here: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(capsys, "ci", good, "--dockerfile", "nope").code == 2
    (here / "Dockerfile").write_bytes(b"\xff")
    assert ran(capsys, "ci", good, "--dockerfile", "Dockerfile").code == 2
    done = ran(capsys, "ci", good)
    assert done.code == 0
    assert "Dockerfile, line 1: not UTF-8" in done.out


# Names that try to be something else


HOSTILE = ("]]>", "</script>", "%0A::error::x", "a|b", "\x1b[2J", "\n::error::x", "\u202e", "\udcff", "`", "##[error]x")


def test_hostile_names_stay_text(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = layer(*(file(f"d{number}/{name}", bytes(1000 + number)) for number, name in enumerate(HOSTILE)))
    place = written(tmp_path / "image.tar", lower, *(layer(whiteout(f"d{number}")) for number in range(len(HOSTILE))))
    flags = ("--forbid", "anywhere:/d*/**", "--max-wasted", "0", "--max-file-size", "1")
    done = ran(capsys, "ci", place, *flags, "--json", here / "gate.json", "--report", f"analysis={here / 'all.json'}")
    assert done.code == 1
    assert all(line.isprintable() for line in [*done.lines, *done.err.splitlines()])
    for name in ("gate.json", "all.json"):
        text = (here / name).read_text()
        assert text.rstrip("\n").isprintable()
        json.loads(text)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = ran(capsys, "ci", place, *flags).lines
    end = lines.index(f"::{lines[0].removeprefix('::stop-commands::')}::")
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines[end + 1 :])


# The configuration


def test_the_configuration_can_be_printed_without_an_image(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "layerscope.toml").write_text("max-layers = 3")
    done = ran(capsys, "ci", "--print-config", "--max-size", "1GB")
    assert done.code == 0
    assert "# layerscope.toml" in done.out
    assert "# --max-size" in done.out


@pytest.mark.parametrize("layers", [GOOD, WASTEFUL, (), (layer(file(".git/x", bytes(10))), layer(".git/y"))])
def test_a_first_configuration_passes_for_the_image_it_was_made_from(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layers: tuple[Layer, ...]
) -> None:
    place = written(tmp_path / "image.tar", *layers)
    done = ran(capsys, "ci", "--init", place)
    assert (done.code, done.err) == (0, "wrote layerscope.toml\n")
    assert ran(capsys, "ci", place).code == 0
    assert ran(capsys, "ci", "--print-config").code == 0
    assert all(line.isprintable() for line in (here / "layerscope.toml").read_text().splitlines())


@pytest.mark.parametrize("base", ["1", "2"])
def test_a_first_configuration_knows_the_base(
    here: Path, wasteful: Path, capsys: pytest.CaptureFixture[str], base: str
) -> None:
    assert ran(capsys, "ci", "--init", wasteful, "--base", base).code == 0
    assert "\nmax-own-size = " in (here / "layerscope.toml").read_text()
    assert ran(capsys, "ci", wasteful, "--base", base).code == 0


def test_every_line_of_a_first_configuration_that_is_commented_out_can_be_used(
    here: Path, wasteful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(capsys, "ci", "--init", wasteful)
    text = (here / "layerscope.toml").read_text()
    used = [line.removeprefix("#") if not line.startswith("# ") else line for line in text.splitlines()]
    (here / "layerscope.toml").write_text("\n".join(used))
    assert ran(capsys, "ci", "--print-config").code == 0


def test_a_first_configuration_overwrites_nothing(here: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "layerscope.toml").write_text("mine")
    done = ran(capsys, "ci", "--init", good)
    assert done.code == 2
    assert "layerscope.toml already exists" in done.err
    assert (here / "layerscope.toml").read_text() == "mine"
    assert ran(capsys, "ci", "--init", good, "--config", "other.toml").code == 0
    assert (here / "other.toml").exists()


def test_a_broken_image_gives_no_first_configuration(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci", "--init", write_tar(tmp_path / "image.tar", saved(BASE, CUT)))
    assert done.code == 2
    assert list(here.iterdir()) == []


# The ratchet


def test_a_baseline_is_written_and_held_against(
    here: Path, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(capsys, "baseline", good)
    assert (done.code, done.out, done.err) == (0, "", "wrote layerscope.lock.json\n")
    lock = here / "layerscope.lock.json"
    assert ran(capsys, "ci", good, "--baseline", lock, "--max-growth", "0").code == 0
    bigger = written(tmp_path / "bigger.tar", *GOOD, layer(file("d/more", bytes(3000))))
    done = ran(capsys, "ci", bigger, "--baseline", lock, "--max-growth", "2999")
    assert done.code == 1
    told = [line.split() for line in done.lines]
    assert ["3.00", "kB", "grew", "2"] in told
    assert ["3.00", "kB", "grew", "/d"] in told
    assert ran(capsys, "ci", bigger, "--baseline", lock, "--max-growth", "3000").code == 0


def test_a_baseline_may_be_an_image(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bigger = written(tmp_path / "bigger.tar", *GOOD, layer(file("d/more", bytes(3000))))
    assert ran(capsys, "ci", bigger, "--baseline", good, "--max-growth", "2999").code == 1
    assert ran(capsys, "ci", bigger, "--baseline", good, "--max-growth", "3000").code == 0


def test_a_baseline_goes_to_standard_output_too(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "baseline", good, "-o", "-")
    assert json.loads(done.out)["schema"] == "layerscope.baseline/1"
    assert done.err == ""


def test_a_baseline_holds_the_directories_that_rules_name(here: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "layerscope.toml").write_text('[[directory-growth]]\npath = "/very/deep/directory"\nmax = 0')
    assert '"/very/deep/directory"' in ran(capsys, "baseline", good, "-o", "-").out


def test_a_broken_image_is_no_baseline(here: Path, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = write_tar(tmp_path / "image.tar", saved(BASE, CUT))
    assert ran(capsys, "baseline", broken).code == 2
    assert list(here.iterdir()) == []
    done = ran(capsys, "ci", good, "--baseline", broken)
    assert done.code == 2
    assert "truncated" in done.err


def test_a_damaged_baseline_is_no_verdict(here: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "lock.json").write_text('{"schema": "layerscope.baseline/1"')
    done = ran(capsys, "ci", good, "--baseline", "lock.json")
    assert done.code == 2
    assert done.err.startswith("layerscope: lock.json: not a baseline written by `layerscope baseline`")


def test_a_baseline_does_not_overwrite_the_image(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "would overwrite the image itself" in ran(capsys, "baseline", good, "-o", good).err


# What it costs


@pytest.mark.slow
def test_the_gate_loads_neither_the_screen_nor_an_engine(here: Path, wasteful: Path) -> None:
    flags = [part for kind in KINDS for part in ("--report", f"{kind}={here / kind}")]
    script = f"""
import sys
from layerscope.cli.main import run
code = run({["ci", str(wasteful), *flags]!r})
print([name for name in ("textual", "docker", "requests") if name in sys.modules], code)
"""
    done = subprocess.run([COMMAND[0], "-c", script], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.splitlines()[-1] == "[] 1"
