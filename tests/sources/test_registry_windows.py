"""Windows of a registry's gzip layers on disk: files are read soon again, and nothing is kept that nobody asked for."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.analysis import Contents, read_image
from layerscope.cache.cache import Cache
from layerscope.cli.main import run
from layerscope.layers.fetched import FetchWay
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from sources.test_registry_tables import assert_same_contents, blob_bytes, ways
from support.commands import ran
from support.image_builder import LAYER_TYPES, Layer, file, layer
from support.pretend_registry import PretendedRegistry, blob_route, pretended_registry, served
from support.toc_writer import Written, write_tables_layout

pytestmark = pytest.mark.slow

NOISE = random.Random(21)
WORDS = [b"%x" % NOISE.getrandbits(NOISE.randrange(8, 60)) for _ in range(3000)]
TEXT = b" ".join(NOISE.choices(WORDS, k=400_000))
FILES = layer(*(file(f"f{number}", TEXT[number * 70_000 :][:70_000]) for number in range(45)))


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are half a megabyte apart."""
    monkeypatch.setattr("layerscope.layers.compression.SEEK_DISTANCE", 1 << 19)
    monkeypatch.setattr("layerscope.sources.registry.layer_reader.SEEK_DISTANCE", 1 << 19)


def streamed(place: Path, members: Layer = FILES) -> Path:
    """A layout with a gzip layer."""
    tar = members.tar()
    return write_tables_layout(place, Written(gzip.compress(tar), tar, {}, LAYER_TYPES["gzip"]))


def seen(reference: str, *, keep: bool = True, wants_files: bool = False) -> Contents:
    """What a command sees."""
    cache = Cache.open()
    options = EngineOptions(cache=cache, keep_windows=keep)
    return read_image(open_image(reference, engine_options=options), cache=cache, keep_seek_points=wants_files)


def test_a_file_is_read_from_the_nearest_window(registry: PretendedRegistry, tmp_path: Path) -> None:
    place = streamed(tmp_path / "image")
    reference = served(registry, place)
    assert ways(seen(reference, wants_files=True)) == {FetchWay.STREAM}
    (windows,) = [each for each in Cache.open().entries() if each.is_windows]
    assert (Cache.open().directory / windows.name).stat().st_mode & 0o777 == 0o600
    contents = seen(reference, wants_files=True)
    assert ways(contents) == {FetchWay.CACHE}
    registry.asked.clear()
    entries, content = contents.tree.entries, contents.layers[0]
    assert content is not None
    row = entries.paths.tolist().index(b"f40")
    assert b"".join(content.pieces(row, int(entries.content_offset[row]), 70_000)) == TEXT[40 * 70_000 :][:70_000]
    stored = contents.image.layers[0].reader.stored_bytes
    assert 0 < blob_bytes(registry, contents.image) < stored / 3
    assert all(each.range for each in registry.asked)
    assert_same_contents(contents, read_image(open_image(str(place))))


def test_nothing_of_a_layer_is_kept_unless_a_setting_says_so(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, streamed(tmp_path / "image"))
    seen(reference, keep=False, wants_files=True)
    assert not [each for each in Cache.open().entries() if each.is_windows]
    assert all(TEXT[at : at + 12] not in path.read_bytes() for path in Cache.open().directory.iterdir() for at in (0, 90_000))


def test_windows_are_not_used_without_the_setting(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, streamed(tmp_path / "image"))
    seen(reference)
    contents = seen(reference, keep=False)
    registry.asked.clear()
    entries, content = contents.tree.entries, contents.layers[0]
    assert content is not None
    row = entries.paths.tolist().index(b"f40")
    list(content.pieces(row, int(entries.content_offset[row]), 70_000))
    assert blob_bytes(registry, contents.image) > contents.image.layers[0].reader.stored_bytes * 0.8


def test_a_layer_cached_without_windows_is_streamed_when_files_are_wanted(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, streamed(tmp_path / "image"))
    seen(reference, keep=False)
    assert ways(seen(reference)) == {FetchWay.CACHE}
    assert ways(seen(reference, wants_files=True)) == {FetchWay.STREAM}
    assert ways(seen(reference, wants_files=True)) == {FetchWay.CACHE}


def test_a_layer_without_places_to_restart_is_streamed_once(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, streamed(tmp_path / "image", layer(file("zeros", bytes(9 << 20)))))
    assert ways(seen(reference, wants_files=True)) == {FetchWay.STREAM}
    assert ways(seen(reference, wants_files=True)) == {FetchWay.CACHE}


def test_a_small_layer_needs_no_windows(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, streamed(tmp_path / "image", layer(file("small", TEXT[:300_000]))))
    seen(reference, wants_files=True)
    assert not [each for each in Cache.open().entries() if each.is_windows]
    assert ways(seen(reference, wants_files=True)) == {FetchWay.CACHE}


def test_windows_of_bytes_with_another_digest_are_not_kept(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, streamed(tmp_path / "image"))
    other = gzip.compress(layer(file("f", TEXT)).tar())
    (digest,) = [str(each.digest) for each in open_image(reference).layers]
    registry.routes[f"/v2/team/app/blobs/{digest}"] = blob_route(other)
    seen(reference, wants_files=True)
    assert not [each for each in Cache.open().entries() if each.is_windows]


def test_a_damaged_file_of_windows_is_not_used(registry: PretendedRegistry, tmp_path: Path) -> None:
    place = streamed(tmp_path / "image")
    reference = served(registry, place)
    seen(reference, wants_files=True)
    cache = Cache.open()
    (windows,) = [each for each in cache.entries() if each.is_windows]
    data = bytearray((cache.directory / windows.name).read_bytes())
    data[-1] ^= 1
    (cache.directory / windows.name).write_bytes(data)
    assert_same_contents(seen(reference), read_image(open_image(str(place))))
    assert not (cache.directory / windows.name).exists()
    assert ways(seen(reference, wants_files=True)) == {FetchWay.STREAM}


def test_the_cache_shows_and_clears_windows(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERSCOPE_KEEP_WINDOWS", "1")
    reference = served(registry, streamed(tmp_path / "image"))
    assert run(["cat", reference, "/f3"]) == 0
    capsys.readouterr()
    kept = ran(capsys, "cache").lines[1]
    assert kept.startswith("kept       1 layer and 2 documents and windows of 1 layer (they hold contents), ")
    (facts,) = ran(capsys, "cache", "--json").objects
    assert (facts["layers"], facts["images"], facts["windows"]) == (1, 2, 1)
    assert "windows of 1 layer" in ran(capsys, "cache", "--clear").lines[0]
    assert not os.listdir(Cache.open().directory)  # noqa: PTH208


@pytest.mark.parametrize(("variable", "setting", "is_kept"), [("", "true", True), ("0", "true", False), ("", "false", False)])
def test_the_variable_wins_over_the_setting(
    registry: PretendedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, setting: str, is_kept: bool
) -> None:
    (tmp_path / "config.toml").write_text(f"keep_windows = {setting}\n")
    monkeypatch.setenv("LAYERSCOPE_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("LAYERSCOPE_KEEP_WINDOWS", variable)
    assert run(["ls", served(registry, streamed(tmp_path / "image"))]) == 0
    assert any(each.is_windows for each in Cache.open().entries()) is is_kept
