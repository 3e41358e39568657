"""Layers in files: a kept table is shown for the bytes it was read from, and for no others, whatever an image says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerscope import reading
from layerscope.analysis import analyze, read_image
from layerscope.cache.cache import Cache
from layerscope.cache.format import Fingerprint, PassingHash
from layerscope.layers.blob import Blob
from layerscope.layers.readers import stored
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.readers.stored import BlobReader
from layerscope.reading import read_layers
from layerscope.report.image_json import analysis_json
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.commands import NO_SETTINGS, Settings, process
from support.image_builder import Compress, Layer, file, image, layer, squeeze, whiteout, write_layout
from support.sources_build import stored_blobs

RANDOM = bytes(os.urandom(400_000))
HONEST = layer("honest", file("big", RANDOM))
OTHER = layer("hidden", file("big", RANDOM))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "layers")


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, a layer that is read is a failure."""

    def refuse(*_arguments: object, **_options: object) -> ReadLayer:
        raise AssertionError("a layer was read")

    return lambda: monkeypatch.setattr(stored, "read_layer", refuse)


def paths_in(opened: Image, cache: Cache | None) -> list[list[bytes]]:
    return [read.table.entries.paths.tolist() for read in read_layers(opened, cache=cache)]


def layout(place: Path, *layers: Layer, compress: Compress = "gzip") -> Image:
    return open_image(f"oci:{write_layout(place, *layers, compress=compress)}")


def blob_path(place: Path, opened: Image, number: int = 1) -> Path:
    digest = opened.layers[number - 1].digest
    assert digest is not None
    return place / "blobs" / "sha256" / digest.encoded


def padded(stored: bytes, size: int) -> bytes:
    """A gzip blob with zeros after it, as gzip(1) allows."""
    return stored + bytes(size - len(stored))


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_a_compressed_layer_is_read_once(
    cache: Cache, tmp_path: Path, compress: Compress, no_reading: Callable[[], None]
) -> None:
    opened = layout(tmp_path / "image", HONEST, OTHER, compress=compress)
    first = analysis_json(analyze(read_image(opened, cache=cache)))
    assert first == analysis_json(analyze(read_image(opened)))
    no_reading()
    assert analysis_json(analyze(read_image(opened, cache=cache))) == first


@pytest.mark.parametrize(
    ("written", "compress"), [(HONEST, "none"), (layer("small"), "gzip")], ids=["plain", "compressed but small"]
)
def test_what_is_read_in_no_time_is_not_kept(cache: Cache, tmp_path: Path, written: Layer, compress: Compress) -> None:
    read_layers(layout(tmp_path / "image", written, compress=compress), cache=cache)
    assert cache.entries() == []


@pytest.mark.parametrize("keep_seek_points", [False, True])
@pytest.mark.parametrize("is_forked", [False, True])
def test_processes_and_threads_keep_what_they_read(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_forked: bool, keep_seek_points: bool
) -> None:
    monkeypatch.setattr(reading, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(reading, "can_fork", lambda: is_forked)
    read_layers(layout(tmp_path / "image", HONEST, OTHER), cache=cache, keep_seek_points=keep_seek_points)
    assert len(cache.entries()) == 2


def test_a_second_image_on_the_same_base_reads_only_its_own_layers(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, numbers = read_layer, list[int]()

    def noted(blob: Blob, *, layer: int, **options: Any) -> ReadLayer:
        numbers.append(layer)
        return sound(blob, layer=layer, **options)

    read_layers(layout(tmp_path / "one", HONEST), cache=cache)
    monkeypatch.setattr(stored, "read_layer", noted)
    second = layout(tmp_path / "two", HONEST, OTHER, layer(whiteout("big")))
    assert paths_in(second, cache) == [[b"honest", b"big"], [b"hidden", b"big"], []]
    assert sorted(numbers) == [2, 3]


def test_layers_that_are_known_are_told_of_too(cache: Cache, tmp_path: Path) -> None:
    opened = layout(tmp_path / "image", HONEST, layer("small"))
    read_layers(opened, cache=cache)
    told: list[int] = []
    read_layers(opened, cache=cache, on_layer=lambda number, _read: told.append(number))
    assert sorted(told) == [1, 2]


def test_contents_of_a_known_layer_are_found(cache: Cache, tmp_path: Path, no_reading: Callable[[], None]) -> None:
    opened = layout(tmp_path / "image", HONEST)
    read_image(opened, cache=cache)
    no_reading()
    contents = read_image(opened, cache=cache, keep_seek_points=True)
    entries, content = contents.tree.entries, contents.layers[0]
    assert content is not None
    assert b"".join(content.pieces(1, int(entries.content_offset[1]), int(entries.size[1]))) == RANDOM


# Who lies, and who is damaged


@pytest.mark.parametrize("first", ["honest", "liar"])
def test_an_image_that_lies_about_its_digests_is_shown_as_it_is_and_fools_no_other(
    cache: Cache, tmp_path: Path, first: str
) -> None:
    honest = layout(tmp_path / "honest", HONEST)
    shutil.copytree(tmp_path / "honest", tmp_path / "liar")
    stored = blob_path(tmp_path / "liar", honest)
    size = stored.stat().st_size + 100
    stored.write_bytes(padded(squeeze(OTHER.tar(), "gzip"), size))
    blob_path(tmp_path / "honest", honest).write_bytes(padded(squeeze(HONEST.tar(), "gzip"), size))
    images = {name: open_image(f"oci:{tmp_path / name}") for name in ("honest", "liar")}
    assert images["honest"].layers[0].digest == images["liar"].layers[0].digest
    assert images["honest"].layers[0].diff_id == images["liar"].layers[0].diff_id
    expected = {"honest": [[b"honest", b"big"]], "liar": [[b"hidden", b"big"]]}
    second = "liar" if first == "honest" else "honest"
    for name in (first, first, second, second, first):
        assert paths_in(images[name], cache) == expected[name]


def test_a_damaged_copy_of_a_known_layer_is_damaged(cache: Cache, tmp_path: Path) -> None:
    opened = layout(tmp_path / "image", HONEST)
    read_layers(opened, cache=cache)
    path = blob_path(tmp_path / "image", opened)
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 2] ^= 1
    path.unlink()
    path.write_bytes(stored)
    (damaged,) = read_layers(open_image(f"oci:{tmp_path / 'image'}"), cache=cache)
    assert any(problem.is_fatal for problem in damaged.table.problems)


def test_a_layer_in_a_file_and_an_engines_are_kept_apart(cache: Cache, tmp_path: Path) -> None:
    from layerscope.cache.directory import IdKind

    opened = layout(tmp_path / "image", HONEST)
    (stored,) = opened.layers
    assert stored.diff_id is not None
    assert stored.digest is not None
    (read,) = read_layers(opened, cache=cache)
    assert cache.find(stored.digest, tuple(IdKind), layer=1) is None
    cache.clear()
    cache.keep(stored.diff_id, read, IdKind.XXH3)
    claimed = replace(opened, layers=(replace(stored, digest=None),))
    paths_in(claimed, cache)
    assert sorted(kept.name.partition(".")[2] for kept in cache.entries()) == ["stored", "xxh3"]


def test_a_layer_without_a_digest_is_found_by_its_diff_id(cache: Cache, tmp_path: Path, no_reading: Callable[[], None]) -> None:
    (tmp_path / "image.tar").write_bytes(image(HONEST, compress="gzip"))
    opened = open_image(str(tmp_path / "image.tar"))
    assert opened.layers[0].digest is None
    read_layers(opened, cache=cache)
    no_reading()
    assert paths_in(opened, cache) == [[b"honest", b"big"]]


def test_a_layer_with_no_names_at_all_is_read_each_time(cache: Cache, tmp_path: Path) -> None:
    opened = layout(tmp_path / "image", HONEST)
    nameless = replace(opened, layers=tuple(replace(each, digest=None, diff_id=None) for each in opened.layers))
    assert paths_in(nameless, cache) == [[b"honest", b"big"]]
    assert cache.entries() == []


def test_a_layer_that_was_cut_stays_cut(cache: Cache, tmp_path: Path) -> None:
    opened = layout(tmp_path / "image", HONEST)
    (whole,) = stored_blobs(opened)
    cut = replace(opened, layers=(replace(opened.layers[0], reader=BlobReader(whole, whole.size + 1)),))
    texts = [[problem.text for problem in read_layers(cut, cache=cache)[0].table.problems] for _ in range(2)]
    assert texts[0] == texts[1]
    assert "of its bytes are there" in texts[0][0]
    assert not read_layers(opened, cache=cache)[0].table.problems


def test_a_lower_limit_of_unpacked_bytes_holds_for_known_layers_too(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = layout(tmp_path / "image", HONEST)
    read_layers(opened, cache=cache)
    monkeypatch.setenv("LAYERSCOPE_MAX_UNPACKED", "1000")
    assert any(problem.is_fatal for problem in read_layers(opened, cache=cache)[0].table.problems)


# Fingerprints


def written(path: Path, content: bytes) -> Blob:
    path.write_bytes(content)
    return Blob.of_file(path)


def test_a_fingerprint_fits_its_own_bytes_alone(tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    mapped = written(tmp_path / "a", b"before" + content + b"after")
    own = mapped.region(6, len(content))
    fingerprint = PassingHash(own).fingerprint()
    assert fingerprint.fits(own)
    assert fingerprint.fits(written(tmp_path / "b", content))
    assert not fingerprint.fits(mapped.region(7, len(content)))
    assert not fingerprint.fits(mapped.region(6, len(content) - 1))


def test_no_two_fingerprints_have_the_same_seed(tmp_path: Path) -> None:
    mapped = written(tmp_path / "a", b"content")
    one, other = (PassingHash(mapped).fingerprint() for _ in range(2))
    assert one.seed != other.seed
    assert one.hash != other.hash


@pytest.mark.parametrize("steps", [(), (0,), (1, 2), (7,), (100,), (3, 100)])
def test_bytes_are_hashed_once_however_they_pass(tmp_path: Path, steps: tuple[int, ...]) -> None:
    mapped = written(tmp_path / "a", b"content")
    passing = PassingHash(mapped, seed=1)
    for step in steps:
        passing.take(step)
    assert passing.fingerprint() == PassingHash(mapped, seed=1).fingerprint()


def test_a_fingerprint_of_nothing_is_one(tmp_path: Path) -> None:
    assert PassingHash(written(tmp_path / "a", b"")).fingerprint().fits(Blob.of_bytes(b""))
    assert not Fingerprint(0, 0, b"").fits(Blob.of_bytes(b""))


# Commands


@pytest.mark.slow
def test_commands_use_the_cache_unless_told_not_to(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(image(HONEST, layer(whiteout("big")), compress="gzip", fmt="oci"))
    place = tmp_path / "layers"

    def report(*options: str, settings: Settings = NO_SETTINGS) -> bytes:
        named = {"LAYERSCOPE_CACHE": str(place), **settings}
        done = process(str(tmp_path / "image.tar"), "--json", "-", *options, settings=named)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    without = report("--no-cache")
    assert report(settings={"LAYERSCOPE_NO_CACHE": "1"}) == without
    assert not place.exists()
    assert report() == without
    assert len(list(place.iterdir())) == 1
    assert report() == without
    assert json.loads(without)["image"]
