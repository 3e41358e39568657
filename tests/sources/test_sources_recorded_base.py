"""The base that buildah writes into the history: as buildah 1.28 writes it, with and without --layers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from layerscope.sources.base import Base, recorded_base
from layerscope.sources.open import open_image
from support.commands import ran
from support.image_builder import file, layer, whiteout
from support.sources_build import config, saved, tar, write_tar

BASE = [{"created_by": "COPY a"}, {"created_by": "COPY b", "comment": "FROM 09336dff8d87"}]
LAYERED = [
    *BASE,
    {"created_by": "ENV X=1", "comment": "FROM localhost/base:1", "empty_layer": True},
    {"created_by": "COPY c", "comment": "FROM b6ba9a263ea0"},
    {"created_by": "COPY d", "comment": "FROM 381d89e9314c"},
]
AT_ONCE = [
    *BASE,
    {"created_by": "ENV X=1", "empty_layer": True},
    {"created_by": "COPY c", "empty_layer": True},
    {"created_by": "COPY d", "comment": "FROM localhost/base:1"},
]
FOUND = Base(2, "localhost/base:1", "the history's FROM")


@pytest.mark.parametrize(
    ("history", "found"),
    [
        (LAYERED, FOUND),
        (AT_ONCE, FOUND),
        ([*AT_ONCE, {"created_by": "RUN x", "comment": "buildkit.dockerfile.v0"}], Base()),
        (BASE, Base()),
        ([{"created_by": "x", "comment": "FROM debian"}, *LAYERED], Base(3, "localhost/base:1", "the history's FROM")),
        ([], Base()),
    ],
)
def test_it_is_what_came_before_the_step_that_names_it(history: list[dict[str, Any]], found: Base) -> None:
    tars = [layer(file(f"{number}", b"x")).tar() for number in range(sum("empty_layer" not in step for step in history))]
    settings = config(*tars, history=history)
    assert recorded_base(open_image("-", stdin=io.BytesIO(tar(saved(*tars, settings=settings))))) == found


def test_its_waste_is_not_charged_and_the_report_says_how_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tars = [layer(file("a", bytes(9000))).tar(), layer(whiteout("a"), file("b", b"b")).tar(), layer(file("d", bytes(9))).tar()]
    place = write_tar(tmp_path / "image.tar", saved(*tars, settings=config(*tars, history=AT_ONCE)))
    done = ran(capsys, "ci", place, "--max-wasted", "0")
    assert done.code == 0
    assert "The base is localhost/base:1, layers 1 to 2, by the history's FROM (--base sets another)." in done.out.replace(
        "\n  ", " "
    )
    assert "The base's (localhost/base:1, by the history's FROM): 9.00 kB." in ran(capsys, place, "--text").out
    assert ran(capsys, "ci", place, "--base", "0", "--max-wasted", "0").code == 1
