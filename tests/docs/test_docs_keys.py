"""What the documentation lists is what there is: keys, causes, reports, commands, variables, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from layerscope.app.keys import KEY_IDS
from layerscope.cli.help import SUMMARIES
from layerscope.dive.rule_limits import DIVE_KEYS
from layerscope.gate.config import KEYS
from layerscope.gate.config_document import TABLE_COLUMNS
from layerscope.report.verdict.gate_run import KINDS
from layerscope.search.query import WORDS
from layerscope.settings import Settings
from layerscope.waste.find import Cause
from support.commands import ran
from support.documentation import ROOT, first_column

DOCS = ROOT / "docs"
OWN_VARIABLE = re.compile(r'"(LAYERSCOPE_[A-Z]+(?:_[A-Z]+)*)"')


def same(listed: list[str], known: set[str]) -> None:
    assert len(listed) == len(set(listed)), "something is listed twice"
    assert set(listed) == known


def test_the_gates_keys_are_all_listed() -> None:
    same(first_column(DOCS / "gate.md", "The keys"), set(KEYS))


def test_the_gates_tables_and_their_columns_are_all_listed() -> None:
    known = {f"[[{table}]]" for table in TABLE_COLUMNS}
    same(first_column(DOCS / "gate.md", "Tables"), known)
    text = (DOCS / "gate.md").read_text("utf-8")
    for table, columns in TABLE_COLUMNS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `[[{table}]]`"))
        assert set(re.findall(r"`([a-z]+)`", row.split("|")[2])) == set(columns)


def test_dives_rules_are_all_listed() -> None:
    same(first_column(DOCS / "gate.md", "Coming from dive"), set(DIVE_KEYS))


def test_the_kinds_of_report_are_all_listed() -> None:
    same(first_column(DOCS / "reports.md", "Kinds"), set(KINDS))


def test_the_causes_of_waste_are_all_listed() -> None:
    same(first_column(DOCS / "waste.md", "Causes"), {cause.word for cause in Cause})


def test_the_settings_are_all_listed() -> None:
    same(first_column(DOCS / "settings.md", "Settings"), set(Settings.__struct_fields__))


def test_the_keys_of_the_screen_are_all_shown() -> None:
    shown = re.findall(r'^#"([a-z_.]+)" = ', (DOCS / "settings.md").read_text("utf-8"), re.MULTILINE)
    assert set(shown) <= set(KEY_IDS)
    assert len(shown) > 60


def test_the_commands_are_all_listed() -> None:
    same(first_column(DOCS / "commands.md", "All commands"), set(SUMMARIES))


def test_the_words_of_the_filter_are_all_listed() -> None:
    listed = {word.removeprefix("is:") for word in first_column(DOCS / "screen.md", "The filter") if word.startswith("is:")}
    assert listed == set(WORDS) - {"changed"}  # another word for modified


def test_the_variables_are_all_listed() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "tui").rglob("*.py")]
    known = {name for text in texts for name in OWN_VARIABLE.findall(text)}
    same(first_column(DOCS / "settings.md", "Environment variables"), known)


@pytest.mark.parametrize(("heading", "kind"), [("The analysis", "analysis"), ("The verdict", "json")])
def test_the_fields_of_a_json_report_are_all_listed(
    heading: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, report = tmp_path / "demo.tar", tmp_path / "report.json"
    assert ran(capsys, "demo", "--save", place).code == 0
    ran(capsys, "ci", place, "--report", f"{kind}={report}")
    same(first_column(DOCS / "reports.md", heading), set(_fields(json.loads(report.read_bytes()))))


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    """The top level, and one level of the objects and lists of objects in it: `image.id`, `layers[].number`."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        part = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        mark = "[]" if isinstance(value, list) and part is not value else ""
        if isinstance(part, dict):
            found |= {f"{key}{mark}.{name}": each for name, each in part.items()}
        else:
            found[key] = value
    return found
