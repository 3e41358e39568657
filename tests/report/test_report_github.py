"""Workflow commands, read as GitHub's runner reads what a step prints (`ActionCommand` in actions/runner)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from layerscope.report.verdict.alerts import without_commands, workflow_commands
from layerscope.text import escape
from support import gate_runs
from support.gate_runs import HOSTILE

_ESCAPES = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}


@dataclass(frozen=True, slots=True)
class Command:
    """A command as the runner understands it."""

    name: str
    properties: dict[str, str]
    message: str


def understood(line: str) -> Command | None:
    """`::name key=value,key=value::message` at the start of a line, or `##[name key=value;]message` anywhere in it."""
    found = re.match(r"\s*::([^\s:]+)(?: (.*?))?::(.*)$", line)
    if found:
        pairs = (pair.split("=", 1) for pair in (found[2] or "").split(",") if pair)
        return Command(found[1], {key: _plain(value) for key, value in pairs}, _plain(found[3]))
    older = re.search(r"##\[([^\s\]]+)[^\]]*\](.*)$", line)
    return Command(older[1], {}, older[2]) if older else None


def _plain(text: str) -> str:
    return re.sub("%25|%0D|%0A|%3A|%2C", lambda match: _ESCAPES[match[0]], text)


def commands(text: str) -> list[Command]:
    found = [understood(line) for line in text.splitlines()]
    assert None not in found
    return [each for each in found if each]


def test_each_alert_is_one_command_at_its_line(tmp_path: Path) -> None:
    found = commands(workflow_commands(gate_runs.ordinary(tmp_path)))
    assert [each.name for each in found] == ["error", "warning", "notice", "notice"]
    assert found[0].properties == {
        "file": "docker/Dockerfile",
        "line": "7",
        "endLine": "9",
        "title": "layerscope: max-wasted",
    }
    assert found[0].message.startswith("540 kB are wasted, 340 kB more than the limit of 200 kB. Here: /app/big: 300 kB")


def test_what_has_no_line_names_no_file(tmp_path: Path) -> None:
    assert commands(workflow_commands(gate_runs.ordinary(tmp_path)))[1].properties == {"title": "layerscope: max-layers"}


def test_of_each_kind_there_are_ten_and_the_last_says_how_many_more(tmp_path: Path) -> None:
    found = commands(workflow_commands(gate_runs.many(tmp_path)))
    assert [each.name for each in found] == ["error"] * 10 + ["notice"] * 10
    assert found[9].message == "51 more alerts: see the other reports."


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    text = workflow_commands(gate_runs.hostile(tmp_path))
    assert all(line.isprintable() for line in text.split("\n"))
    found = commands(text)
    assert {each.name for each in found} <= {"error", "warning", "notice"}
    assert {frozenset(each.properties) for each in found} <= {
        frozenset({"title"}),
        frozenset({"file", "line", "endLine", "title"}),
    }
    assert found[0].message == f"the image could not be judged: {escape(HOSTILE[0])}"
    assert found[3].message == "the image could not be judged: %0A::error::x"


def test_a_runner_finds_no_command_in_text_that_is_set_apart() -> None:
    text = without_commands("/##[error]x\n  ::stop-commands::y\nend")
    first, *inside, last = text.splitlines()
    mark = first.removeprefix("::stop-commands::")
    assert len(mark) == 32
    assert inside == ["/##[error]x", "  ::stop-commands::y", "end"]
    assert last == f"::{mark}::"
    assert without_commands("") != without_commands("")


def test_an_image_with_nothing_to_say_of_gives_no_command(tmp_path: Path) -> None:
    assert workflow_commands(gate_runs.empty(tmp_path)) == ""
