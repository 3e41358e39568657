"""The reports of a repository's tags: bars and growths in text, lines of JSON, and the page with a chart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from lxml import html

from layerscope.families.tag_series import TagSeries
from layerscope.oci.digest import Digest
from layerscope.report.tag_json import tag_line
from layerscope.report.tag_page import tag_page
from layerscope.report.tag_sizes import TagReport, tags_text
from layerscope.sources.listing.sized_tag import SizedTag
from layerscope.wording.style import Style, cells
from support.tagged_images import Built, growing, sized

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


def report(*tags: SizedTag, notes: tuple[str, ...] = ()) -> TagReport:
    return TagReport("registry.example.com/team/app", TagSeries.of(tags or sized(growing())), notes)


def document(raw: bytes) -> Any:
    """The page as a browser takes it apart."""
    return html.document_fromstring(raw, parser=html.HTMLParser(encoding="utf-8"))


def test_every_tag_has_a_bar_of_its_two_parts() -> None:
    assert tags_text(report(), Style()).splitlines() == [
        "registry.example.com/team/app",
        "6 tags, oldest first by date of creation: 952 kB → 1.10 MB (+151 kB).",
        "",
        "tag    date           size                                                growth",
        "1.0.0  2024-01-10   952 kB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████",
        "1.0.1  2024-02-10   954 kB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████                  +2.00 kB",
        "1.1.0  2024-03-10  1.48 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒█████████████████████████    +528 kB",
        "1.9.0  2024-04-10  1.51 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████████████████████  +30.0 kB",
        "1.10.0 2024-05-10  1.10 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████████               -409 kB",
        "latest 2024-05-10  1.10 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████████              = 1.10.0",
        "▒ base: leading layers that most tags of a variant share; █ own",
        "",
        "Grew most",
        "  +528 kB  1.0.1 → 1.1.0",
        "               +520 kB  layer 4: RUN pip install -r requirements.txt",
        " +30.0 kB  1.1.0 → 1.9.0",
        "              +30.0 kB  layer 5: COPY . /srv",
        " +2.00 kB  1.0.0 → 1.0.1",
        "              +2.00 kB  layer 5: COPY . /srv",
        "",
        "Sizes are of layers as they are stored: what a pull fetches.",
    ]


def test_where_only_ascii_can_be_shown_nothing_else_is() -> None:
    (hostile,) = sized([Built("naïve…tag", "a 1 b 2", "2024-05-10T08:00:00Z")])
    text = tags_text(report(*sized(growing()), hostile), Style(is_ascii=True))
    assert text.isascii()
    assert "na\\u00efve\\u2026tag" in text
    assert "-#" in text


@pytest.mark.parametrize("width", [60, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = sized([Built("a-very-long-tag-" * 6 + str(number), f"layer{number} {number + 1}") for number in range(3)])
    lines = tags_text(report(*long, *sized(growing()), notes=("Of 900 tags " * 20,)), Style(width)).splitlines()
    assert max(map(cells, lines)) <= width


def test_what_a_registry_says_is_escaped() -> None:
    (tag,) = sized([Built(HOSTILE, "a 1")])
    text = tags_text(report(replace(tag, platform=HOSTILE), *sized(growing())), Style())
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_is_not_known_is_said_so() -> None:
    stated = SizedTag("2", Digest.of(b"2"), pushed="2024-01-02T00:00:00Z", wire_bytes=5000)
    text = tags_text(report(SizedTag("1", pushed="2024-01-01T00:00:00Z"), stated), Style())
    assert "by time of push" in text
    assert text.splitlines()[4].split() == ["1", "2024-01-01", "?"]
    assert "--layers reads manifests" in text


def test_one_tag_has_nothing_to_be_compared_with() -> None:
    text = tags_text(report(*sized(growing())[:1]), Style())
    assert "1 tag, oldest first" in text
    assert "There is only one tag: nothing to compare it with." in text


def test_without_layers_in_common_nothing_is_said_of_a_base() -> None:
    apart = [Built("1", "a 400 b 200", "2024-01-10T08:00:00Z"), Built("2", "c 400 d 300", "2024-02-10T08:00:00Z")]
    text = tags_text(report(*sized(apart)), Style())
    assert ("+100 kB" in text, "base" in text) == (True, False)


def test_a_line_of_json_has_all_figures_of_a_tag() -> None:
    series = report().series
    lines = [json.loads(tag_line(series, number)) for number in range(len(series.tags))]
    assert [line["tag"] for line in lines] == ["1.0.0", "1.0.1", "1.1.0", "1.9.0", "1.10.0", "latest"]
    assert lines[4]["digest"] == lines[5]["digest"]
    third = lines[2]
    assert (third["created"], third["wire_bytes"], third["platform"]) == ("2024-03-10T08:00:00Z", 1482000, "linux/amd64")
    assert [layer["bytes"] for layer in third["layers"]] == [400000, 200000, 2000, 820000, 60000]
    assert (third["base_layers"], third["base_bytes"], third["own_bytes"]) == (2, 600000, 882000)
    assert (third["base_known_by"], third["compared_with"], third["grown_bytes"]) == ("shared", "1.0.1", 528000)
    assert third["changed_layers"][0] == {
        "layer": 4,
        "old_layer": 4,
        "digest": third["layers"][3]["digest"],
        "bytes": 820000,
        "grown_bytes": 520000,
        "instruction": "RUN pip install -r requirements.txt",
    }
    assert (lines[0]["compared_with"], lines[0]["grown_bytes"], lines[0]["changed_layers"]) == (None, None, None)


def test_what_json_does_not_know_is_null() -> None:
    line = json.loads(tag_line(TagSeries.of([SizedTag("1")]), 0))
    assert [name for name, value in line.items() if value is not None] == ["tag"]


def test_the_page_has_a_column_a_tag_with_its_two_parts() -> None:
    page = document(tag_page(report()))
    columns = page.xpath("//svg[@class='chart']/g")
    assert [column.xpath("string(title)").split(" · ")[0] for column in columns][:3] == ["1.0.0", "1.0.1", "1.1.0"]
    own, base = (float(columns[3].xpath(f"rect[@class='{part}']/@height")[0]) for part in ("own", "base"))
    assert own + base == pytest.approx(300, abs=0.2)  # the biggest one takes all of the height
    assert own / base == pytest.approx(912 / 600, abs=0.01)
    assert "RUN pip install -r requirements.txt" in page.text_content()


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    (tag,) = sized([Built(HOSTILE, "a 1")])
    raw = tag_page(TagReport(HOSTILE, TagSeries.of([tag]), (HOSTILE,))).decode()
    page = document(raw.encode())
    assert page.xpath("//script") == []
    assert [value for element in page.iter() for name, value in element.items() if name in ("src", "href", "style")] == [
        "data:,"
    ]
    assert "\x1b" not in raw
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_a_page_without_sizes_is_still_a_page() -> None:
    assert b"<svg" in tag_page(report(SizedTag("1"), SizedTag("2")))
