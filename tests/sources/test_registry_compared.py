"""Contents in a registry that are compared: not unless the user asks for it, and then with few requests."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.layers.blob import Blob
from layerscope.layers.readers.foreseen import AT_ONCE, NEAR, ForeseenBlob
from support.commands import Ran, ran
from support.engines import registry as real_registry
from support.image_builder import Layer, file, layer, write_layout
from support.pretend_registry import PretendedRegistry, pretended_registry, served
from support.registry_pushes import put_layout
from support.sources_build import Layout, write_directory
from support.toc_writer import Written, write_chunked, write_estargz, write_tables_layout

NOISE = random.Random(3)
A, B, C = (NOISE.randbytes(3 << 20) for _ in range(3))
BELOW = layer(file("same", A), file("other", B), file("moved", C))
ABOVE = layer(".wh.moved", file("same", A, mtime=5), file("other", C, mtime=5), file("elsewhere", C))


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def causes(found: Ran) -> dict[str, str]:
    return {each["path"]: each["cause"] for each in found.objects}


def asked_bytes(registry: PretendedRegistry) -> int:
    return sum(last - first + 1 for first, last in (each.range for each in registry.asked if each.range))


@pytest.mark.slow
def test_files_of_a_layer_whose_headers_were_fetched_are_compared_if_the_user_asks_for_it(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_layout(tmp_path / "image", BELOW, ABOVE)
    reference = served(registry, place)
    stored = ran(capsys, "waste", place, "--json")
    apart = ran(capsys, "waste", reference, "--json", "--no-cache")
    assert causes(stored) == {"/same": "metadata", "/other": "overwritten", "/moved": "moved"}
    assert causes(apart) == {"/same": "overwritten", "/other": "overwritten", "/moved": "deleted"}
    compared = ran(capsys, "waste", reference, "--json", "--no-cache", "--compare-contents")
    assert compared.out == stored.out
    assert compared.code == 0


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_estargz, write_chunked])
def test_files_of_a_table_and_of_a_stream_are_compared_if_the_user_asks_for_it(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Any
) -> None:
    below: Written = write(BELOW)
    above = Written(gzip.compress(ABOVE.tar()), ABOVE.tar(), {}, below.media_type.replace("zstd", "gzip"))
    place = write_tables_layout(tmp_path / "image", below, above)
    reference = served(registry, place)
    document = json.loads(ran(capsys, reference, "--json", "-", "--no-cache").out)
    assert [each["read_from"] for each in document["layers"]] == ["table of contents", "stream"]
    (problem,) = document["problems"]
    assert problem["problem"].endswith("files of one size count as overwritten (--compare-contents fetches them)")
    assert "--compare-contents fetches" in " ".join(ran(capsys, reference, "--text", "--no-cache").out.split())
    document = json.loads(ran(capsys, reference, "--json", "-", "--no-cache", "--compare-contents").out)
    assert (document["problems"], document["waste"]["by_cause"]["metadata"]) == ([], len(A))
    assert ran(capsys, "waste", reference, "--json", "--no-cache", "--compare-contents").out == (
        ran(capsys, "waste", place, "--json").out
    )


@pytest.mark.slow
def test_the_gate_compares_what_it_may_not_stream(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = served(registry, write_layout(tmp_path / "image", BELOW, ABOVE))
    rules = ["ci", reference, "--no-cache", "--trust-toc", "--max-cause", "metadata=1kB"]
    unknown, known = ran(capsys, *rules), ran(capsys, *rules, "--compare-contents")
    assert (unknown.code, known.code) == (2, 1)
    assert "contents of 2 layers were not compared (--compare-contents fetches them)" in " ".join(unknown.out.split())


@pytest.mark.slow
def test_two_tags_are_compared_by_size_and_the_report_says_so(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [write_layout(tmp_path / name, each) for name, each in (("old", BELOW), ("new", changed(BELOW, b"other")))]
    references = [served(registry, place, tag) for place, tag in zip(places, ("1", "2"), strict=True)]
    found = ran(capsys, "diff", *references, "--no-cache")
    assert "Not compared: 3 files of equal size, for their contents are in a registry (--compare-contents" in " ".join(
        found.out.split()
    )
    assert json.loads(ran(capsys, "diff", *references, "--no-cache", "--json").out)["uncompared"] == 3
    registry.asked.clear()
    document = json.loads(ran(capsys, "diff", *references, "--no-cache", "--json", "--compare-contents").out)
    assert (document["uncompared"], [each["path"] for each in document["paths"]]) == (0, ["/other"])
    assert document["paths"][0]["differs"] == ["content"]
    assert json.loads(ran(capsys, "diff", *places, "--json").out)["paths"] == document["paths"]


@pytest.mark.slow
def test_only_files_of_equal_size_are_fetched_and_neighbors_together(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [(f"small/{number}", NOISE.randbytes(2000 + number)) for number in range(300)]
    alone = file("alone", NOISE.randbytes(20 << 20))
    old = layer(alone, *(file(name, content) for name, content in small))
    new = layer(file("alone", b"short"), *(file(name, content, mtime=3) for name, content in small))
    whole = Layer((*new.members, file("padding", NOISE.randbytes(9 << 20))))
    places = [write_layout(tmp_path / name, each) for name, each in (("old", old), ("new", whole))]
    references = [served(registry, place, tag) for place, tag in zip(places, ("1", "2"), strict=True)]
    ran(capsys, "diff", *references, "--no-cache")
    headers = len(registry.asked), asked_bytes(registry)
    registry.asked.clear()
    document = json.loads(ran(capsys, "diff", *references, "--no-cache", "--json", "--compare-contents").out)
    assert document["uncompared"] == 0
    assert len(registry.asked) - headers[0] <= 2
    assert asked_bytes(registry) - headers[1] < 3 << 20


@pytest.mark.slow
def test_a_real_registry_compares_as_the_archive_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    descriptor = layout.image(BELOW.tar(), ABOVE.tar())
    place = write_directory(tmp_path / "image", layout.files(descriptor))
    with real_registry() as host:
        put_layout(host, "team/app", layout, descriptor, "1")
        remote = ran(capsys, "waste", f"docker://{host}/team/app:1", "--json", "--no-cache", "--compare-contents")
    assert remote.out == ran(capsys, "waste", place, "--json").out


def changed(stack: Layer, name: bytes) -> Layer:
    """The same layer, one file with other bytes of the same number."""
    return Layer(
        tuple(replace(each, content=bytes(len(each.content))) if each.name == name else each for each in stack.members)
    )


# Parts that are foreseen


class Counted:
    """A blob that counts how often it is read."""

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self.content, self.reads = content, list[tuple[int, int]]()

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        end = self.size if size is None else start + size
        self.reads.append((start, end))
        return self.content[start:end]


def test_near_parts_are_read_together_and_far_ones_are_not() -> None:
    blob = Counted(bytes(3 * NEAR + 100))
    start, end = np.array([10, NEAR, 3 * NEAR]), np.array([20, NEAR + 5, 3 * NEAR + 50])
    foreseen = ForeseenBlob(lambda _stop: blob, start, end)
    for first, last in zip(start.tolist(), end.tolist(), strict=True):
        foreseen.read(first, last - first)
    assert blob.reads == [(10, NEAR + 5), (3 * NEAR, 3 * NEAR + 50)]


def test_a_long_run_is_read_in_parts() -> None:
    blob = Counted(bytes(AT_ONCE * 4 + 10))
    foreseen = ForeseenBlob(lambda _stop: blob, np.array([0]), np.array([blob.size]))
    assert b"".join(foreseen.read(start, 1 << 20) for start in range(0, blob.size, 1 << 20)) == blob.content
    assert max(last - first for first, last in blob.reads) == AT_ONCE
    assert len(blob.reads) == 7


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 99)), max_size=9), st.integers(0, 999), st.integers(0, 99))
def test_what_is_read_is_what_is_there(parts: list[tuple[int, int]], start: int, size: int) -> None:
    content = bytes(random.Random(1).randbytes(1000))
    bounds = np.array([(first, first + length) for first, length in parts], np.int64).reshape(-1, 2)
    foreseen = ForeseenBlob(lambda _stop: Blob.of_bytes(content), bounds[:, 0], bounds[:, 1])
    for first, length in [*parts, (start, size)]:
        assert foreseen.read(first, length) == content[first : min(first + length, foreseen.size)]
    assert foreseen.read(start) == content[start : foreseen.size]
