"""GitHub's workflows, the hooks before a commit and the templates: valid, without secrets, and calling what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
OWN_FILES = re.compile(r"(?:^|[\s\"'])((?:\.ci|\.github|tests|tui)/[\w./-]+)")
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def parsed(path: Path) -> dict[str, Any]:
    """A document as GitHub reads it: YAML 1.1 would take the key `on` for true."""
    document: dict[str, Any] = yaml.safe_load(re.sub(r"^on:", '"on":', path.read_text("utf-8"), flags=re.MULTILINE))
    return document


def steps_of(path: Path) -> list[dict[str, Any]]:
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


def make_targets(script: str) -> list[str]:
    """The targets of every `make` in a script: the words after it that are neither options nor variables."""
    calls = re.findall(r"(?:^|[;&|]\s*|\s)make((?: +[^\s;&|]+)+)", script, re.MULTILINE)
    return [word for call in calls for word in call.split() if not word.startswith("-") and "=" not in word]


def test_tests_engines_and_releases_have_one() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"test", "engines", "release"}


@each_workflow
def test_it_is_valid_by_githubs_schema(path: Path) -> None:
    schema = get_builtin_schema("vendor.github-workflows")
    assert [error.message for error in Draft7Validator(schema).iter_errors(parsed(path))] == []


@each_workflow
def test_every_target_it_makes_is_in_the_makefile(path: Path) -> None:
    made = [target for step in steps_of(path) for target in make_targets(step.get("run", ""))]
    assert [target for target in made if target not in TARGETS] == []


@each_workflow
def test_every_file_of_ours_that_it_runs_is_there(path: Path) -> None:
    named = [name for step in steps_of(path) for name in OWN_FILES.findall(step.get("run", ""))]
    assert [name for name in named if not (ROOT / name).exists()] == []


@each_workflow
def test_it_has_no_secret_and_may_only_read_unless_a_job_says_why(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "secrets." not in text
    assert parsed(path)["permissions"] == {"contents": "read"}
    for line in text.splitlines():
        if re.search(r":\s*write\b", line):
            assert "#" in line, f"{path.name}: say at the line what it writes: {line.strip()}"


@each_workflow
def test_every_action_has_a_version_and_no_checkout_keeps_credentials(path: Path) -> None:
    for step in steps_of(path):
        action = step.get("uses", "")
        assert not action or re.fullmatch(r"[\w.-]+/[\w./-]+@(v\d+(\.\d+)*|release/v1|[0-9a-f]{40})", action), action
        if action.startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_workflow
def test_no_expression_stands_inside_a_script(path: Path) -> None:
    """A branch or tag may be named like a command: a script reads it from the environment."""
    assert [step["run"] for step in steps_of(path) if "${{" in step.get("run", "")] == []


def test_a_job_has_a_time_limit_and_a_named_machine() -> None:
    for path in WORKFLOWS:
        for job in parsed(path)["jobs"].values():
            assert "timeout-minutes" in job, path.name
            assert "latest" not in str(job["runs-on"]), path.name


def test_tests_run_on_each_python_that_the_package_names() -> None:
    named = set(re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8")))
    assert set(parsed(ROOT / ".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]) == named


def test_the_hooks_before_a_commit_need_no_network_and_call_what_is_there() -> None:
    repos = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    for hook in repos[0]["hooks"]:
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        assert (program == "make" and set(arguments) <= TARGETS) or program.startswith(".venv/bin/"), hook["entry"]


def test_templates_of_issues_are_valid_by_githubs_schema() -> None:
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) >= 2
    for form in forms:
        kind = "vendor.github-issue-config" if form.stem == "config" else "vendor.github-issue-forms"
        errors = Draft7Validator(get_builtin_schema(kind)).iter_errors(parsed(form))
        assert [error.message for error in errors] == [], form.name
