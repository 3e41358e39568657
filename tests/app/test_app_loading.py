"""While an image is opened and read: what is there to see, what can be done, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from layerscope.app.explorer import loader
from layerscope.app.explorer.loader import Failed, ImageSource, Opener
from layerscope.app.terminal import Terminal
from layerscope.app.widgets.summary import Progressed
from layerscope.errors import CorruptLayer, NotFound
from layerscope.layers.readers.blob import ReadLayer
from layerscope.progress import Progress
from layerscope.sources.base import Base
from layerscope.sources.image import Image
from support.commands import written
from support.image_builder import file, image, layer, whiteout
from support.screens import NARROW, POOR, WIDE, Shown, built, explored, piloted, stored

STACK = (layer("a/b", "c"), layer("d"), layer(whiteout("a")))
PATIENCE = 60.0


class Gate:
    """Holds the reading thread until the test has seen enough."""

    def __init__(self) -> None:
        self._arrived, self._open = Event(), Event()

    def wait(self) -> None:
        """The thread comes here."""
        self._arrived.set()
        assert self._open.wait(PATIENCE)

    @property
    def is_reached(self) -> bool:
        return self._arrived.is_set()

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Open at the end, whatever the test does: the thread is waited for."""
    gate = Gate()
    yield gate
    gate.open()


def slowly_opened(gate: Gate) -> Opener:
    def opener(progress: Progress) -> tuple[Image, Base]:
        progress("opening", 0, 0)
        gate.wait()
        progress("opening", 1, 2)
        return built(*STACK)(progress)

    return opener


@pytest.fixture
def stops_after(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Reading stops when two layers were read and shown."""
    look = loader.Loader._look
    monkeypatch.setattr(loader, "PATIENCE", 0.0)
    seen: list[int] = []

    def looked(self: loader.Loader, image: Image, number: int, read: ReadLayer) -> None:
        self._looked = 0.0
        if len(seen) >= 2:
            gate.wait()
        look(self, image, number, read)
        seen.append(number)

    monkeypatch.setattr(loader.Loader, "_look", looked)
    return gate


@piloted
async def test_the_first_frame_does_not_wait_for_the_image(gate: Gate) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        await screen.until(lambda: gate.is_reached)
        assert screen.summary.startswith(" test.tar")
        assert "opening" in screen.summary
        screen.check_lines()
        gate.open()
        await screen.until(lambda: screen.explorer.analysis is not None)
        assert screen.paths == ["a", "c", "d"]


@pytest.mark.parametrize(
    "keys", ["[ ] { } tab e E s t m i i x y w v b o c d u A 2 ? ? ctrl+p escape space enter left right g G / a ,"]
)
@piloted
async def test_no_key_does_harm_before_anything_is_there(gate: Gate, keys: str) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        for key in keys.split():
            if screen.app._exit:
                break
            await screen.keys(key)
            screen.check_lines()
        gate.open()


@piloted
async def test_the_footer_shows_no_key_that_needs_an_image(gate: Gate) -> None:
    async with explored(slowly_opened(gate), size=(200, 24), is_waiting=False) as screen:
        await screen.until(lambda: gate.is_reached)
        for word in ("layer", "waste", "view", "sort", "mark", "extract"):
            assert f" {word} " not in screen.footer, word
        assert "q quit" in screen.footer
        gate.open()


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
@piloted
async def test_keys_end_it_at_once_while_it_opens(gate: Gate, key: str) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        await screen.until(lambda: gate.is_reached)
        await screen.keys(key)
        assert screen.app._exit
        assert screen.app.return_value is None
        gate.open()


@pytest.mark.parametrize("size", [NARROW, WIDE, (40, 10)])
@piloted
async def test_progress_has_stage_share_bytes_and_rate(gate: Gate, size: tuple[int, int]) -> None:
    async with explored(slowly_opened(gate), size=size, is_waiting=False) as screen:
        screen.explorer.post_message(Progressed("reading layer 2 of 3", 250_000_000, 1_000_000_000, 125_000_000))
        await screen.settled()
        wanted = ["reading layer 2 of 3 25%"]
        if size != (40, 10):
            wanted += ["250 MB of 1.00 GB", "125 MB/s"]
        assert [word for word in wanted if word not in screen.summary] == []
        screen.check_lines()
        gate.open()


@piloted
async def test_progress_of_unknown_length_has_no_share(gate: Gate) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        screen.explorer.post_message(Progressed("unpacking", 250_000_000, 0, 125_000_000))
        await screen.settled()
        assert "unpacking" in screen.summary
        assert "%" not in screen.summary
        screen.check_lines()
        gate.open()


@piloted
async def test_progress_says_how_to_stop(gate: Gate) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        screen.explorer.post_message(Progressed("reading layer 1 of 3", 1, 2, 3))
        await screen.settled()
        assert "esc stops" in screen.summary
        gate.open()


@pytest.mark.parametrize("terminal", POOR)
@piloted
async def test_progress_is_drawn_on_every_terminal(gate: Gate, terminal: Terminal) -> None:
    async with explored(slowly_opened(gate), terminal=terminal, is_waiting=False) as screen:
        screen.explorer.post_message(Progressed("reading", 1, 3, 3))
        await screen.settled()
        screen.check_lines()
        gate.open()


# What is read already.


def is_partly_shown(screen: Shown) -> bool:
    return screen.files.rows is not None and screen.explorer.analysis is None


@piloted
async def test_what_is_read_already_can_be_looked_at(stops_after: Gate) -> None:
    async with explored(built(*STACK), is_waiting=False) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.settled()
        assert "of 3 layers read" in screen.title
        await screen.keys("tab e j k s s s t t m m o o a a 1 [ [ ] ]")
        screen.check_lines()
        assert screen.app.is_running
        stops_after.open()
        await screen.until(lambda: screen.explorer.analysis is not None)
        assert "layers read" not in screen.title


@piloted
async def test_the_cursor_and_what_is_unfolded_stay_when_the_rest_arrives(stops_after: Gate) -> None:
    async with explored(built(*STACK), is_waiting=False, keys=[]) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.keys("tab e G")
        before = screen.path
        layers = screen.layer
        stops_after.open()
        await screen.until(lambda: screen.explorer.analysis is not None)
        await screen.settled()
        assert (screen.path, screen.layer, screen.focus) == (before, layers, "files")


@piloted
async def test_layers_that_are_not_read_yet_are_told_apart(stops_after: Gate) -> None:
    async with explored(built(*STACK), is_waiting=False) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.settled()
        assert sum("…" in line for line in screen.lines("layers")) == 1
        stops_after.open()
        await screen.until(lambda: screen.explorer.analysis is not None)
        assert not any("…" in line for line in screen.lines("layers"))


@piloted
async def test_escape_stops_the_opening_and_r_begins_again(gate: Gate) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        await screen.until(lambda: gate.is_reached)
        await screen.keys("escape")
        assert "stopped: nothing was read; r reads again" in screen.summary
        gate.open()
        await screen.keys("r")
        await screen.until(lambda: screen.explorer.analysis is not None)
        assert screen.paths == ["a", "c", "d"]


@piloted
async def test_escape_stops_the_reading_and_keeps_what_was_read(stops_after: Gate) -> None:
    async with explored(built(*STACK), is_waiting=False) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.keys("escape")
        assert screen.app.is_running
        stops_after.open()
        await screen.until(lambda: "stopped: 2 of 3 layers" in screen.summary)
        await screen.keys("tab e [ ] / d")
        assert "1 hit" in screen.picture[-2]
        assert screen.explorer.analysis is None
        await screen.keys("escape escape escape escape r")
        await screen.until(lambda: screen.explorer.analysis is not None)
        await screen.settled()
        assert "efficient" in screen.summary


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
@piloted
async def test_keys_end_it_at_once_while_it_reads(stops_after: Gate, key: str) -> None:
    async with explored(built(*STACK), is_waiting=False) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.keys(key)
        assert screen.app._exit
        stops_after.open()


@piloted
async def test_the_waste_waits_for_the_whole_image(stops_after: Gate) -> None:
    async with explored(built(*STACK), size=(200, 24), is_waiting=False) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.settled()
        assert "waste" not in screen.footer
        await screen.keys("w v b x escape")
        screen.check_lines()
        stops_after.open()


@piloted
async def test_the_filter_searches_what_was_read_and_then_the_rest(stops_after: Gate) -> None:
    async with explored(built(*STACK), is_waiting=False) as screen:
        await screen.until(lambda: stops_after.is_reached and is_partly_shown(screen))
        await screen.keys("/ d enter")
        before = screen.paths
        assert before in (["d"], [])
        stops_after.open()
        await screen.until(lambda: screen.explorer.analysis is not None)
        await screen.settled()
        assert (screen.paths, screen.path, screen.focus) == (["d"], "d", "files")


@piloted
async def test_what_is_typed_before_anything_was_read_is_done_then(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.app.key_queue.SEARCH_PATIENCE", PATIENCE)
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        await screen.until(lambda: gate.is_reached)
        await screen.write("/s'd")
        assert screen.app._order.value == "name"
        assert "searches as soon as a layer is read" in screen.picture[-2]
        await screen.keys("backspace backspace backspace d")
        screen.press("enter")
        screen.press("v")
        gate.open()
        await screen.until(lambda: type(screen.app.screen).__name__ == "FileScreen")
        assert (screen.paths, screen.path) == (["d"], "d")


# The image changes.


@pytest.mark.parametrize("is_cut", [True, False])
@piloted
async def test_an_archive_that_was_written_again_is_a_sentence_and_r_reads_it(
    is_cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path breaks the sentence elsewhere
    path = written(Path("image.tar"), layer(file("a", b"one\n"), "b"))
    async with explored(stored(path), keys=["tab"]) as screen:
        written_again(path, b"" if is_cut else image(layer(file("a", b"another\n"), "c")))
        await screen.keys("v")
        sentence = "image.tar has changed since it was opened; r reads it again"
        await screen.until(lambda: sentence in "".join(line.rstrip() for line in screen.picture))
        path.write_bytes(image(layer(file("a", b"another\n"), "c")))
        await screen.keys("r")
        await screen.until(lambda: screen.paths == ["a", "c"] and screen.explorer.analysis is not None)
        assert screen.path == "a"
        await screen.keys("v")
        await screen.until(lambda: "another" in " ".join(screen.picture))


@piloted
async def test_where_it_cannot_be_read_again_what_was_read_stays(tmp_path: Path) -> None:
    path = written(tmp_path / "image.tar", layer("a", "b"))
    async with explored(stored(path)) as screen:
        path.write_bytes(b"")
        await screen.keys("r")
        await screen.until(lambda: "r reads it again" in screen.summary)
        assert screen.paths == ["a", "b"]
        assert screen.app.is_running
        path.write_bytes(image(layer("c")))
        await screen.keys("r")
        await screen.until(lambda: screen.paths == ["c"])
        assert "r reads" not in screen.summary


def written_again(path: Path, content: bytes) -> None:
    """As another program does it: the file is the same, its content is not, and neither is its time."""
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))


# Errors.


@pytest.mark.parametrize(
    "error",
    [NotFound("there is no such image"), CorruptLayer("layer 2: cut off"), OSError(5, "Input/output error"), MemoryError()],
)
@piloted
async def test_what_cannot_be_done_ends_the_app_and_says_why(error: Exception) -> None:
    def opener(progress: Progress) -> tuple[Image, Base]:
        raise error

    async with explored(opener) as screen:
        await screen.until(lambda: screen.app._exit)
        ended = screen.app.return_value
        assert isinstance(ended, Failed)
        assert ended.error is error


def test_the_loader_stops_at_the_next_piece() -> None:
    told: list[object] = []
    reading = loader.Loader(ImageSource(built(*STACK), "test.tar"), told.append)
    reading.stop()
    reading.run()
    assert not any(isinstance(each, loader.Read | loader.Analyzed | Failed) for each in told)


def test_the_loader_tells_all_in_order() -> None:
    told: list[object] = []
    loader.Loader(ImageSource(built(*STACK), "test.tar"), told.append).run()
    assert [type(each) for each in told if not isinstance(each, Progressed)] == [
        loader.Opened,
        loader.Read,
        loader.Analyzed,
    ]


def test_progress_is_told_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("layerscope.app.explorer.loader.time.monotonic", lambda: now[0])
    told: list[object] = []
    reading = loader.Loader(ImageSource(built(*STACK), "test.tar"), told.append)
    for _ in range(1000):
        now[0] += 0.001
        reading.progress("reading", 1, 2)
    assert 8 <= len(told) <= 10


@piloted
async def test_a_stage_of_unknown_length_says_how_long_it_takes(gate: Gate) -> None:
    async with explored(slowly_opened(gate), is_waiting=False) as screen:
        screen.explorer.post_message(Progressed("merging layers", 0, 0, 0))
        await screen.settled()
        assert "merging layers … " in screen.summary
        screen.explorer.summary._since -= 7.4
        await screen.until(lambda: " 7 s " in screen.summary)
        before = screen.summary
        await screen.until(lambda: screen.summary != before)
        gate.open()
