"""Images that are read in a registry, without an engine and without storing a layer."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.cache.cache import Cache
from layerscope.cli.main import run
from layerscope.errors import AmbiguousImage, NotFound
from layerscope.oci.platform import Platform
from layerscope.report.image_json import analysis_json
from layerscope.sources.image import Image
from layerscope.sources.location import EngineOptions, locate
from layerscope.sources.open import open_image
from layerscope.sources.registry.failures import NoSuchImage, RegistryFailed
from support.image_builder import Compress, file, layer, whiteout, write_layout
from support.pretend_registry import Answer, PretendedRegistry, blob_route, pretended_registry, served
from support.sources_build import Layout, layer_tar, write_directory

pytestmark = pytest.mark.slow

BIG = bytes(range(256)) * 4096
STACK = (
    layer("etc/passwd", file("big", BIG), "gone"),
    layer(whiteout("gone"), file("small", b"small")),
    layer(file("big", BIG)),
)


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def report(image: Image, **options: Any) -> dict[str, Any]:
    """Everything in JSON but how many bytes were fetched in all, which an image on this machine does not say."""
    found: dict[str, Any] = json.loads(analysis_json(analyze(read_image(image, **options))))
    assert ("fetched_bytes" in found["image"]) == (locate(image.reference).registry is not None)
    found["image"].pop("fetched_bytes", None)
    return found


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_a_registry_and_an_archive_give_the_same_report(
    registry: PretendedRegistry, tmp_path: Path, compress: Compress
) -> None:
    place = write_layout(tmp_path / "image", *STACK, compress=compress)
    stored, remote = report(open_image(str(place))), report(open_image(served(registry, place)))
    for each in (stored, remote):
        del each["image"]["reference"], each["image"]["name"]
    for each in remote["layers"]:
        assert each.pop("read_from") == "stream"
        assert each.pop("fetched_bytes") == each["wire_bytes"]
    assert remote == stored


def test_an_uncompressed_layer_of_a_registry_is_pulled_as_it_is(registry: PretendedRegistry, tmp_path: Path) -> None:
    analysis = analyze(read_image(open_image(served(registry, write_layout(tmp_path / "image", *STACK)))))
    assert [(size.stored_bytes, size.is_estimate) for size in analysis.layer_sizes] == [
        (len(each.tar()), False) for each in STACK
    ]


def test_nothing_of_a_layer_is_asked_for_before_it_is_read(registry: PretendedRegistry, tmp_path: Path) -> None:
    image = open_image(served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip")))
    layers = {str(each.digest) for each in image.layers}
    assert [each.method for each in registry.asked_for("/v2/team/app/manifests")] == ["HEAD", "GET"]
    assert not [each for each in registry.asked if any(name in each.path for name in layers)]
    read_image(image)
    assert sorted(each.path.rpartition("/")[2] for each in registry.asked if each.path.rpartition("/")[2] in layers) == sorted(
        str(each.digest) for each in image.layers
    )


def test_a_layer_that_the_cache_knows_is_not_asked_for(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip"))
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    first = report(open_image(reference, engine_options=options), cache=options.cache)
    registry.asked.clear()
    again = open_image(reference, engine_options=options)
    found = report(again, cache=options.cache)
    assert [(each.pop("read_from"), each.pop("fetched_bytes")) for each in found["layers"]] == [("cache", 0)] * len(STACK)
    for each in first["layers"]:
        del each["read_from"], each["fetched_bytes"]
    assert found == first
    assert not [each for each in registry.asked if any(str(layer.digest) in each.path for layer in again.layers)]
    assert not read_image(again, cache=options.cache, verify=True).unverified


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_a_file_is_fetched_by_ranges(registry: PretendedRegistry, tmp_path: Path, compress: Compress) -> None:
    noise = random.Random(1).randbytes(9 << 20)
    place = write_layout(tmp_path / "image", layer(file("noise", noise), file("wanted", b"here")), compress=compress)
    contents = read_image(open_image(served(registry, place)), keep_seek_points=True)
    registry.asked.clear()
    content = contents.layers[0]
    assert content is not None
    entries = contents.stack.tables[0].entries
    row = entries.paths.tolist().index(b"wanted")
    assert b"".join(content.pieces(row, int(entries.content_offset[row]), int(entries.size[row]))) == b"here"
    if compress == "none":
        ranges = [each.range for each in registry.asked if each.range]
        assert sum(last - first + 1 for first, last in ranges) <= 64 << 10


def test_a_registry_without_ranges_is_streamed_again(registry: PretendedRegistry, tmp_path: Path) -> None:
    place = write_layout(tmp_path / "image", layer(file("big", BIG), file("wanted", b"here")), compress="gzip")
    reference = served(registry, place)
    for path, route in list(registry.routes.items()):
        if "/blobs/" in path:
            registry.routes[path] = lambda asked, route=route: route(replace(asked, headers={}))  # type: ignore[misc]
    contents = read_image(open_image(reference))
    entries, content = contents.stack.tables[0].entries, contents.layers[0]
    assert content is not None
    assert b"".join(content.pieces(1, int(entries.content_offset[1]), 4)) == b"here"


def test_a_blob_with_another_digest_is_a_doubt(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_layout(tmp_path / "image", layer(file("a", b"good")), compress="none")
    reference = served(registry, place)
    (stored,) = open_image(reference).layers
    tar = (place / "blobs/sha256" / str(stored.digest).removeprefix("sha256:")).read_bytes()
    registry.routes[f"/v2/team/app/blobs/{stored.digest}"] = blob_route(tar.replace(b"good", b"evil"))
    cache = Cache.open(tmp_path / "cache")
    (problem,) = read_image(open_image(reference, engine_options=EngineOptions(cache=cache)), cache=cache).tree.problems
    assert "digest" in problem.text and "should be" in problem.text
    assert [each for each in cache.entries() if not each.is_image] == []
    assert run(["ci", reference]) == 2
    assert run(["verify", reference]) == 1
    assert "FAILED" in capsys.readouterr().out


def of_platforms(directory: Path) -> Path:
    """A layout with an index of two platforms and an attestation."""
    layout = Layout()
    here = layout.image(layer_tar("here"), platform={"os": "linux", "architecture": "amd64"})
    there = layout.image(layer_tar("there"), platform={"os": "linux", "architecture": "arm64"})
    about = layout.image(layer_tar("about"), platform={"os": "unknown", "architecture": "unknown"})
    for name, content in layout.files(here, there, about).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return directory


def test_only_the_chosen_platform_is_fetched(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, of_platforms(tmp_path))
    image = open_image(reference, platform=Platform.parse("linux/arm64"))
    assert read_image(image).tree.nodes.find(b"there") is not None
    assert len(registry.asked_for("/v2/team/app/manifests/sha256:")) == 2  # the index and one manifest
    with pytest.raises(NotFound, match="has no linux/s390x image; it has linux/amd64, linux/arm64"):
        open_image(reference, platform=Platform.parse("linux/s390x"))


def test_an_index_without_this_machines_platform_lists_what_there_is(
    registry: PretendedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerscope.oci.platform.machine.machine", lambda: "riscv64")
    with pytest.raises(AmbiguousImage, match=r"has linux/amd64, linux/arm64 and none for this machine \(linux/riscv64\)"):
        open_image(served(registry, of_platforms(tmp_path)))


def test_an_image_that_is_not_there_is_a_sentence(registry: PretendedRegistry) -> None:
    with pytest.raises(NoSuchImage):
        open_image(f"docker://{registry.host}/team/none:1")


def test_a_layer_that_breaks_off_for_good_is_a_sentence(registry: PretendedRegistry, tmp_path: Path) -> None:
    place = write_layout(tmp_path / "image", layer(file("big", BIG)), compress="none")
    reference = served(registry, place)
    (stored,) = open_image(reference).layers
    tar = layer(file("big", BIG)).tar()
    registry.routes[f"/v2/team/app/blobs/{stored.digest}"] = lambda _asked: Answer(200, tar, cut_after=1000)
    with pytest.raises(RegistryFailed, match="broke off after"):
        read_image(open_image(reference))


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("docker://alpine", "docker.io/library/alpine:latest"),
        ("registry:ghcr.io/team/app:1", "ghcr.io/team/app:1"),
        ("registry:localhost:5000/app", "localhost:5000/app:latest"),
        ("registry:team/app", "docker.io/team/app:latest"),
    ],
)
def test_prefixes_force_the_registry(reference: str, image: str) -> None:
    assert str(locate(reference).registry) == image


@pytest.mark.parametrize(
    "reference",
    ["registry:2", "registry:2.8.3", f"registry:2@sha256:{64 * '0'}", "registry:latest", "registry", "docker:alpine"],
)
def test_names_that_look_like_a_prefix_stay_names(reference: str) -> None:
    location = locate(reference)
    assert location.registry is None
    assert location.engine is not None


# What is kept of an image


def test_an_image_that_was_opened_before_needs_one_question(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip"))
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    read_image(open_image(reference, engine_options=options), cache=options.cache)
    registry.asked.clear()
    read_image(open_image(reference, engine_options=options), cache=options.cache)
    assert [each.method for each in registry.asked if "manifests" in each.path or "blobs" in each.path] == ["HEAD"]
    assert len(registry.asked) <= 2


def test_a_tag_that_was_moved_is_read_again(registry: PretendedRegistry, tmp_path: Path) -> None:
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    reference = served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip"))
    before = open_image(reference, engine_options=options)
    served(registry, write_layout(tmp_path / "other", *STACK[:1], compress="gzip"))
    after = open_image(reference, engine_options=options)
    assert (len(before.layers), len(after.layers)) == (3, 1)


def test_an_image_by_digest_is_asked_for_before_it_is_taken_from_the_cache(registry: PretendedRegistry, tmp_path: Path) -> None:
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    reference = served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip"))
    digest = open_image(reference, engine_options=options).manifest_digest
    by_digest = f"docker://{registry.host}/team/app@{digest}"
    assert len(open_image(by_digest, engine_options=options).layers) == 3
    registry.routes[f"/v2/team/app/manifests/{digest}"] = lambda _asked: Answer(404, b"{}")
    with pytest.raises(NoSuchImage):
        open_image(by_digest, engine_options=options)


def test_a_document_of_the_cache_that_was_changed_is_fetched_again(registry: PretendedRegistry, tmp_path: Path) -> None:
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    reference = served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip"))
    first = open_image(reference, engine_options=options)
    kept = list((tmp_path / "cache").glob("*.document"))
    assert len(kept) == 2
    for path in kept:
        path.write_bytes(path.read_bytes().replace(b"amd64", b"arm64").replace(b"sha256", b"sha512"))
    registry.asked.clear()
    again = open_image(reference, engine_options=options)
    assert (again.raw_config, again.raw_manifest) == (first.raw_config, first.raw_manifest)
    assert [each.method for each in registry.asked if "manifests" in each.path] == ["HEAD", "GET"]


def test_an_index_of_the_cache_still_chooses_a_platform(registry: PretendedRegistry, tmp_path: Path) -> None:
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    layout = Layout()
    here = layout.image(layer_tar("here"))
    there = layout.image(layer_tar("there"), platform={"os": "linux", "architecture": "arm64"})
    write_directory(tmp_path / "image", layout.files(layout.index(here, there)))
    reference = served(registry, tmp_path / "image")
    for _ in range(2):
        image = open_image(reference, platform=Platform.parse("linux/arm64"), engine_options=options)
        assert image.platform == Platform.parse("linux/arm64")
