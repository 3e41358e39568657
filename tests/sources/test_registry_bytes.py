"""What commands fetch of a registry's layers to show a file: its own bytes, or what lies between two places to restart at."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.cli.main import run
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from sources.test_registry_soci import with_index
from sources.test_registry_tables import blob_bytes
from support.image_builder import LAYER_TYPES, directory, file, layer
from support.pretend_registry import PretendedRegistry, pretended_registry, served
from support.toc_writer import Written, write_chunked, write_estargz, write_tables_layout

pytestmark = pytest.mark.slow

NOISE = random.Random(33)
WORDS = [b"%x" % NOISE.getrandbits(NOISE.randrange(8, 60)) for _ in range(3000)]
TEXT = b" ".join(NOISE.choices(WORDS, k=500_000))
SIZE, COUNT = 30_000, 100
FILES = [file(f"d/f{number:03}", TEXT[number * SIZE :][:SIZE], mode=0o600 + number % 8) for number in range(COUNT)]
BELOW = layer(directory("d"), *FILES)
ABOVE = layer(file("d/f070", TEXT[-SIZE:]), file("d/f071", TEXT[:100]))
WANTED = TEXT[50 * SIZE :][:SIZE]
SPAN = 1 << 18


def zipped(tar: bytes) -> Written:
    return Written(gzip.compress(tar, mtime=0), tar, {}, LAYER_TYPES["gzip"])


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


@pytest.fixture(params=["estargz", "zstd:chunked", "SOCI", "headers", "windows"])
def asked(request: pytest.FixtureRequest, registry: PretendedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A reference to an image whose layers are known from the cache."""
    for name in ("layer_parts.WORTH_A_TABLE", "layer_parts.WORTH_A_LOOK", "layer_parts.WORTH_A_ZTOC"):
        monkeypatch.setattr(f"layerscope.sources.registry.{name}", 0)
    monkeypatch.setattr("layerscope.layers.readers.headers_afar.SPARED", 0)
    monkeypatch.setattr("layerscope.layers.compression.SEEK_DISTANCE", SPAN)
    monkeypatch.setattr("layerscope.sources.registry.layer_reader.SEEK_DISTANCE", SPAN)
    monkeypatch.setenv("LAYERSCOPE_KEEP_WINDOWS", "1" if request.param == "windows" else "0")
    tars = [each.tar() for each in (BELOW, ABOVE)]
    match request.param:
        case "SOCI":
            reference = with_index(registry, tmp_path / "image", *map(zipped, tars), span=SPAN)
        case "windows":
            reference = served(registry, write_tables_layout(tmp_path / "image", *map(zipped, tars)))
        case "headers":
            plain = [Written(tar, tar, {}, LAYER_TYPES["none"]) for tar in tars]
            reference = served(registry, write_tables_layout(tmp_path / "image", *plain))
        case _:
            write = write_estargz if request.param == "estargz" else write_chunked
            reference = served(registry, write_tables_layout(tmp_path / "image", write(BELOW), write(ABOVE)))
    assert run(["cat", reference, "/d/f000"]) == 0
    registry.asked.clear()
    return str(reference)


def most(request: pytest.FixtureRequest, *sizes: int) -> int:
    """The most bytes that may be fetched for contents of these sizes."""
    way = request.node.callspec.params["asked"]
    if way in ("SOCI", "windows"):  # twice a span, for a content may lie in two; noise of six bits in eight
        return len(sizes) * 4 * SPAN
    return sum(sizes) + 200 * len(sizes)


def fetched(registry: PretendedRegistry, reference: str) -> int:
    """Bytes of the layers that were asked for, all of them by closed ranges."""
    image = open_image(reference, engine_options=EngineOptions())
    names = {str(each.digest) for each in image.layers}
    assert all(each.range for each in registry.asked if each.path.rpartition("/")[2] in names)
    return blob_bytes(registry, image)


def test_cat(
    asked: str, registry: PretendedRegistry, request: pytest.FixtureRequest, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    capfdbinary.readouterr()
    assert run(["cat", asked, "/d/f050"]) == 0
    assert capfdbinary.readouterr().out == WANTED
    assert 0 < fetched(registry, asked) <= most(request, SIZE)


def test_a_file_that_a_later_layer_replaced(
    asked: str, registry: PretendedRegistry, request: pytest.FixtureRequest, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    capfdbinary.readouterr()
    assert run(["cat", asked, "/d/f070", "--layer", "1"]) == 0
    assert capfdbinary.readouterr().out == TEXT[70 * SIZE :][:SIZE]
    assert 0 < fetched(registry, asked) <= most(request, SIZE)


def test_extract_of_one_file(asked: str, registry: PretendedRegistry, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    assert run(["extract", asked, "/d/f050", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_bytes() == WANTED
    assert 0 < fetched(registry, asked) <= most(request, SIZE)


def test_extract_of_a_directory_fetches_nothing_twice(asked: str, registry: PretendedRegistry, tmp_path: Path) -> None:
    assert run(["extract", asked, "/d", str(tmp_path / "out"), "--layer", "1"]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        each.name.decode()[2:]: each.content for each in FILES
    }
    stored = open_image(asked, engine_options=EngineOptions()).layers[0].reader.stored_bytes
    assert stored / 2 < fetched(registry, asked) <= stored + 5


@pytest.mark.parametrize("command", [["blame", "/d/f070"], ["ls", "/d"], ["find", "f05"]])
def test_what_shows_no_contents_fetches_none(asked: str, registry: PretendedRegistry, command: list[str]) -> None:
    name, *rest = command
    assert run([name, asked, *rest]) == 0
    assert fetched(registry, asked) == 0


def test_diff_of_two_images_fetches_no_contents(asked: str, registry: PretendedRegistry) -> None:
    assert run(["diff", asked, asked]) == 0
    assert fetched(registry, asked) == 0
