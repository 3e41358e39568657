"""The library's page and notebook: their code is run, and shows what it shows; the page names all that is public."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

import layerscope
from support.commands import ran
from support.documentation import ROOT, blocks

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/library.md"
NOTEBOOK: dict[str, Any] = json.loads((ROOT / "docs/library.ipynb").read_text("utf-8"))


@pytest.fixture
def demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the built-in image, in which the code runs."""
    assert ran(capsys, "demo", "--save", tmp_path / "demo.tar").code == 0
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_shows_what_its_code_prints(demo: Path) -> None:
    code = "\n".join(block.content for block in blocks(PAGE) if block.language == "pycon")
    test = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 10
    said: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(test, out=said.append).failed == 0, "".join(said)


def test_the_page_names_all_that_is_public() -> None:
    text = PAGE.read_text("utf-8").partition("## What is public")[2]
    assert set(re.findall(r"`([A-Z]\w+)`", text)) == {name for name in layerscope.__all__ if name[0].isupper()}


def test_the_notebook_runs_from_its_first_cell_to_its_last(demo: Path) -> None:
    cells = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells, 1):
        exec(compile(cell, f"cell {number}", "exec"), names)
    image = names["image"].image
    assert names["waste"].wasted_bytes.sum() == names["by_directory"].sum() == image.wasted_bytes
    assert names["files"].counted_bytes.sum() == image.live_bytes
    assert names["layers"].content_bytes.sum() == image.content_bytes
    assert set(names["new"].layer) <= {6, 7, 8, 9, 10}
    assert len(names["new"]) > 0
    assert dict(zip(names["rules"].name, names["rules"].outcome, strict=True)) == {
        "min-efficiency": "failed",
        "max-size": "passed",
    }


def test_the_notebook_keeps_no_outputs_and_has_the_form_of_its_format() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert [cell for cell in NOTEBOOK["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
