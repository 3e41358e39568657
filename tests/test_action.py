"""The GitHub Action: valid by GitHub's schema, and its steps run as a runner runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

from support.commands import environment, written
from support.image_builder import file, layer, whiteout

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
INSTALL, JUDGE = ACTION["runs"]["steps"]
WASTEFUL = (layer(file("a", b"1" * 9_000_000), file("b", b"2" * 1000)), layer(whiteout("a")))
FRUGAL = (layer("a", "b"), layer("c"))


@dataclass(frozen=True, slots=True)
class Step:
    """What a step left behind."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


def run_step(step: dict[str, Any], runner: Path, inputs: dict[str, str] | None = None) -> Step:
    """Run a step's script as a runner does with `shell: bash`, its expressions filled in."""
    given = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()} | (inputs or {})
    values = {f"inputs.{name}": value for name, value in given.items()} | {"github.action_path": str(ROOT)}
    named = {name: re.sub(r"\$\{\{ (\S+) \}\}", lambda match: values[match[1]], text) for name, text in step["env"].items()}
    script, outputs, summary = (runner / name for name in ("script.sh", "outputs", "summary"))
    script.write_text(step["run"])
    for place in (outputs, summary):
        place.write_bytes(b"")
    own = {"GITHUB_ACTIONS": "true", "CI": "true", "RUNNER_TEMP": str(runner)}
    places = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
        cwd=runner,
        env=environment({**own, **places, **named}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    stated = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    return Step(done.returncode, done.stdout.decode(), stated, summary.read_text("utf-8"))


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runner's directory in which the first step has installed the checkout."""
    place = tmp_path_factory.mktemp("runner temp")
    step = run_step(INSTALL, place, {"python": sys.executable})
    assert step.code == 0, step.log
    return place


def test_it_is_valid_by_githubs_schema() -> None:
    schema = get_builtin_schema("vendor.github-actions")
    assert [error.message for error in Draft7Validator(schema).iter_errors(ACTION)] == []


def test_it_is_composite_of_nothing_but_scripts() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert all("uses" not in step and step["shell"] == "bash" for step in ACTION["runs"]["steps"])


def test_no_expression_stands_inside_a_script() -> None:
    assert [step["run"] for step in ACTION["runs"]["steps"] if "${{" in step["run"]] == []


@pytest.mark.slow
def test_every_input_is_used_and_every_output_is_set(runner: Path) -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", str(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    image = written(runner / "frugal.tar", *FRUGAL)
    assert set(run_step(JUDGE, runner, {"image": str(image)}).outputs) == set(ACTION["outputs"])


@pytest.mark.slow
def test_a_good_image_passes(runner: Path) -> None:
    image = written(runner / "good.tar", *FRUGAL)
    step = run_step(JUDGE, runner, {"image": str(image)})
    assert (step.code, step.outputs["passed"], step.outputs["exit-code"]) == (0, "true", "0")
    assert (step.outputs["efficiency"], step.outputs["wasted-bytes"]) == ("1.0", "0")
    assert "✅" in step.summary
    assert "::error" not in step.log


@pytest.mark.slow
def test_a_wasteful_image_fails_with_annotations_and_a_summary(runner: Path) -> None:
    image = written(runner / "wasteful.tar", *WASTEFUL)
    step = run_step(JUDGE, runner, {"image": str(image)})
    assert (step.code, step.outputs["passed"], step.outputs["wasted-bytes"]) == (1, "false", "9000000")
    assert re.search("^::error title=layerscope%3A min-efficiency::", step.log, re.MULTILINE)
    assert "❌" in step.summary
    assert Path(step.outputs["json"]).exists()


def test_what_is_no_image_could_not_be_judged(runner: Path) -> None:
    (runner / "no.tar").write_bytes(b"no image")
    step = run_step(JUDGE, runner, {"image": "no.tar"})
    assert step.code == 2
    assert step.outputs == {"passed": "false", "exit-code": "2", "efficiency": "", "wasted-bytes": "", "json": ""}


@pytest.mark.slow
def test_reports_and_further_arguments_are_one_a_line(runner: Path) -> None:
    image = written(runner / "more.tar", *WASTEFUL)
    reports = "sarif=gate.sarif\nhtml=my gate.html\n"
    arguments = "--min-efficiency=0\n--max-wasted-percent=100%\n--max-size=1GB\n"
    step = run_step(JUDGE, runner, {"image": str(image), "reports": reports, "args": arguments})
    assert step.code == 0, step.log
    assert (runner / "gate.sarif").stat().st_size > 100
    assert b"</html>" in (runner / "my gate.html").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["image", "config", "base", "dockerfile", "reports", "args"])
def test_an_input_is_never_read_as_code(runner: Path, name: str) -> None:
    text = "$(touch hacked) `touch hacked` \"; touch hacked; ' touch hacked; ' \\n; touch hacked"
    image = written(runner / "plain.tar", *FRUGAL)
    step = run_step(JUDGE, runner, {"image": str(image), name: text})
    assert not (runner / "hacked").exists()
    assert "command not found" not in step.log


@pytest.mark.slow
def test_a_name_in_the_log_is_no_command(runner: Path) -> None:
    name = "x/##[error]y/ ::warning::z"
    image = written(runner / "names.tar", layer(file(name, b"1" * 9_000_000)), layer(whiteout("x")))
    step = run_step(JUDGE, runner, {"image": str(image), "args": "--forbid=anywhere:**/*warning*"})
    assert "##[error]y" in step.log
    heeded = [line for line in lines_heeded(step.log) if "##[" in line or line.lstrip().startswith("::")]
    titles = ["error title=layerscope%3A forbid **/*warning* anywhere", "notice title=layerscope%3A join-runs"]
    assert [line.split("::")[1] for line in heeded] == titles


def lines_heeded(log: str) -> list[str]:
    """The lines in which a runner looks for commands: not those between `::stop-commands::MARK` and `::MARK::`."""
    mark, lines = "", []
    for line in log.splitlines():
        if mark:
            mark = "" if line == f"::{mark}::" else mark
        elif line.startswith("::stop-commands::"):
            mark = line.removeprefix("::stop-commands::")
        else:
            lines.append(line)
    return lines
