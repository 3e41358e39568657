"""Reading all layers of an image: one after the other, in threads, in two processes; always the same tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest

from layerscope import reading
from layerscope.analysis import Contents, analyze, read_image
from layerscope.forked import ForkedCall
from layerscope.layers.blob import Blob
from layerscope.layers.readers import stored
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.report.image_json import analysis_json
from layerscope.sources.open import open_image
from support.image_builder import Layer, file, hardlink, image, layer, symlink, whiteout

LAYERS: tuple[Layer, ...] = (
    layer("a", "b/c", symlink("l", "a"), file("same", b"1" * 600), file("x", b"x", xattrs={"user.k": b"v"})),
    layer(whiteout("a"), hardlink("b/d", "b/c"), file("same", b"1" * 600, uid=7)),
    layer("b/c", ".wh..wh.aufs", "e/f"),
)


@pytest.fixture
def archive(archive: Path) -> str:
    return str(archive)


def read(archive: str) -> Contents:
    return read_image(open_image(archive))


def everything(contents: Contents) -> bytes:
    return analysis_json(analyze(contents))


def in_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(reading, "can_fork", lambda: True)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_two_processes_give_what_one_gives(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = everything(read(archive))
    in_two_processes(monkeypatch)
    assert everything(read(archive)) == alone


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_each_layer_is_read_by_one_process_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Literal["none", "gzip", "zstd"]
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*LAYERS, compress=compress))
    in_two_processes(monkeypatch)
    here: list[int] = []
    sound = read_layer

    def noted(blob: Blob, *, layer: int, **options: Any) -> ReadLayer:
        here.append(layer)  # in the other process this list is another one
        return sound(blob, layer=layer, **options)

    monkeypatch.setattr(stored, "read_layer", noted)
    read(str(path))
    assert 0 < len(here) < len(LAYERS)


def test_the_layers_of_a_process_that_dies_are_read_again(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = everything(read(archive))
    in_two_processes(monkeypatch)
    parent, sound = os.getpid(), read_layer

    def read_or_die(*args: object, **options: object) -> object:
        if os.getpid() != parent:
            os._exit(9)
        return sound(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "read_layer", read_or_die)
    assert everything(read(archive)) == alone


def test_a_process_that_is_not_needed_any_more_is_ended(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    in_two_processes(monkeypatch)
    pids: list[int] = []

    class Noted(ForkedCall[object]):
        def __init__(self, work: object) -> None:
            super().__init__(work)  # type: ignore[arg-type]
            pids.append(self._pid)

    def interrupted(_stage: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "ForkedCall", Noted)
    with pytest.raises(KeyboardInterrupt):
        read_image(open_image(archive), progress=interrupted)
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_a_second_process_returns_what_it_worked_out() -> None:
    assert ForkedCall(lambda: [os.getpid()]).result() != [os.getpid()]


def test_wasted_wire_bytes_follow_each_layers_own_ratio(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer(file("a", bytes(1 << 20))), layer(file("a", b"other")), compress="gzip"))
    found = analyze(read(str(path)))
    layers = found.image.layers
    assert found.wire_bytes_wasted[0] == pytest.approx(layers[0].reader.stored_bytes, rel=0.05)
    assert found.wire_bytes_wasted[1] == 0


def test_waste_that_a_base_layer_buries_is_the_bases(archive: str) -> None:
    contents = read(archive)
    own, base = analyze(contents, base_layers=2).own_and_base_waste
    everything_wasted = analyze(contents).waste.wasted_bytes
    assert base
    assert own + base == everything_wasted
    assert analyze(contents).own_and_base_waste == (everything_wasted, None)
