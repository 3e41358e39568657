"""The reports about a fleet, each read as its readers do: JSON by the table in docs/fleet.md, CSV, metrics, page and text."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from layerscope.fleet.answers import FleetAnswers, answer
from layerscope.report.fleet.fleet_csv import COLUMNS, fleet_csv
from layerscope.report.fleet.fleet_json import fleet_json
from layerscope.report.fleet.fleet_metrics import fleet_metrics
from layerscope.report.fleet.fleet_page import fleet_page
from layerscope.report.fleet.fleet_text import fleet_text
from layerscope.sources.listing.facts import ImageFacts
from layerscope.text import escape
from layerscope.wording.style import Style, cells
from support.commands import process, ran, written
from support.families_build import facts
from support.fleets import Json, document, fleet_of
from support.harmless import is_harmless
from support.image_builder import file, layer, whiteout, write_layout

DOCUMENTATION = Path(__file__).parents[2] / "docs/fleet.md"
HOSTILE = "</title><script>alert(1)</script>\"'&<img/src=x>\x1b[31m\u202e{\\:1"
BIG = bytes(range(256)) * 5000
BASE = (layer(file("big", BIG), file("gone", b"1" * 40_000)), layer(whiteout("gone")))


@dataclass(frozen=True, slots=True)
class Reports:
    """All reports of one run with `--analyze`, and one of the run before it."""

    json: Json
    csv: bytes
    metrics: str
    page: bytes
    text: str


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """A base that wastes, two images on it and a layout; one of them is newer than the baseline, and one damaged."""
    top = tmp_path_factory.mktemp("fleet")
    builds = top / "builds"
    builds.mkdir()
    written(builds / "base.tar", *BASE, tag="base:1")
    written(builds / "app1.tar", *BASE, layer(file("own", b"2" * 8000)), tag="shop/app:1")
    write_layout(builds / "lay", layer(file("copy", BIG)), tag="v1")
    files = {kind: top / kind for kind in ("json", "csv", "metrics", "html")}
    assert process("fleet", builds, "--json", top / "before").returncode == 0
    written(builds / "app2.tar", *BASE, layer(file("own", b"2" * 80_000)), tag="shop/app:2")
    (builds / "cut.tar").write_bytes((builds / "app2.tar").read_bytes()[:30_000])
    (builds / "text.tar").write_text("words")
    wanted = [each for kind, path in files.items() for each in (f"--{kind}", str(path))]
    done = process("fleet", builds, "--analyze", "--baseline", top / "before", *wanted)
    assert (done.returncode, done.stderr) == (2, b"")
    found = {kind: path.read_bytes() for kind, path in files.items()}
    return Reports(json.loads(found["json"]), found["csv"], found["metrics"].decode(), found["html"], done.stdout.decode())


def documented() -> dict[str, list[str]]:
    """The keys of the table in the documentation, each with the fields that it names."""
    rows = re.findall(r"^\| (`[^|]+) \| (.+) \|$", DOCUMENTATION.read_text().partition('"schema"')[2], re.MULTILINE)
    return {key: re.findall(r"`(\w+)`", fields) for keys, fields in rows for key in re.findall(r"`(\w+)`", keys)}


@pytest.mark.slow
def test_the_document_has_the_keys_that_its_documentation_names(reports: Reports) -> None:
    table = documented()
    assert {"schema", *table} == set(reports.json)
    assert reports.json["schema"] == "layerscope.fleet/1"
    for key in ("images", "bases", "layers", "teams", "fixes", "duplicates"):
        assert reports.json[key], key
        for each in reports.json[key]:
            assert set(each) - {"path_base64", "largest_path_base64"} == set(table[key]), key
    for key in ("totals", "reclaimable"):
        assert set(reports.json[key]) == set(table[key]), key
    assert set(reports.json["growth"]) >= {"images", "stored_bytes", "changes"}
    for each in reports.json["reclaimable"]["reasons"]:
        assert list(each) == ["reason", "freed_bytes", "images"]


@pytest.mark.slow
def test_figures_of_the_document_agree(reports: Reports) -> None:
    totals, images = reports.json["totals"], reports.json["images"]
    assert [each["name"] for each in images] == ["base:1", "lay:v1", "shop/app:1", "shop/app:2"]
    assert totals["stored_bytes"] == sum(each["stored_bytes"] for each in images)
    assert totals["unique_stored_bytes"] == sum(each["stored_bytes"] for each in reports.json["layers"])
    assert totals["content_bytes"] == sum(each["content_bytes"] for each in images) == 4 * len(BIG) + 3 * 40_000 + 88_000
    assert totals["unique_bytes"] == sum(each["content_bytes"] for each in reports.json["layers"])
    assert totals["wasted_bytes"] == 40_000 == reports.json["bases"][0]["wasted_bytes"]
    assert all(each["own_bytes"] + each["shared_bytes"] == each["stored_bytes"] for each in images)
    (fix,) = reports.json["fixes"]
    assert (fix["layer"], fix["base"], fix["causes"], fix["largest_path"]) == (2, "base:1", ["deleted"], "/gone")
    assert fix["images"] == ["base:1", "shop/app:1", "shop/app:2"]
    (twice,) = reports.json["duplicates"]
    assert (twice["bytes"], len(twice["layers"]), len(twice["images"])) == (len(BIG), 2, 4)
    assert [each["name"] for each in reports.json["growth"]["changes"]] == ["shop/app:2"]
    assert len(reports.json["failed"]) == len(reports.json["skipped"]) == totals["failed"] == 1


@pytest.mark.slow
def test_csv_has_a_row_for_each_image_with_the_same_figures(reports: Reports) -> None:
    rows = list(csv.DictReader(io.StringIO(reports.csv.decode(), newline="")))
    assert reports.csv.count(b"\r\n") == 1 + len(rows)
    for row, image in zip(rows, reports.json["images"], strict=True):
        assert row == {name: "" if image[name] is None else str(image[name]) for name in COLUMNS}


@pytest.mark.slow
def test_prometheus_reads_the_metrics(reports: Reports) -> None:
    families = {each.name: each for each in parsed(reports.metrics)}
    for name, value in reports.json["totals"].items():
        (sample,) = families[f"layerscope_fleet_{name}"].samples
        assert sample.value == value
    assert all(each.documentation and (each.unit == "bytes") == each.name.endswith("_bytes") for each in families.values())
    wasted = {each.labels["base"]: each.value for each in families["layerscope_fleet_base_wasted_bytes"].samples}
    assert wasted == {"base:1": 40_000}
    of_images = {each.labels["image"]: each.value for each in families["layerscope_fleet_image_content_bytes"].samples}
    assert of_images == {each["name"]: each["content_bytes"] for each in reports.json["images"]}
    (reason,) = families["layerscope_fleet_reclaimable_bytes"].samples
    assert (reason.labels, reason.value) == ({"reason": "superseded"}, reports.json["reclaimable"]["freed_bytes"])


def parsed(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


@pytest.mark.slow
def test_the_text_says_what_to_do_once_and_by_name(reports: Reports) -> None:
    lines = reports.text.splitlines()
    assert lines[0] == "4 images, 9 layers, 5 of them distinct"
    assert lines[1].split() == ["all", "images", "unique", "in", "several", "wasted"]
    assert [line.split()[0] for line in lines[2:4]] == ["as", "content"]
    assert "    shop/app:1" in reports.text.partition("What can be deleted")[2].partition("\n\n")[0]
    assert "layer 2 of base base:1" in reports.text
    assert "shop/app:2 (new)" in reports.text
    assert told(reports.text, "cut.taris") == told(reports.text, "text.taris") == 1
    for title in ("Could not be read or judged (1)", "No images, left out (1)"):
        assert title in lines


def told(text: str, words: str) -> int:
    """How often words are told, wherever lines are broken."""
    return "".join(text.split()).count(words)


def test_a_problem_is_told_once_wherever_the_report_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "builds").mkdir()
    good = written(tmp_path / "builds/good.tar", layer("a"), tag="good:1")
    (tmp_path / "builds/cut.tar").write_bytes(good.read_bytes()[:3000])
    (tmp_path / "builds/text.tar").write_text("words")
    for options in ([], ["--json", f"{tmp_path}/file"], ["--csv", f"{tmp_path}/a", "--html", f"{tmp_path}/b"]):
        done = ran(capsys, "fleet", tmp_path / "builds", *options)
        assert (done.code, done.err) == (2, "")
        assert told(done.out, "cut.taris") == told(done.out, "text.taris") == 1
    for options in (["--json", "-"], ["--csv", "-"], ["--metrics", "-"], ["--html", "-"], ["--jsonl"]):
        done = ran(capsys, "fleet", tmp_path / "builds", *options)
        assert (done.code, done.err.count("\n")) == (2, 2)
        assert told(done.err, "cut.taris") == told(done.err, "text.taris") == 1
        assert "What can" not in done.out


def test_jsonl_has_a_line_for_each_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        written(tmp_path / f"{number}.tar", layer(str(number)), tag=f"app:{number}")
    done = ran(capsys, "fleet", tmp_path, "--jsonl")
    assert [each["name"] for each in done.objects] == ["app:0", "app:1", "app:2"]
    assert done.objects == document(ran(capsys, "fleet", tmp_path, "--json", "-"))["images"]
    read = ran(capsys, "fleet", tmp_path, "--jsonl", "--analyze").objects
    assert sorted(each["name"] for each in read) == ["app:0", "app:1", "app:2"]
    assert all(each["content_bytes"] for each in read)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--json", "-", "--csv", "-"], "only one report can go to standard output"),
        (["--jsonl", "--html", "/dev/stdout"], "only one report can go to standard output"),
        (["--screen", "--json", "x"], "--screen lists the images and writes no report"),
        (["--screen", "--analyze"], "--screen lists the images and writes no report"),
        (["--screen"], "--screen needs a terminal"),
        (["--workers", "2"], "add --analyze"),
        (["--json", "none/such/file"], "none/such"),
        (["--tags", "newest:0"], "give a number above 0"),
        (["--tags", "v*,w*"], "give one glob"),
        (["--since", "soon"], "--since soon: give an age"),
        (["--older-than", "1x"], "--older-than 1x: give an age"),
        (["--platform", "amd64/linux/x/y/z"], "platform"),
        (["--baseline", "none"], "--baseline none: No such file"),
        (["--baseline", "app.tar"], "--baseline app.tar is not what layerscope fleet --json wrote"),
        (["--from", "none"], "--from none: No such file"),
        (["--from-kubernetes", "none"], "--from-kubernetes none: No such file"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    options: list[str],
    problem: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "app.tar", layer("a"), tag="app:1")
    done = ran(capsys, "fleet", "app.tar", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert problem in done.err


# Names that want to be more than names.


def hostile() -> FleetAnswers:
    """Every text that an image has says HOSTILE; there is something to tell in every section but those of reading."""
    images = [
        replace(
            facts(f"app:{number}", "os 9000", f"{number} {1000 * 1000 ** (number == 6) * 40}", created=HOSTILE),
            names=(f"{HOSTILE.removesuffix(':1')}/{'team' * (number % 2)}/app:{number}",),
            base_name=HOSTILE,
            pushed=HOSTILE,
        )
        for number in range(7)
    ]
    return answer(fleet_of([*images, replace(facts(""), repo_digests=())], failed=[HOSTILE]))


def test_an_image_that_stands_out_is_named_whole_before_it_is_said_in_what() -> None:
    images = [facts(f"registry.example.com/a/long/name/of/a/repository/app:{each}", f"{each} {10**7}") for each in range(8)]
    text = fleet_text(answer(fleet_of([*images, facts("registry.example.com/other/app:big", f"big {10**9}")])), Style())
    name, sentence = text.partition("beyond\n")[2].splitlines()[:2]
    assert name.endswith("  registry.example.com/other/app:big")
    assert sentence.strip() == "1.00 GB, and an image of the fleet usually has 10.0 MB"


def test_a_page_shows_hostile_names_as_text_and_has_no_script() -> None:
    raw = fleet_page(hostile())
    page: Any = html.document_fromstring(raw.decode())
    assert page.xpath("//script | //img | //@onerror | //@src | //a") == []
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script>alert(1)</script>" in page.text_content()
    assert is_harmless(raw.decode().replace("\n", ""))


def test_other_reports_keep_hostile_names_in_their_place() -> None:
    answers = hostile()
    found = json.loads(fleet_json(answers))
    assert len(found["images"]) == 8
    assert is_harmless("".join(each["name"] for each in found["images"]))
    rows = list(csv.reader(io.StringIO(fleet_csv(answers).decode(), newline="")))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len(rows) == 9
    families = {each.name: each for each in parsed(fleet_metrics(answers).decode())}
    labels = [each.labels["image"] for each in families["layerscope_fleet_image_stored_bytes"].samples]
    assert labels == [each["name"] for each in found["images"]]


def test_a_cell_is_no_formula() -> None:
    image = replace(facts("x:1", "a 1"), names=("=HYPERLINK(1):1",))
    assert next(csv.DictReader(io.StringIO(fleet_csv(answer(fleet_of([image]))).decode())))["name"] == "'=HYPERLINK(1):1"


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@given(
    st.lists(st.tuples(WORDS, WORDS, st.integers(0, 10**13)), max_size=12),
    st.sampled_from([60, 80, 132]),
    st.booleans(),
    st.booleans(),
)
def test_every_line_fits_and_keeps_to_ascii_where_it_must(
    drawn: list[tuple[str, str, int]], width: int, is_ascii: bool, has_color: bool
) -> None:
    images: list[ImageFacts] = [
        replace(facts("x:1", "os 100", f"{number} {size}"), names=(f"{first}/{second}:{number}",), base_name=second)
        for number, (first, second, size) in enumerate(drawn)
    ]
    answers = answer(fleet_of(images, failed=[escape(first) for first, _, _ in drawn]))
    text = fleet_text(answers, Style(width=width, has_color=has_color, is_ascii=is_ascii))
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if has_color else text.split("\n"):
        assert cells(line) <= width, line
        assert is_harmless(line)
        assert line.isascii() or not is_ascii, line
    assert has_color == ("\x1b[" in text)


@pytest.mark.slow
def test_the_page_of_a_thousand_images_is_small() -> None:
    images = [
        facts(
            f"registry.example.com/team{number % 40}/service-{number % 90}:1.{number}",
            *(f"{number % 50}-{each} {10_000_000 + each}" for each in range(10)),
            *(f"{number}-{each} {1_000_000 + number}" for each in range(2)),
            created=f"2024-{1 + number % 12:02}-01T00:00:00Z",
        )
        for number in range(1000)
    ]
    page = fleet_page(answer(fleet_of(images)))
    assert 100_000 < len(page) < 5_000_000
    assert page.count(b"registry.example.com/team") >= 1000


def test_a_box_of_the_treemap_is_called_by_what_its_group_does_not_say() -> None:
    page: Any = html.document_fromstring(
        fleet_page(
            answer(fleet_of([facts("registry.example.com/shop/api:1", "a 9000"), facts("shop/web:1", "b 500")]))
        ).decode()
    )
    titles = page.xpath("//svg//title/text()")
    assert titles == ["registry.example.com/shop: 9.00 kB", "api: 9.00 kB", "shop: 500 B", "web: 500 B"]
