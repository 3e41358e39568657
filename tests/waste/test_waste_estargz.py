"""What eStargz puts into every layer is no waste; other files of those names are only files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import ran, written
from support.image_builder import Layer, Member, file, layer
from support.seen import Stacked

LANDMARK = file(".prefetch.landmark", b"\x0f")
TABLE = b'{"version": 1}' * 50


def stargz(*members: str | Member) -> Layer:
    """A layer as stargz-snapshotter writes it: a landmark first, the table last."""
    return layer(LANDMARK, *members, file("stargz.index.json", TABLE))


def test_tables_and_landmarks_that_later_layers_replace_are_no_waste() -> None:
    waste = Stacked.of([stargz("a"), stargz("b"), stargz("c")]).waste()
    assert (waste.wasted_bytes, len(waste), waste.efficiency) == (0, 0, 1.0)
    assert waste.estargz_bytes == 3 * (len(TABLE) + 1)
    assert waste.content_bytes == waste.live_bytes


def test_a_file_of_that_name_that_is_no_table_or_landmark_is_waste() -> None:
    large = file(".prefetch.landmark", b"x" * 5000)
    in_the_middle = layer(file("stargz.index.json", b"y" * 700), "a")
    waste = Stacked.of([layer(large), layer(LANDMARK), in_the_middle, layer(file("stargz.index.json", b"z"))]).waste()
    assert waste.wasted_bytes == 5700


def test_the_report_says_what_they_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = written(tmp_path / "image.tar", stargz("a"), stargz("b"))
    found = json.loads(ran(capsys, archive, "--json", "-").out)
    assert found["image"]["estargz_bytes"] == 2 * (len(TABLE) + 1)
    assert "1.40 kB are eStargz's own tables and landmarks" in ran(capsys, archive).out
