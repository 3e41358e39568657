"""The HTML report as a document: one file, a policy that allows its own style and script alone, tables without a script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lxml import html

from layerscope.analysis import Analysis
from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.html import html_report
from layerscope.report.verdict.treemap import treemap
from layerscope.text import escape
from support import gate_runs
from support.gate_runs import HOSTILE, Stored
from support.image_builder import Layer, file, hardlink, image, layer

RUNS = [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many]


def document(run: GateRun) -> html.HtmlElement:
    return html.document_fromstring(html_report(run), parser=html.HTMLParser(encoding="utf-8"))


def drawn(run: GateRun) -> Any:
    (data,) = document(run).xpath("//script[@type='application/json']")
    return json.loads(data.text)


def analysis_of(directory: Path, *layers: Layer) -> Analysis:
    path = directory / "image.tar"
    path.write_bytes(image(*layers))
    return Stored(path).analysis()


@pytest.mark.slow
@pytest.mark.parametrize("make", RUNS)
def test_it_refers_to_nothing_outside(tmp_path: Path, make: object) -> None:
    assert callable(make)
    page = document(make(tmp_path))
    names = {
        (element.tag, name): value for element in page.iter() if isinstance(element.tag, str) for name, value in element.items()
    }
    assert not [key for key in names if key[1] in ("src", "srcset", "action", "style") or key[1].startswith("on")]
    assert [value for (_, name), value in names.items() if name == "href"] == ["data:,"]
    assert len(page.xpath("//script")) == 2
    assert len(page.xpath("//style")) == 1
    assert b"@import" not in html_report(make(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("make", RUNS)
def test_its_policy_allows_its_own_style_and_script_alone(tmp_path: Path, make: object) -> None:
    assert callable(make)
    page = document(make(tmp_path))
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    for kind, element in (("style-src", page.xpath("//style")[0]), ("script-src", page.xpath("//script")[1])):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert allowed[kind] == f"'sha256-{digest}'"
    assert allowed["default-src"] == "'none'"


def test_the_tables_say_it_without_a_script(tmp_path: Path) -> None:
    tables = document(gate_runs.ordinary(tmp_path)).xpath("//table")
    assert all(len(table.xpath("./caption")) == 1 for table in tables)
    assert all(head.get("scope") == "col" for table in tables for head in table.xpath("./thead/tr/th"))
    rows = [[cell.text_content() for cell in row.xpath("./td")] for table in tables for row in table.xpath("./tbody/tr")]
    assert [
        "failed",
        "max-wasted",
        "2.50 MB",
        "≤ 2.00 MB",
        "-500 kB",
        "540 kB are wasted, 340 kB more than the limit of 200 kB.",
    ] in rows
    assert ["200 kB", "14", "line 14 RUN chmod 755 /app/big copies 200 kB: use COPY --chmod=755."] in rows
    assert ["300 kB", "overwritten", "1", "2", "/app/big"] in rows
    assert ["1", "341 kB", "", "340 kB", "base", "step 1"] in rows


def test_an_edit_is_folded_below_the_fixes_without_secrets(tmp_path: Path) -> None:
    page = html_report(gate_runs.ordinary(tmp_path)).decode()
    assert "<summary>Edit: copy-chown-14, 200 kB</summary>" in page
    assert '<span class="bad">-RUN chmod 755 /app/big &amp;&amp; make DEPLOY_TOKEN=***</span></pre>' in page
    assert '<span class="dim">@@ -14 +13,0 @@</span>' in page


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    report = html_report(gate_runs.hostile(tmp_path)).decode()
    page = document(gate_runs.hostile(tmp_path))
    assert {element.tag for element in page.iter() if isinstance(element.tag, str)}.isdisjoint({"img", "b/", "a", "iframe"})
    assert not re.search(r"[^\n -~]", re.sub(r"[^\x00-\x1f\x7f-\x9f\u202a-\u2069\ufeff]", "", report))
    cells = " ".join(cell.text_content() for cell in page.iter("td"))
    assert all(escape(f"forbid {name}") in cells for name in HOSTILE)
    (data,) = page.xpath("//script[@type='application/json']")
    assert re.search("[<>&]", data.text) is None
    assert any("<img src=x onerror=alert(1)>" in name for name in json.loads(data.text)["name"])


@pytest.mark.slow
def test_a_page_of_many_long_names_stays_small(tmp_path: Path) -> None:
    assert len(html_report(gate_runs.many(tmp_path))) < 3_000_000


def test_the_treemap_adds_up_to_all_bytes_of_all_layers(tmp_path: Path) -> None:
    analysis = gate_runs.ordinary(tmp_path).analysis
    found = treemap(analysis)
    assert found.size[0] == analysis.waste.content_bytes
    assert found.wasted[0] == analysis.waste.wasted_bytes
    assert found.written[:, 0].tolist() == analysis.layer_content_bytes
    assert found.lost[:, 0].tolist() == analysis.waste.by_layer(3).tolist()
    names = {analysis.tree.nodes.paths[int(node)].decode(): at for at, node in enumerate(found.node)}
    at = names["app/big"]
    assert (found.size[at], found.wasted[at], found.files[at]) == (700_000, 500_000, 3)
    assert found.written[:, at].tolist() == [300_000, 200_000, 200_000]
    assert found.parent[at] == names["app"]


def test_of_many_nodes_the_biggest_are_drawn_with_all_that_are_above_them(tmp_path: Path) -> None:
    files = [file(f"d{at % 7}/e{at % 3}/f{at}", b"x" * (at + 1)) for at in range(300)]
    found = treemap(analysis_of(tmp_path, layer(*files)), most=60)
    assert 40 < len(found.node) < 60
    assert found.size[0] == 300 * 301 // 2
    assert np.all(found.parent[1:] < np.arange(1, len(found.node)))
    assert np.all(found.size[found.parent[1:]] >= found.size[1:])


def test_of_equal_nodes_too_many_to_draw_none_is_picked(tmp_path: Path) -> None:
    found = treemap(analysis_of(tmp_path, layer(*(file(f"f{at}", b"x") for at in range(50)))), most=10)
    assert (found.node.tolist(), found.size.tolist(), found.files.tolist()) == ([0], [50], [50])


def test_a_hard_link_adds_no_bytes(tmp_path: Path) -> None:
    found = treemap(analysis_of(tmp_path, layer(file("a", b"1" * 100), hardlink("b", "a"))))
    assert found.size.tolist() == [100, 100]


def test_an_image_without_layers_has_nothing_but_a_root(tmp_path: Path) -> None:
    found = drawn(gate_runs.empty(tmp_path))
    assert (found["name"], found["size"], found["layers"]) == ([""], [0], [])
