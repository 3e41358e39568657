"""Two builds of an image held against each other."""

from __future__ import annotations

import io

import pytest

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.compare.comparison import Comparison, compare
from layerscope.report.diff_text import comparison_lines, diff_text, summary_sentence
from layerscope.sources.open import open_image
from layerscope.tree.tree import Change
from layerscope.wording.style import Style, cells
from support.image_builder import Layer, directory, file, image, layer, symlink
from support.sources_build import config, saved, tar


def analyzed(*layers: Layer) -> Analysis:
    return opened(image(*layers))


def opened(archive: bytes) -> Analysis:
    return analyze(read_image(open_image("-", platform=None, stdin=io.BytesIO(archive))))


def paths(found: Comparison) -> dict[str, str]:
    return {found.path(row).decode(): Change(found.change[row]).name.lower() for row in range(len(found))}


def test_the_same_image_twice_differs_in_nothing() -> None:
    layers = (layer(file("a", b"1"), directory("d"), symlink("l", "a")), layer("d/b"))
    found = compare(analyzed(*layers), analyzed(*layers))
    assert (len(found), found.shared_layers, found.content_grown, found.wasted_grown) == (0, 2, 0, 0)


def test_paths_are_added_modified_and_removed_and_the_heaviest_comes_first() -> None:
    old = analyzed(layer(file("same", b"1"), file("gone", b"12"), file("grown", b"1"), symlink("l", "a")))
    new = analyzed(layer(file("same", b"1"), file("grown", b"1" * 100), file("new", b"12345"), symlink("l", "b")))
    found = compare(old, new)
    assert paths(found) == {"grown": "modified", "new": "added", "gone": "removed", "l": "modified"}
    assert [found.path(row) for row in range(3)] == [b"grown", b"new", b"gone"]
    assert found.content_grown == 102
    assert (found.bytes_of(Change.ADDED), found.bytes_of(Change.REMOVED), found.count(Change.MODIFIED)) == (5, 2, 2)


def test_what_a_later_layer_of_both_removes_is_no_difference() -> None:
    old, new = (analyzed(layer(file("a", content)), layer(".wh.a")) for content in (b"1", b"22"))
    found = compare(old, new)
    assert (len(found), found.shared_layers, found.wasted_grown) == (0, 0, 1)


def test_mode_owner_and_time_of_a_file_count_and_a_directorys_time_does_not() -> None:
    old = analyzed(layer(directory("d", mtime=1), file("a", mode=0o644), file("b", uid=0), file("c", mtime=1)))
    new = analyzed(layer(directory("d", mtime=2), file("a", mode=0o755), file("b", uid=7), file("c", mtime=2)))
    assert paths(compare(old, new)) == {"a": "modified", "b": "modified", "c": "modified"}


def test_a_file_that_becomes_a_directory_is_modified() -> None:
    found = compare(analyzed(layer(file("x", b"1"))), analyzed(layer(directory("x"), "x/y")))
    assert paths(found) == {"x": "modified", "x/y": "added"}


def test_it_is_said_in_a_sentence_and_by_path() -> None:
    old = analyzed(layer("base"), layer(file("a", b"1" * 2000)))
    new = analyzed(layer("base"), layer(file("a", b"1" * 2000)), layer(file("b\x1b[2J", b"1" * 3000)))
    found = compare(old, new)
    assert summary_sentence(found) == (
        "+3.00 kB on disk, +0 B wasted; 1 of 3 layers new; paths: 1 added, 0 modified, 0 removed"
    )
    lines = list(comparison_lines(found, Style(60)))
    assert lines[2] == "  +  +3.00 kB  /b\\x1b[2J"
    assert all(line.isascii() for line in comparison_lines(found, Style(60, is_ascii=True)))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_line_of_the_comparison_fits_and_a_cut_instruction_has_a_mark(width: int) -> None:
    history = [{"created_by": "RUN " + "make everything && " * 20}]
    old, new = (
        opened(tar(saved(blob, settings=config(blob, history=history))))
        for blob in (layer(file("a", content)).tar() for content in (b"1", b"2" * 12_300))
    )
    lines = diff_text(compare(old, new), Style(width), limit=10).splitlines()
    assert max(map(cells, lines)) <= width
    assert next(line for line in lines if "RUN make" in line).endswith("…")
