"""The documentation hangs together: links lead somewhere, words are not stale, the index knows every page."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from support.documentation import DOCUMENTS, ROOT, anchors, links, title

STALE = re.compile(r"OWNER/|\(app\)|not built yet|DESIGN\.md|MOVES\.md|/work/|pypi\.org|\bTODO\b|\bFIXME\b", re.IGNORECASE)
README_LINES = 130


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in links(document):
        if link.startswith("https://"):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or not target.is_relative_to(ROOT) or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_a_broken_anchor_would_be_found() -> None:
    assert "the-keys" in anchors(ROOT / "docs/gate.md")
    assert "no-such-heading" not in anchors(ROOT / "docs/gate.md")


def test_the_index_and_the_readme_lead_to_every_page() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= set(links(ROOT / "docs/README.md"))
    assert {f"docs/{page}" for page in pages} <= set(links(ROOT / "README.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_no_document_has_stale_words(document: Path) -> None:
    assert STALE.findall(document.read_text("utf-8")) == []


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES


def test_the_readme_shows_a_picture_that_is_here() -> None:
    assert [link for link in links(ROOT / "README.md") if link.endswith(".svg")] != []
