"""Builds of an image that is watched: what is still being written is waited for, and nothing is read twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.compare.builds import LOOKS, Build, Builds
from layerscope.errors import LayerscopeError
from layerscope.sources.fingerprint import fingerprint
from layerscope.sources.open import open_image
from support.image_builder import Layer, file, image, layer, write_layout

Step = Callable[[], object]
OLD, NEW = layer(file("old", b"1" * 3000)), layer(file("new", b"2" * 9000))


class Over(BaseException):
    """The script has come to its end."""


class Script:
    """What happens to a file while it is watched: a step at each pause."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0
        self._steps: list[Step] = []

    def then(self, *steps: Step) -> Script:
        self._steps += steps
        return self

    def pause(self, _seconds: float) -> None:
        if not self._steps:
            raise Over
        self._steps.pop(0)()

    def read(self) -> Analysis:
        self.reads += 1
        return analyze(read_image(open_image(str(self.path), may_change=True)))

    @property
    def builds(self) -> Builds:
        return Builds(lambda: fingerprint(str(self.path)), self.read, self.pause)

    def seen(self) -> tuple[Analysis, list[Build]]:
        """The first build and all others."""
        fingerprint, first = self.builds.first(self.read)
        return first, list(until_over(self.builds.after(fingerprint)))

    # Steps.

    def nothing(self) -> None:
        pass

    def piece(self, start: int, stop: int | None = None, *stack: Layer) -> Step:
        """Write a part of an archive in place; from the start, what was there before goes first."""

        def write() -> None:
            archive = image(*(stack or (NEW,)))
            with self.path.open("wb" if start == 0 else "ab") as out:
                out.write(archive[start:stop])

        return write

    def replaced(self, *stack: Layer) -> Step:
        def replace() -> None:
            fresh = self.path.with_suffix(".new")
            fresh.write_bytes(image(*stack))
            fresh.replace(self.path)

        return replace


def until_over(builds: Iterator[Build]) -> Iterator[Build]:
    try:
        yield from builds
    except Over:
        return


def names(build: Build) -> list[bytes]:
    assert isinstance(build, Analysis), build
    paths = build.tree.nodes.paths
    return [paths[node] for node in range(1, len(paths))]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    script = Script(tmp_path / "image.tar")
    script.path.write_bytes(image(OLD))
    return script


def test_an_archive_that_is_replaced_is_read_once(script: Script) -> None:
    script.then(script.nothing, script.replaced(NEW), *[script.nothing] * 4)
    first, others = script.seen()
    assert (names(first), [names(each) for each in others], script.reads) == ([b"old"], [[b"new"]], 2)


def test_an_archive_that_is_overwritten_slowly_is_shown_when_it_is_whole(script: Script) -> None:
    still = [script.nothing] * 3
    script.then(script.piece(0, 700), *still, script.piece(700, 4000), *still, script.piece(4000, 9000), *still)
    script.then(script.piece(9000, None), *still)
    assert [names(each) for each in script.seen()[1]] == [[b"new"]]


def test_an_archive_that_stays_half_written_is_a_reason_once(script: Script) -> None:
    script.then(script.piece(0, 4000), *[script.nothing] * 4 * LOOKS)
    builds = script.seen()[1]
    assert [type(build) for build in builds] != [Analysis]
    assert len(builds) == 1
    assert script.reads == 2


def test_after_a_damaged_build_a_whole_one_is_shown(script: Script) -> None:
    script.then(script.piece(0, 4000), *[script.nothing] * 2 * LOOKS, script.replaced(NEW), *[script.nothing] * 3)
    damaged, whole = script.seen()[1]
    assert isinstance(damaged, LayerscopeError)
    assert names(whole) == [b"new"]


def test_a_layer_that_is_cut_makes_a_build_that_is_not_whole(tmp_path: Path) -> None:
    script = Script(write_layout(tmp_path / "layout", OLD))

    def cut() -> None:
        write_layout(script.path, NEW)
        largest = max((script.path / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
        os.truncate(largest, 5000)

    script.then(cut, *[script.nothing] * 2 * LOOKS)
    (damaged,) = script.seen()[1]
    assert isinstance(damaged, LayerscopeError)
    assert str(damaged).startswith("layer 1: ")


def test_what_is_being_written_at_the_start_is_waited_for(tmp_path: Path) -> None:
    script = Script(tmp_path / "image.tar")
    script.piece(0, 4000)()
    script.then(script.nothing, script.piece(4000, None), *[script.nothing] * 3)
    assert names(script.seen()[0]) == [b"new"]


def test_what_is_not_there_at_the_start_or_no_image_is_refused(tmp_path: Path) -> None:
    script = Script(tmp_path / "image.tar")
    with pytest.raises(LayerscopeError, match="there is no"):
        script.seen()
    script.path.write_bytes(b"no image" * 1000)
    script.then(*[script.nothing] * LOOKS)
    with pytest.raises(LayerscopeError, match="is not a container image"):
        script.seen()


def test_an_archive_that_goes_away_and_comes_back_is_a_new_build(script: Script) -> None:
    script.then(script.path.unlink, script.nothing, script.replaced(NEW), *[script.nothing] * 3)
    assert [names(each) for each in script.seen()[1]] == [[b"new"]]


def test_an_archive_that_changes_while_it_is_read_is_read_again(script: Script) -> None:
    read = script.read

    def read_and_change() -> Analysis:
        analysis = read()
        if script.reads == 2:
            script.replaced(NEW, OLD)()
        return analysis

    script.read = read_and_change  # type: ignore[method-assign]
    script.then(script.replaced(NEW), *[script.nothing] * 4)
    assert [names(each) for each in script.seen()[1]] == [[b"new", b"old"]]


def test_an_archive_that_shrinks_leaves_the_build_before_readable(script: Script) -> None:
    """Whoever reads from a map beyond the end of its file is killed by the system."""
    first = script.read()
    script.piece(0, 10)()
    entries, content = first.tree.entries, first.contents.layers[0]
    assert content is not None
    row = int(entries.size.argmax())
    assert b"".join(content.pieces(row, int(entries.content_offset[row]), 3000)) == b"1" * 3000
