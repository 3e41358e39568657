"""The Markdown reports, rendered as GitHub and GitLab do (tables, bare links, raw HTML let through)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import html
from markdown_it import MarkdownIt

from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.markdown import code, markdown_report, plain, pr_comment, step_summary
from layerscope.text import escape
from support import gate_runs
from support.gate_runs import HOSTILE

TABLE = ("table", "thead", "tbody", "tr", "th", "td")
OURS = frozenset({*TABLE, "div", "h3", "h4", "p", "code", "pre", "strong", "em", "details", "summary", "ul", "li"})
LIVE = re.compile(r"(?<!\w)@\w|(?<!\w)#\d|https?://|\bwww\.|\w@\w")
"""What sites make links of in text that is no code: mentions, numbers of issues, addresses."""
FORMS: list[Callable[[GateRun], str]] = [lambda run: markdown_report(run).decode(), step_summary, pr_comment]


def rendered(text: str) -> html.HtmlElement:
    page = MarkdownIt("gfm-like", {"html": True, "linkify": True}).render(text)
    return html.fromstring(f"<div>{page}</div>")


def tables(text: str) -> list[list[list[str]]]:
    return [
        [[cell.text_content() for cell in row.iter("th", "td")] for row in table.iter("tr")]
        for table in rendered(text).iter("table")
    ]


def outside_code(page: html.HtmlElement) -> str:
    for element in list(page.iter("code")):
        element.text = "name"
    return str(page.text_content())


def test_it_says_verdict_rules_fixes_and_offenders(tmp_path: Path) -> None:
    text = markdown_report(gate_runs.ordinary(tmp_path)).decode()
    assert "❌ registry.example.org/team/app:1.2 failed" in rendered(text).text_content()
    rules, fixes, offenders, layers = tables(text)
    assert ["❌", "max-wasted", "2.50 MB", "≤ 2.00 MB", "-500 kB", "failed"] in rules
    assert [row[0] for row in rules[1:]] == ["❌", "⚠️", "✅", "⚪", "⚪"]
    assert fixes[1] == ["200 kB", "14", "line 14 RUN chmod 755 /app/big copies 200 kB: use COPY --chmod=755."]
    assert offenders[1] == ["300 kB", "overwritten", "1 → 2", "/app/big"]
    assert layers[1] == ["1", "341 kB", "340 kB", "step 1 (base)"]


def test_an_edit_is_a_folded_difference_without_secrets(tmp_path: Path) -> None:
    text = markdown_report(gate_runs.ordinary(tmp_path)).decode()
    assert (
        "<details><summary>Edit: copy-chown-14, 200 kB</summary>\n\n```diff\n--- a/docker/Dockerfile\n+++ b/docker/Dockerfile\n"
        "@@ -14 +13,0 @@\n-RUN chmod 755 /app/big && make DEPLOY_TOKEN=***\n```\n\n</details>\n"
    ) in text


def test_offenders_of_two_rules_are_told_once(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    broken = run.verdict.results[1]
    twice = GateRun(run.analysis, type(run.verdict)((broken, dataclasses.replace(broken, name="again"))), run.advice)
    text = markdown_report(twice).decode()
    assert text.count("/etc/motd") == 1
    assert "The same as above." in text


def test_what_could_not_be_advised_is_told(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    told = GateRun(run.analysis, run.verdict, dataclasses.replace(run.advice, notes=("That is another Dockerfile.",)))
    assert "- That is another Dockerfile.\n" in step_summary(told)


def test_where_nothing_broke_it_shows_what_wastes_most(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    passed = GateRun(run.analysis, type(run.verdict)(run.verdict.results[:1]), run.advice)
    text = markdown_report(passed).decode()
    assert "✅" in text
    assert "Worst paths" in text


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many])
def test_only_our_own_markup_comes_out(tmp_path: Path, make: Callable[[Path], GateRun], form: Callable[[GateRun], str]) -> None:
    page = rendered(form(make(tmp_path)))
    assert {element.tag for element in page.iter() if isinstance(element.tag, str)} <= OURS
    ours = [{}, {"class": "language-diff"}]
    assert [dict(each.attrib) for each in page.iter() if "style" not in each.attrib and dict(each.attrib) not in ours] == []
    assert LIVE.findall(outside_code(page)) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [gate_runs.hostile, gate_runs.many])
def test_no_name_breaks_a_table(tmp_path: Path, make: Callable[[Path], GateRun], form: Callable[[GateRun], str]) -> None:
    """Readers differ on which `|` ends a cell, so there is none but those between cells."""
    text = form(make(tmp_path))
    for lines in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        counts = [line.count("|") for line in lines.splitlines()]
        assert len(set(counts)) == 1, lines
    assert len(re.findall(r"^\| :?-", text, re.MULTILINE)) == len(tables(text))


def test_hostile_names_can_still_be_read(tmp_path: Path) -> None:
    shown = rendered(markdown_report(gate_runs.hostile(tmp_path)).decode()).text_content()
    squeezed = re.sub(r"\s+", " ", shown)
    for name in HOSTILE:
        assert re.sub(r"\s+", " ", escape(f"forbid {name}")) in squeezed


@pytest.mark.parametrize("name", [*HOSTILE, " a ", "  ", "`", "``", "a`", "|", "||", "\\|", "a``b`c"])
def test_a_name_as_code_reads_as_it_is(name: str) -> None:
    page = rendered(f"| a |\n|---|\n| {code(name)} |\n")
    (cell,) = page.iter("td")
    assert cell.text_content().strip() == escape(name).strip()
    assert LIVE.findall(outside_code(page)) == []


@pytest.mark.parametrize("sentence", [*HOSTILE, "`a``@b`", "`a`|`b`", "a ` b", "mail@example.org xmpp:a@b.c"])
def test_a_sentence_is_only_text(sentence: str) -> None:
    page = rendered(f"x {plain(sentence)} y")
    assert {element.tag for element in page.iter()} <= {"div", "p", "code"}
    shown = page.text_content().replace("\u200b", "").replace("`", "")
    assert re.sub(r"\s+", " ", shown).strip() == re.sub(r"\s+", " ", f"x {escape(sentence)} y".replace("`", ""))
    assert LIVE.findall(outside_code(page)) == []


@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile, gate_runs.many])
def test_a_summary_stays_below_a_mebibyte_and_a_comment_below_64_kibibytes(
    tmp_path: Path, make: Callable[[Path], GateRun]
) -> None:
    run = make(tmp_path)
    assert len(step_summary(run).encode()) < 1 << 20
    assert len(pr_comment(run).encode()) < 1 << 16


def test_what_does_not_fit_is_left_out_whole_and_said(tmp_path: Path) -> None:
    text = pr_comment(gate_runs.many(tmp_path))
    assert text.endswith("_The rest of this report was too long to be shown here._\n")
    assert text.count("<details>") == text.count("</details>")


def test_a_comment_starts_with_a_mark_that_outlasts_the_tag(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    first = pr_comment(run).splitlines()[0]
    assert first == "<!-- layerscope registry.example.org/team/app linux/amd64 -->"
    assert len(rendered(first)) == 0 or rendered(first).text_content().strip() == ""


def test_a_hostile_image_cannot_end_the_mark(tmp_path: Path) -> None:
    first = pr_comment(gate_runs.hostile(tmp_path)).splitlines()[0]
    assert re.fullmatch(r"<!-- layerscope [A-Za-z0-9._/: -]+ -->", first)
    assert "--" not in first.removeprefix("<!--").removesuffix("-->")
