"""GitLab's component and the pipeline of Jenkins: valid by GitLab's schema, and their scripts run as a runner runs them."""

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
from support.documentation import ROOT, blocks
from support.image_builder import file, layer, whiteout

pytestmark = pytest.mark.slow

HEADER, JOBS = yaml.safe_load_all((ROOT / "templates/layerscope.yml").read_text("utf-8"))
INPUTS: dict[str, dict[str, Any]] = HEADER["spec"]["inputs"]
REQUIRED = {"image": "image.tar", "source": str(ROOT)}
REPORTS = ("gl-code-quality.json", "layerscope.xml", "layerscope.txt", "layerscope.html")
WASTEFUL = (layer(file("a", b"1" * 9_000_000), file("b", b"2" * 1000)), layer(whiteout("a")))
FRUGAL = (layer("a", "b"), layer("c"))
RECIPES = ROOT / "docs/recipes.md"


@dataclass(frozen=True, slots=True)
class Job:
    """What a job's script left behind."""

    code: int
    log: str


def interpolated(node: Any, inputs: dict[str, str]) -> Any:
    """A node of the document with its inputs filled in, as GitLab does once it has parsed the document."""
    if isinstance(node, dict):
        return {interpolated(key, inputs): interpolated(value, inputs) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(each, inputs) for each in node]
    return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: inputs[match[1]], node) if isinstance(node, str) else node


def job_with(inputs: dict[str, str]) -> dict[str, Any]:
    given = {name: each["default"] for name, each in INPUTS.items() if "default" in each} | REQUIRED | inputs
    (job,) = interpolated(JOBS, given).values()
    return dict(job)


def run_job(
    project: Path, inputs: dict[str, str] | None = None, *, part: str = "script", shell: tuple[str, ...] = ("sh", "-e")
) -> Job:
    """Run a part of the job in a project's directory. A runner's shell is bash where there is one, and else sh."""
    job = job_with(inputs or {})
    variables = {name: each["value"] for name, each in job["variables"].items() if each["expand"] is False}
    own = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(project)}
    done = subprocess.run(
        [*shell, "-c", "\n".join(job[part])],
        cwd=project,
        env=environment({**own, **variables}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return Job(done.returncode, done.stdout.decode())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's directory in which the first part of the job has installed the checkout."""
    place = tmp_path_factory.mktemp("a project")
    with pytest.MonkeyPatch.context() as patch:
        python = tmp_path_factory.mktemp("bin") / "python3"
        python.symlink_to(sys.executable)
        patch.setenv("PATH", f"{python.parent}:/usr/bin:/bin")
        job = run_job(place, part="before_script")
    assert job.code == 0, job.log
    return place


def test_it_is_valid_by_gitlabs_schema() -> None:
    schema = Draft7Validator(get_builtin_schema("vendor.gitlab-ci"))
    given = {name: str(each.get("default", "x")) for name, each in INPUTS.items()}
    assert [
        error.message for document in (HEADER, JOBS, interpolated(JOBS, given)) for error in schema.iter_errors(document)
    ] == []
    assert not schema.is_valid({"spec": {"inputs": {"image": {"type": "image"}}}})


def test_every_input_is_used_and_those_of_the_script_are_never_expanded() -> None:
    assert set(re.findall(r"inputs\.([\w-]+)", str(JOBS))) == set(INPUTS)
    (job,) = JOBS.values()
    assert not [line for part in ("before_script", "script") for line in job[part] if "[[ inputs" in line]
    assert {each["expand"] for each in job["variables"].values()} == {False}
    assert {name for name, each in INPUTS.items() if "default" not in each} == set(REQUIRED)


def test_the_example_gives_inputs_that_there_are() -> None:
    (example,) = (yaml.safe_load(block.content) for block in blocks(RECIPES) if "GitLab" in block.reason)
    (included,) = example["include"]
    assert included["component"].partition("@")[0].endswith("/layerscope")
    assert set(REQUIRED) <= set(included["inputs"]) <= set(INPUTS)


@pytest.mark.parametrize("shell", [("sh", "-e"), ("bash", "-e", "-o", "pipefail")], ids=["sh", "bash"])
def test_a_good_image_passes_and_a_wasteful_one_fails_with_all_reports(project: Path, shell: tuple[str, ...]) -> None:
    artifacts = job_with({})["artifacts"]
    assert {*artifacts["paths"], *artifacts["reports"].values()} == set(REPORTS)
    for layers, code, words in ((FRUGAL, 0, "PASSED"), (WASTEFUL, 1, "FAILED  min-efficiency")):
        for name in REPORTS:
            (project / name).unlink(missing_ok=True)
        written(project / "image.tar", *layers)
        job = run_job(project, shell=shell)
        assert (job.code, words in job.log) == (code, True), job.log
        assert [name for name in REPORTS if not (project / name).stat().st_size] == []


def test_what_is_no_image_could_not_be_judged(project: Path) -> None:
    (project / "no.tar").write_bytes(b"no image")
    assert run_job(project, {"image": "no.tar"}).code == 2


def test_reports_and_further_arguments_are_one_a_line(project: Path) -> None:
    written(project / "image.tar", *WASTEFUL)
    arguments = "--min-efficiency=0\n\n--max-wasted-percent=100%\n--max-size=1GB\n"
    job = run_job(project, {"reports": "sarif=my gate.sarif\n", "args": arguments})
    assert job.code == 0, job.log
    assert (project / "my gate.sarif").stat().st_size > 100


@pytest.mark.parametrize("name", ["image", "config", "base", "dockerfile", "reports", "args"])
def test_an_input_is_never_read_as_code(project: Path, name: str) -> None:
    text = "$(touch hacked) `touch hacked` \"; touch hacked; ' touch hacked; ' \\n; touch hacked\nEND\ntouch hacked"
    written(project / "image.tar", *FRUGAL)
    job = run_job(project, {name: text})
    assert not (project / "hacked").exists()
    assert ("command not found" in job.log, ": not found" in job.log) == (False, False), job.log


def test_the_pipeline_of_jenkins_leaves_the_reports_that_it_publishes(tmp_path: Path) -> None:
    (pipeline,) = (block.content for block in blocks(RECIPES) if "Jenkins" in block.reason)
    (script,) = re.findall(r"sh '''\n(.+?)'''", pipeline, re.DOTALL)
    written(tmp_path / "image.tar", *WASTEFUL)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY a b /\nRUN rm /a\n")
    program = tmp_path / "layerscope"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m layerscope "$@"\n')
    program.chmod(0o755)
    env = environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    # Groovy reads what stands between three quotes: a backslash and the line end after it are dropped there.
    done = subprocess.run(
        ["sh", "-xe", "-c", script.replace("\\\n", "")], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert (done.returncode, b"PASSED" in done.stdout) == (0, True), done.stderr
    published = re.findall(r"(?:junit|pattern:|archiveArtifacts) '([^']+)'", pipeline)
    assert sorted(published) == ["gate.sarif", "gate.xml", "image.html"]
    assert [name for name in published if not (tmp_path / name).stat().st_size] == []
