"""The difference between two versions of a file."""

from __future__ import annotations

import gzip
import random
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.layers.table import Kind
from layerscope.tree.tree import Change
from layerscope.viewing.difference import difference
from layerscope.viewing.history import Metadata, PathVersion
from layerscope.viewing.shown import ShownFile, show
from layerscope.viewing.unified import DiffLine, unified
from support.image_builder import file, layer

PLAIN = PathVersion(1, Change.ADDED, 0, 0, Kind.FILE, Metadata(0o644, 0, 0, 0), 5, "", 2, is_shadowed=False, step=None)
SIGNS = {"context": " ", "added": "+", "removed": "-", "header": "", "note": "# "}


def shown(content: bytes) -> ShownFile:
    return show(content, name=b"f", size=len(content))


def lines_between(old: bytes, new: bytes) -> list[str]:
    return [SIGNS[line.kind] + line.text for line in difference(shown(old), shown(new))]


def test_text_gives_a_unified_diff() -> None:
    old = b"".join(b"%d\n" % number for number in range(1, 21))
    new = old.replace(b"5\n6\n", b"5\nnew\n6\n", 1).replace(b"20\n", b"")
    assert lines_between(old, new) == [
        "# 51 B -> 52 B",
        *("@@ -3,6 +3,7 @@", " 3", " 4", " 5", "+new", " 6", " 7", " 8"),
        *("@@ -17,4 +18,3 @@", " 17", " 18", " 19", "-20"),
    ]


def test_lines_have_the_numbers_of_both_sides() -> None:
    assert difference(shown(b"a\nb\n"), shown(b"x\na\n"))[1:] == [
        DiffLine("header", "@@ -1,2 +1,2 @@"),
        DiffLine("added", "x", None, 1),
        DiffLine("context", "a", 1, 2),
        DiffLine("removed", "b", 2, None),
    ]


def test_the_same_content_is_one_note() -> None:
    assert lines_between(b"12345", b"12345") == ["# same 5 bytes"]


def test_metadata_that_differs_is_in_the_note() -> None:
    other = replace(PLAIN, metadata=Metadata(0o755, 1000, 1000, 0))
    found = difference(shown(b"12345"), shown(b"12345"), old_version=PLAIN, new_version=other)
    assert found == [DiffLine("note", "same 5 bytes; mode 0644 -> 0755, owner 0:0 -> 1000:1000")]
    later = replace(PLAIN, metadata=Metadata(0o644, 0, 0, 1))
    found = difference(shown(b"12345"), shown(b"1234"), old_version=PLAIN, new_version=later)
    assert found[0] == DiffLine("note", "5 B -> 4 B; time differs by seconds")


def test_line_ends_alone_are_told() -> None:
    assert lines_between(b"a\r\n", b"a\n") == [
        "# 3 B -> 2 B",
        "# the lines are the same; line ends, tabs, encoding or ends of long lines differ",
    ]


def test_a_side_that_is_no_file_is_empty() -> None:
    assert difference(None, None) == []
    assert [line.text for line in difference(None, shown(b"a\n"))] == ["no file -> 2 B", "@@ -0,0 +1 @@", "a"]
    assert [line.text for line in difference(shown(b"\0"), None)] == ["1 B -> no file"]


def test_binaries_show_the_first_difference() -> None:
    old, new = bytes(300), bytearray(300)
    new[100], new[200] = 1, 2
    found = lines_between(old, bytes(new))
    assert found[1] == "# the first difference is at byte 100 (0x64); 2 bytes of 300 differ"
    assert found[2] == "@@ 0x20 @@"
    assert found[6:8] == [
        "-00000060  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
        "+00000060  00 00 00 00 01 00 00 00  00 00 00 00 00 00 00 00  |................|",
    ]


def test_binaries_of_different_length_show_where_they_part() -> None:
    assert lines_between(b"\0" * 20, b"\0" * 20 + b"\1")[1] == "# the first difference is at byte 20 (0x14)"


def test_text_that_became_binary_is_compared_as_bytes() -> None:
    assert lines_between(b"text", b"te\0t")[1:3] == [
        "# shown as text -> hex",
        "# the first difference is at byte 2 (0x2); 1 byte of 4 differ",
    ]


def test_archives_are_compared_by_members() -> None:
    old = layer(file("a"), file("b", b"1"), file("c")).tar()
    new = layer(file("b", b"22"), file("c"), file("d")).tar()
    found = [line[0] + line.rpartition(" ")[2] for line in lines_between(old, new)[1:]]
    assert found == ["-a", "-b", "+b", "+d"]


def test_archives_with_the_same_members_say_that_bytes_differ() -> None:
    content = layer("a").tar()
    assert lines_between(gzip.compress(content, 1, mtime=0), gzip.compress(content, 1, mtime=1))[1] == (
        "# the members have the same names, sizes and times; the bytes differ"
    )


def test_what_was_not_read_is_not_called_the_same() -> None:
    part = show(b"\0" * 10, name=b"f", size=20, limit=10)
    assert [line.text for line in difference(part, part)] == [
        "20 B -> 20 B",
        "the first 10 B are the same",
        "compared: the first 10 B of 20 B with the first 10 B of 20 B; what follows was not compared",
    ]


lines = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=25)


@given(lines, lines)
def test_a_difference_turns_one_side_into_the_other(old: list[str], new: list[str]) -> None:
    found = unified(old, new)
    old_left, new_left = list(enumerate(old, 1)), list(enumerate(new, 1))
    for line in found:
        if line.kind in ("context", "removed"):
            old_left.remove((line.old_number or 0, line.text))
        if line.kind in ("context", "added"):
            new_left.remove((line.new_number or 0, line.text))
    assert [text for _, text in old_left] == [text for _, text in new_left]
    assert bool(found) == (old != new)


@pytest.mark.slow
@pytest.mark.parametrize("alphabet", [2, 100, 1_000_000])
def test_texts_that_have_little_in_common_take_bounded_time(alphabet: int) -> None:
    draw = random.Random(1)
    old, new = ([str(draw.randrange(alphabet)) for _ in range(50_000)] for _ in range(2))
    started = time.perf_counter()
    found = unified(old, new)
    assert time.perf_counter() - started < 10  # half a second, and room for a busy machine
    assert found[-1].kind == "note"
