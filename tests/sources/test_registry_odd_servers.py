"""Registries that answer as HTTP allows, or nearly so, and as most do not: old versions, slow lines, false lengths."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from layerscope.analysis import read_image
from layerscope.cli.main import run
from layerscope.layers.fetched import FetchWay
from layerscope.oci.digest import Digest
from layerscope.sources.open import open_image
from layerscope.sources.registry import transport
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.repository import PIECE
from layerscope.sources.registry.traffic import Traffic
from sources.test_registry_open import report
from sources.test_registry_tables import EVERY_KIND, bare, ways
from sources.test_registry_transport import BLOB, BLOB_PATH, DIGEST, repository
from support.image_builder import file, layer, write_layout
from support.pretend_registry import Answer, Asked, PretendedRegistry, Route, blob_route, pretended_registry, served
from support.toc_writer import write_estargz, write_tables_layout

pytestmark = pytest.mark.slow

STACK = (layer(file("big", bytes(range(256)) * 2000)), layer(file("small", b"small")))


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


# HTTP/1.0


@pytest.mark.parametrize("has_length", [True, False])
def test_a_registry_of_http_1_0_gives_the_same_report(registry: PretendedRegistry, tmp_path: Path, *, has_length: bool) -> None:
    place = write_layout(tmp_path / "image", *STACK, compress="gzip")
    reference = served(registry, place)
    registry.protocol = "HTTP/1.0"
    for path, route in list(registry.routes.items()):
        registry.routes[path] = lambda asked, route=route: replace(route(asked), has_length=has_length)  # type: ignore[misc]
    assert bare(report(open_image(reference))) == bare(report(open_image(str(place))))


def test_a_body_without_a_length_that_is_cut_is_no_whole_layer(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = served(registry, write_layout(tmp_path / "image", *STACK, compress="gzip"))
    registry.protocol = "HTTP/1.0"
    for path, route in list(registry.routes.items()):
        if "/blobs/" in path:
            registry.routes[path] = lambda asked, route=route: replace(  # type: ignore[misc]
                route(asked), has_length=False, cut_after=1500
            )
    assert run(["ci", reference, "--no-cache"]) == 2
    assert "truncated" in capsys.readouterr().err


# Lengths


def test_a_length_that_promises_more_than_comes_is_a_broken_line(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda asked: replace(blob_route(BLOB)(asked), length=len(BLOB) + 7)
    traffic = Traffic()
    assert b"".join(repository(registry, traffic=traffic).stream(DIGEST, len(BLOB))) == BLOB
    assert traffic.total == len(BLOB), "what is beyond the blob's size is not waited for"
    assert repository(registry).read_range(DIGEST, len(BLOB) - 9, 9) == BLOB[-9:]


def test_a_length_that_promises_less_than_the_blob_is_a_sentence(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda asked: replace(blob_route(BLOB)(asked), length=100)
    with pytest.raises(RegistryFailed, match="broke off after 600 of 4000 bytes"):
        repository(registry).read_range(DIGEST, 0, 4000)


# Ranges


def test_a_registry_that_takes_only_closed_ranges_within_the_blob_is_read_by_parts(
    registry: PretendedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("layerscope.sources.registry.layer_parts.WORTH_A_TABLE", 0)
    reference = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND)))
    refused: list[str] = []
    for path, route in list(registry.routes.items()):
        if "/blobs/" in path:

            def picky(asked: Asked, route: Route = route) -> Answer:
                size = len(route(replace(asked, headers={})).body)
                is_open = "range" in asked.headers and (asked.range is None or asked.range[1] >= size)
                refused.extend([asked.headers.get("range", "")] * is_open)
                return Answer(416) if is_open else route(asked)

            registry.routes[path] = picky
    assert ways(read_image(open_image(reference))) == {FetchWay.TABLE}
    assert run(["cat", reference, "/last"]) == 0
    assert capsysbinary.readouterr().out == b"the end"
    assert refused == []


# Slow lines


def test_a_line_that_goes_silent_is_tried_again_where_it_stopped(
    registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.3)

    long = BLOB * 40
    digest = Digest.of(long)

    def silent_once(asked: Asked) -> Answer:
        return replace(blob_route(long)(asked), stall_after=PIECE + 3000 if asked.range is None else -1)

    registry.routes[BLOB_PATH.replace(str(DIGEST), str(digest))] = silent_once
    traffic = Traffic()
    assert b"".join(repository(registry, traffic=traffic).stream(digest, len(long))) == long
    assert [each.range for each in registry.asked] == [None, (PIECE, len(long) - 1)]
    assert traffic.total == len(long)


def test_a_line_that_is_always_silent_ends_with_a_sentence(
    registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.05)
    registry.routes[BLOB_PATH] = lambda asked: replace(blob_route(BLOB)(asked), stall_after=1)
    with pytest.raises(RegistryFailed, match=r"broke off after \d+ of 4000 bytes"):
        repository(registry).read_range(DIGEST, 0, 4000)


def test_a_body_that_trickles_is_read_to_its_end(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.3)

    def drops() -> Iterator[bytes]:
        for start in range(0, len(BLOB), 1024):
            time.sleep(0.05)
            yield BLOB[start : start + 1024]

    registry.routes[BLOB_PATH] = lambda _: Answer(200, length=len(BLOB), more=drops())
    assert b"".join(repository(registry).stream(DIGEST, len(BLOB))) == BLOB
    assert len(registry.asked) == 1, "no single wait was too long"
