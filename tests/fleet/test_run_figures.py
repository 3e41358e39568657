"""What a fleet says of its images is what is said of each alone, whatever they share."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.fleet.answers import FleetAnswers, answer
from layerscope.fleet.fleet import Fleet
from layerscope.fleet.run import analyze_fleet
from layerscope.fleet.tasks import HowToRead
from layerscope.fleet.workers import threads
from layerscope.oci.digest import chain_ids
from layerscope.progress import ignore
from layerscope.sources.listing.directory_images import directory_images
from layerscope.sources.listing.found import FoundImages
from layerscope.sources.open import open_image
from support.commands import ran
from support.image_builder import Layer, file, image, layer, whiteout
from support.strategies import stacks


def answered(directory: Path, place: Path) -> FleetAnswers:
    fleet = Fleet.of(FoundImages.joined(directory_images(directory, progress=ignore)))
    with threads(2) as workers:
        return answer(fleet, analyze_fleet(fleet, workers, HowToRead(str(place), is_cached=False)))


def write(directory: Path, *images: Sequence[Layer]) -> None:
    for number, stack in enumerate(images):
        (directory / f"{number}.tar").write_bytes(image(*stack, tag=f"team-{number % 2}/app-{number}:1"))


def alone(path: Path) -> Analysis:
    return analyze(read_image(open_image(str(path))))


def distinct_waste(analyses: Sequence[Analysis]) -> int:
    """The waste of all images, what equal layers bury on equal layers once."""
    found: dict[tuple[str, int], int] = {}
    for analysis in analyses:
        chain = chain_ids([each.diff_id for each in analysis.image.layers if each.diff_id])
        waste = analysis.waste
        sums: dict[tuple[str, int], int] = {}
        for size, writer, burier in zip(waste.size.tolist(), waste.written_by.tolist(), waste.buried_by.tolist(), strict=True):
            key = str(chain[burier - 1]), writer
            sums[key] = sums.get(key, 0) + size
        found |= sums
    return sum(found.values())


@pytest.mark.slow
@given(base=stacks, tops=st.lists(stacks, min_size=1, max_size=3))
def test_figures_are_those_of_single_images(base: list[Layer], tops: list[list[Layer]]) -> None:
    with tempfile.TemporaryDirectory() as top:
        directory, place = Path(top, "images"), Path(top, "results")
        directory.mkdir()
        write(directory, base, *([*base, *each] for each in tops))
        answers = answered(directory, place)
        assert answers.results is not None
        analyses = []
        for number, each in enumerate(answers.fleet.images):
            analysis, result = alone(Path(each.reference)), answers.results.images[number]
            if result.problem:
                assert any(problem.is_doubt for problem in analysis.problems)
                continue
            analyses.append(analysis)
            waste = analysis.waste
            assert (result.content_bytes, result.live_bytes) == (waste.content_bytes, waste.live_bytes)
            assert sum(part.content_bytes for part in result.wasted) == waste.wasted_bytes
            assert [each.content_bytes for each in result.layers] == analysis.layer_content_bytes
        assert len(answers.failed) == len(answers.fleet.images) - len(analyses)
        if not answers.failed:
            assert answers.totals.wasted_bytes == distinct_waste(analyses)
            assert answers.totals.content_bytes == sum(each.waste.content_bytes for each in analyses)


BASE = (layer(file("lib", b"l" * 3000), file("cache", b"c" * 2000)), layer(whiteout("cache")))


def test_waste_of_a_base_counts_once_and_names_all_its_images(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    own = layer(file("app", b"a" * 700)), layer(file("app", b"b" * 800))
    write(tmp_path / "images", BASE, [*BASE, layer(file("one", b"1"))], [*BASE, *own])
    answers = answered(tmp_path / "images", tmp_path / "results")
    assert answers.totals.wasted_bytes == 2700
    first, second = answers.fixes
    assert (first.layer, first.content_bytes, first.images, first.causes) == (2, 2000, (0, 1, 2), ("deleted",))
    assert first.base is not None
    assert answers.bases.bases[first.base].name == "team-0/app-0:1"
    assert first.pull_bytes == 3 * first.disk_bytes
    assert (second.layer, second.content_bytes, second.images, second.base, second.path) == (4, 700, (1,), None, b"app")
    assert {team.team: team.wasted_bytes for team in answers.teams} == {"team-0": 2700, "team-1": 2000}


def test_large_files_of_one_content_are_found_in_plain_and_compressed_layers(tmp_path: Path) -> None:
    content = os.urandom(1 << 20)
    (tmp_path / "images").mkdir()
    for name, compress, path in (("plain", "none", "opt/model"), ("packed", "gzip", "srv/very/deep/model")):
        built = image(layer(file(path, content), name), compress=compress, tag=f"{name}:1")  # type: ignore[arg-type]
        (tmp_path / "images" / f"{name}.tar").write_bytes(built)
    [found] = answered(tmp_path / "images", tmp_path / "results").duplicates
    assert (found.size, found.extra_bytes, found.path, found.images) == (1 << 20, 1 << 20, b"opt/model", (0, 1))


@pytest.mark.slow
def test_the_samples_are_as_their_own_reports_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = os.environ.get("LAYERSCOPE_IMAGES", "none")
    if samples == "none":
        pytest.skip("LAYERSCOPE_IMAGES names no directory")
    done = ran(capsys, "fleet", samples, "--analyze", "--cache", tmp_path, "--json", "-")
    document: dict[str, Any] = json.loads(done.out)
    assert done.code == 0
    assert len(document["images"]) > 30
    for each in document["images"]:
        analysis = analyze(read_image(open_image(each["exact_reference"])))
        assert (each["content_bytes"], each["wasted_bytes"]) == (analysis.waste.content_bytes, analysis.waste.wasted_bytes)
