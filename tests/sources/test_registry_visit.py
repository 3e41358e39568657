"""Two images of registries that one command compares: what they have in common is fetched once."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import read_image
from layerscope.layers.fetched import FetchWay
from layerscope.layers.hashing import Algorithms
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from layerscope.sources.registry.visit import RegistryVisit
from support.commands import ran
from support.engines import registry as real_registry
from support.image_builder import file, layer, write_layout
from support.pretend_registry import PretendedRegistry, pretended_registry, served
from support.registry_pushes import put_layout
from support.sources_build import Layout, write_directory

pytestmark = pytest.mark.slow

NOISE = random.Random(7)
BASE = layer(file("base", NOISE.randbytes(3 << 20)))
PLATFORMS = "linux/amd64,linux/arm64"


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def blobs_asked(registry: PretendedRegistry) -> Counter[tuple[str, tuple[int, int] | None]]:
    """How often each part of each blob was asked for; None: the whole."""
    return Counter((each.path, each.range) for each in registry.asked_for("/v2/team/app/blobs/"))


def two_tags(registry: PretendedRegistry, tmp_path: Path) -> list[str]:
    own = [layer(file(name, NOISE.randbytes(1 << 20))) for name in ("old", "new")]
    places = [write_layout(tmp_path / str(number), BASE, each, compress="zstd") for number, each in enumerate(own)]
    return [served(registry, place, tag) for place, tag in zip(places, ("1", "2"), strict=True)]


def difference(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    found = ran(capsys, "diff", *arguments, "--json", "--no-cache")
    assert (found.code, found.err) == (0, "")
    document: dict[str, Any] = json.loads(found.out)
    return document


def test_a_layer_of_two_tags_is_fetched_once(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = difference(capsys, *two_tags(registry, tmp_path))
    assert [each["state"] for each in found["layers"]] == ["shared", "changed"]
    assert {each["path"] for each in found["paths"]} == {"/old", "/new"}
    assert set(blobs_asked(registry).values()) == {1}
    assert len([each for each in registry.asked if each.path == "/v2/"]) <= 1


def test_two_platforms_of_one_image_are_opened_with_one_look_at_the_tag(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout()
    shared = BASE.tar()
    images = [
        layout.image(shared, layer(file(name, b"1")).tar(), platform={"os": "linux", "architecture": name})
        for name in ("amd64", "arm64", "s390x")
    ]
    write_directory(tmp_path / "image", layout.files(layout.index(*images)))
    reference = served(registry, tmp_path / "image")
    found = difference(capsys, reference, "--platform", PLATFORMS)
    assert [each["state"] for each in found["layers"]] == ["shared", "changed"]
    assert [(each["path"], each["paired_by"], each["old_path"]) for each in found["paths"]] == []
    assert found["mapped_paths"] == 1
    asked = Counter((each.method, each.path) for each in registry.asked if "/manifests/" in each.path)
    assert set(asked.values()) == {1}
    assert len([path for method, path in asked if method == "GET"]) == 3  # the index and two manifests
    assert set(blobs_asked(registry).values()) == {1}


def test_only_layers_that_another_image_has_are_kept_and_those_only_if_they_were_hashed(
    registry: PretendedRegistry, tmp_path: Path
) -> None:
    visit = RegistryVisit()
    options = EngineOptions(visit=visit)
    first, second = (open_image(each, engine_options=options) for each in two_tags(registry, tmp_path))
    read_image(first)
    base, own = (layer.digest for layer in first.layers)
    assert base is not None and own is not None
    assert visit.take(own, 2, None) is None
    assert visit.take(base, 1, Algorithms()) is not None
    assert visit.take(base, 1, Algorithms("sha512", "sha512")) is None
    assert [(each.way, each.bytes > 0) for each in read_image(second).fetched if each] == [
        (FetchWay.STREAM, False),
        (FetchWay.STREAM, True),
    ]


def test_a_layer_whose_table_was_read_is_not_taken_where_bytes_are_to_be_hashed(
    registry: PretendedRegistry, tmp_path: Path
) -> None:
    place = write_layout(tmp_path / "image", layer(file("big", bytes(9 << 20))))
    references = [served(registry, place, tag) for tag in ("1", "2")]
    options = EngineOptions(visit=RegistryVisit())
    first, second = (open_image(each, engine_options=options) for each in references)
    assert [each.way for each in read_image(first).fetched if each] == [FetchWay.HEADERS]
    assert [each.way for each in read_image(second, verify=True).fetched if each] == [FetchWay.STREAM]


def test_a_real_registry_compares_as_the_archive_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    contents = {"amd64": ("x86_64-linux-gnu", b"1"), "arm64": ("aarch64-linux-gnu", b"22")}
    images = [
        layout.image(layer(file(f"{name}/lib", content)).tar(), platform={"os": "linux", "architecture": architecture})
        for architecture, (name, content) in contents.items()
    ]
    index = layout.index(*images)
    place = write_directory(tmp_path / "image", layout.files(index))
    with real_registry() as host:
        put_layout(host, "team/app", layout, index, "1")
        remote = difference(capsys, f"docker://{host}/team/app:1", "--platform", PLATFORMS)
    stored = difference(capsys, place, "--platform", PLATFORMS)
    for each in (stored, remote):
        for side in ("old", "new"):
            for field in ("reference", "name", "compressed_bytes_estimate"):
                del each[side][field]
            for pair in each["layers"]:
                del pair[side]["compressed_bytes_estimate"]
    assert remote == stored
