"""dive's figures: the fast ones against the plain model, and both against dive itself."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings

from layerscope.dive.scores import DiveFigures, dive_figures
from layerscope.layers.blob import Blob
from layerscope.layers.readers.blob import read_layer, read_plain
from layerscope.layers.table import LayerTable
from support import dive_model
from support.dive_stacks import (
    TIMEOUT,
    dive_program,
    odd_stacks,
    stacks,
)
from support.image_builder import Layer, Member, blob, directory, file, image, layer, whiteout


def tables_of(layers: Sequence[Layer]) -> list[LayerTable]:
    return [read_plain(blob(each.tar()), layer=number) for number, each in enumerate(layers, 1)]


def fast(*layers: Layer) -> DiveFigures:
    return dive_figures(tables_of(layers))


def modelled(layers: Sequence[Layer]) -> dive_model.Figures:
    return dive_model.figures([[_model_member(member) for member in each.members] for each in layers])


def _model_member(member: Member) -> dive_model.Member:
    return dive_model.Member(member.name, member.kind == "directory", len(member.content))


def user_wasted_percent(figures: dive_model.Figures) -> float:
    if figures.user_bytes:
        return figures.inefficient_bytes / figures.user_bytes
    return math.inf if figures.inefficient_bytes else math.nan


def assert_equal_to_the_model(layers: Sequence[Layer]) -> None:
    found, expected = fast(*layers), modelled(layers)
    assert found.efficiency_score == expected.efficiency_score
    assert found.inefficient_bytes == expected.inefficient_bytes
    assert found.user_wasted_percent == pytest.approx(user_wasted_percent(expected), rel=0, abs=0, nan_ok=True)
    assert found.size_bytes == expected.size_bytes


# Against the model


@given(stacks)
def test_the_figures_are_those_of_the_plain_model(layers: list[Layer]) -> None:
    assert_equal_to_the_model(layers)


@given(odd_stacks)
def test_names_below_a_directory_called_like_a_whiteout_count_as_in_the_model(layers: list[Layer]) -> None:
    assert_equal_to_the_model(layers)


# Against dive itself


class Printed(NamedTuple):
    """What dive says: three numbers of its JSON, and two as its text has them."""

    efficiency_score: float
    inefficient_bytes: int
    size_bytes: int
    efficiency: str
    user_wasted_percent: str


def run_dive(archive: Path, *options: str) -> str:
    environment = {**os.environ, "CI": "true", "HOME": str(archive.parent)}
    command = [dive_program(), "--source", "docker-archive", str(archive), *options]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=False
    )
    return done.stdout.decode("utf-8", "replace")


def printed_by_dive(archive: Path, scratch: Path) -> Printed:
    exported = scratch / "dive.json"
    exported.unlink(missing_ok=True)
    run_dive(archive, "--json", str(exported))
    document = json.loads(exported.read_bytes())["image"]
    text = run_dive(archive)
    shown = [re.findall(rf"{name}: (\S+) %", text)[0] for name in ("efficiency", "userWastedPercent")]
    return Printed(document["efficiencyScore"], document["inefficientBytes"], document["sizeBytes"], *shown)


def as_dive_prints(figures: DiveFigures) -> Printed:
    percents = [_percent(figures.efficiency_score), _percent(figures.user_wasted_percent)]
    return Printed(figures.efficiency_score, figures.inefficient_bytes, figures.size_bytes, *percents)


def _percent(ratio: float) -> str:
    if math.isnan(ratio):
        return "NaN"
    return "+Inf" if math.isinf(ratio) else f"{ratio * 100:.4f}"


@pytest.mark.slow
@settings(max_examples=40)
@given(layers=stacks)
def test_the_figures_are_what_dive_prints(layers: list[Layer], tmp_path_factory: pytest.TempPathFactory) -> None:
    scratch = tmp_path_factory.mktemp("dive")
    archive = scratch / "image.tar"
    archive.write_bytes(image(*layers))
    assert as_dive_prints(fast(*layers)) == printed_by_dive(archive, scratch)


@pytest.mark.slow
@settings(max_examples=40)
@given(layers=odd_stacks)
def test_the_figures_of_odd_names_are_what_dive_prints(layers: list[Layer], tmp_path_factory: pytest.TempPathFactory) -> None:
    scratch = tmp_path_factory.mktemp("dive")
    archive = scratch / "image.tar"
    archive.write_bytes(image(*layers))
    assert as_dive_prints(fast(*layers)) == printed_by_dive(archive, scratch)


def test_the_figures_with_the_files_of_aufs_are_what_dive_prints(tmp_path: Path) -> None:
    aufs = (
        file(".wh..wh.aufs", b""),
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", bytes(7)),
        file(".wh..wh..x", bytes(5)),
    )
    layers = (layer(*aufs, file("a", bytes(100))), layer(directory(".wh..wh.orph"), file("-a", b"x"), file("a", bytes(30))))
    archive = tmp_path / "image.tar"
    archive.write_bytes(image(*layers))
    assert as_dive_prints(fast(*layers)) == printed_by_dive(archive, tmp_path)


def test_the_figures_of_real_images_are_what_dive_prints(images: Path, tmp_path: Path) -> None:
    archives = [path for path in sorted(images.glob("*.tar")) if b"manifest.json\0" in path.read_bytes()]
    assert archives
    for archive in archives:
        assert as_dive_prints(dive_figures(saved_tables(archive))) == printed_by_dive(archive, tmp_path), archive.name


def saved_tables(archive: Path) -> list[LayerTable]:
    """The layers of the first image in what `docker save` wrote."""
    stored = Blob.of_file(archive)
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        members = [tar.getmember(name) for name in json.load(manifest)[0]["Layers"]]
    regions = [stored.region(member.offset_data, member.size) for member in members]
    return [read_layer(region, layer=number).table for number, region in enumerate(regions, 1)]


# dive's ways, one by one


def checked(*layers: Layer) -> DiveFigures:
    """The figures, once they are seen to be the model's."""
    assert_equal_to_the_model(layers)
    return fast(*layers)


def test_a_path_in_two_layers_counts_all_its_bytes_as_inefficient() -> None:
    figures = checked(layer(file("a", bytes(100))), layer(file("a", bytes(300))))
    assert figures == DiveFigures(0.25, 400, 400 / 300, 400)


def test_a_directory_removed_once_costs_nothing() -> None:
    figures = checked(layer("d/", file("d/a", bytes(100))), layer(whiteout("d"), file("b", bytes(100))))
    assert figures == DiveFigures(1.0, 0, 0.0, 200)


def test_a_directory_removed_twice_costs_the_bytes_below_it() -> None:
    lower = (layer("d/", file("d/a", bytes(100))), layer(whiteout("d")), layer("d/", file("d/a", bytes(10))))
    figures = checked(*lower, layer(whiteout("d")))
    assert figures == DiveFigures((10 + 10) / (110 + 110), 220, 22.0, 110)


def test_all_levels_of_a_removed_directory_count() -> None:
    lower = layer("d/", file("d/1/2/3/4/5/6/7/8/9/a", bytes(100)))
    assert checked(lower, layer(whiteout("d")), layer("d/")).inefficient_bytes == 100


def test_names_that_only_begin_like_a_removed_directory_do_not_count() -> None:
    siblings = [file(b"p/d" + end + b"/a", bytes(10)) for end in (b"\x01", b"\x02", b" ", b"-", b".", b"0", b"\xff")]
    lower = layer("p/", "p/d/", file("p/d/a", bytes(100)), *siblings, tar_format=tarfile.GNU_FORMAT)
    assert checked(lower, layer(whiteout("p/d")), layer("p/d/"), layer(whiteout("p"))).inefficient_bytes == 100


def test_a_removed_file_counts_as_empty_so_that_all_of_it_is_inefficient() -> None:
    figures = checked(layer(file("a", bytes(100))), layer(whiteout("a"), file("b", bytes(300))))
    assert figures == DiveFigures(0.75, 100, 100 / 300, 400)


def test_a_directory_that_only_its_files_name_is_no_directory_to_a_whiteout() -> None:
    assert checked(layer(file("d/a", bytes(100))), layer(whiteout("d")), layer("d/")).inefficient_bytes == 0


def test_a_later_layer_that_does_not_name_the_directory_makes_it_none() -> None:
    lower = (layer("d/", file("d/a", bytes(100))), layer(file("d/b", bytes(10))))
    assert checked(*lower, layer(whiteout("d")), layer("d/")).inefficient_bytes == 0


def test_a_file_in_the_place_of_a_directory_keeps_what_was_below_it() -> None:
    lower = (layer("d/", file("d/a", bytes(100))), layer(file("d", b"")), layer("d/"))
    figures = checked(*lower, layer(whiteout("d"), file("b", bytes(1))))
    assert figures.inefficient_bytes == 100


def test_a_whiteout_takes_names_before_its_own_out_of_its_own_layer() -> None:
    middle = layer(whiteout("-d"), "-d/", file("-d/b", bytes(10)))
    figures = checked(layer("-d/", file("-d/a", bytes(100))), middle, layer(whiteout("-d")))
    assert figures.note.startswith(
        "dive stops at a whiteout of a path that it cannot find, and leaves out the rest, in layer 3."
    )


def test_a_whiteout_leaves_names_after_its_own_in_its_own_layer() -> None:
    middle = layer(whiteout("d"), "d/", file("d/b", bytes(10)))
    figures = checked(layer("d/", file("d/a", bytes(100))), middle, layer(whiteout("d")))
    assert figures == DiveFigures((100 + 10 + 10) / (100 + 10 + 110), 110, 11.0, 110)


def test_a_whiteout_in_the_lowest_layer_removes_from_that_layer() -> None:
    figures = checked(layer("d/", file("d/a", bytes(100)), whiteout("d")))
    assert (figures.efficiency_score, figures.inefficient_bytes) == (1.0, 0)
    assert "cannot find" not in figures.note


def test_a_whiteout_of_a_missing_path_ends_its_layer_and_is_said() -> None:
    figures = checked(layer(file("a", bytes(100))), layer(file("-b", bytes(7)), whiteout("nothing"), file("a", bytes(100))))
    assert figures.size_bytes == 207
    assert figures.efficiency_score == (100 + 7 - 1) / 107
    assert figures.note == "dive stops at a whiteout of a path that it cannot find, and leaves out the rest, in layer 2."


def test_a_negative_efficiency_is_said() -> None:
    figures = checked(
        layer(file("a", b"x")), layer(file("-a", b""), whiteout("n"), file("b", b"x")), layer(whiteout("a"), whiteout("m"))
    )
    assert figures.efficiency_score == -2.0
    assert "dive's efficiencyScore is negative" in figures.note


def test_a_percentage_that_is_no_number_is_said() -> None:
    figures = checked(layer(file("a", b"x")))
    assert math.isnan(figures.user_wasted_percent)
    assert "userWastedPercent is NaN" in figures.note


def test_an_infinite_percentage_is_said() -> None:
    figures = checked(layer(file("a", b"x")), layer(whiteout("a")))
    assert figures.user_wasted_percent == math.inf
    assert "userWastedPercent is infinite" in figures.note


def test_an_image_without_layers_is_efficient() -> None:
    figures = checked()
    assert (figures.efficiency_score, figures.inefficient_bytes, figures.size_bytes) == (1.0, 0, 0)


def test_a_damaged_layer_is_said() -> None:
    table = read_plain(blob(layer(file("a", bytes(2000))).tar()[:1500]), layer=1)
    assert dive_figures([table]).note.startswith("dive itself refuses this image")
