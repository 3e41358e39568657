"""`layerscope cache`: what is kept, and how it goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layerscope.cache.cache import Cache
from layerscope.cache.directory import IdKind
from layerscope.layers.readers.blob import read_layer
from layerscope.oci.digest import Digest
from layerscope.units import size_text
from support.commands import ran
from support.image_builder import blob, layer, squeeze

FIRST, LAST = 1_700_000_000, 1_700_003_600


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """Two layers."""
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "layers"))
    cache = Cache.open()
    read = read_layer(blob(squeeze(layer("a").tar(), "gzip")), layer=1)
    for number in (1, 2):
        cache.keep(Digest.of(bytes(number)), read, IdKind.XXH3)
    for found, used in zip(cache.entries(), (FIRST, LAST), strict=True):
        os.utime(cache.directory / found.name, (used, used))
    return cache


def test_it_says_where_how_much_and_since_when(kept: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "cache")
    size = sum(found.size for found in kept.entries())
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        f"directory  {kept.directory}",
        f"kept       2 layers, {size_text(size)} of at most 512 MB",
        "last used  between 2023-11-14T22:13:20Z and 2023-11-14T23:13:20Z",
    ]


def test_a_program_gets_the_same_as_json(kept: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    (facts,) = ran(capsys, "cache", "--json").objects
    assert facts == {
        "directory": str(kept.directory),
        "limit_bytes": 512_000_000,
        "layers": 2,
        "images": 0,
        "windows": 0,
        "bytes": sum(found.size for found in kept.entries()),
        "oldest_use": "2023-11-14T22:13:20Z",
        "newest_use": "2023-11-14T23:13:20Z",
        "removed_layers": 0,
        "removed_bytes": 0,
        "not_used_because": "",
    }


def test_clearing_says_what_went(kept: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "cache", "--clear").out.startswith("removed 2 layers, ")
    assert kept.entries() == []
    (facts,) = ran(capsys, "cache", "--clear", "--json").objects
    assert (facts["layers"], facts["removed_layers"], facts["oldest_use"]) == (0, 0, None)


def test_it_says_why_it_is_not_used(kept: Cache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_NO_CACHE", "1")
    assert ran(capsys, "cache").lines[-1] == "not used   LAYERSCOPE_NO_CACHE is set"
    kept.directory.chmod(0o777)
    done = ran(capsys, "cache")
    assert (done.code, done.lines[-1]) == (0, "not used   others can write to it")


def test_an_odd_directory_is_shown_escaped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", "/nowhere/\x1b\udcff")
    assert ran(capsys, "cache").lines[0] == "directory  /nowhere/\\x1b\\xff"
    (facts,) = ran(capsys, "cache", "--json").objects
    assert facts["directory"] == "/nowhere/\x1b\udcff"
