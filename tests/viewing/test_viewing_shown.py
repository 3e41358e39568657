"""How a file of an image is shown: text, hex or the members of an archive; and that nothing of it reaches the terminal."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.analysis import Contents, read_image
from layerscope.errors import Cancelled, CorruptLayer
from layerscope.sources.open import open_image
from layerscope.viewing.decoding import LONGEST_LINE, MOST_LINES
from layerscope.viewing.shown import LIMIT, Form, HexLines, ShownFile, load, show
from support.harmless import everything, is_harmless
from support.image_builder import file, hardlink, image, layer

HOSTILE = "\x1b]0;title\x07 \u202egnp.exe \u009b31m \u200b\x00 \ue000 \x7f\r"


def shown(content: bytes, name: bytes = b"f") -> ShownFile:
    return show(content, name=name, size=len(content))


def read(tmp_path: Path, content: bytes, compress: Literal["none", "gzip", "zstd"] = "none") -> Contents:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer(file("f", content), hardlink("l", "f")), compress=compress))
    return read_image(open_image(str(path)), keep_seek_points=True)


# Loading


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_a_file_is_loaded_from_any_layer(tmp_path: Path, compress: Literal["none", "gzip", "zstd"]) -> None:
    found = load(read(tmp_path, b"one\ntwo\n", compress), 0, name=b"f")
    assert (found.form, found.lines, found.size, found.shown_bytes, found.is_cut) == (Form.TEXT, ["one", "two"], 8, 8, False)


def test_a_hard_link_shows_its_targets_content(tmp_path: Path) -> None:
    contents = read(tmp_path, b"text")
    assert load(contents, 1, name=b"l") == load(contents, 0, name=b"l")


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    found = load(read(tmp_path, b"12345\n" * 100_000, "gzip"), 0, name=b"f", limit=9)
    assert (found.lines, found.shown_bytes, found.is_cut, found.digest) == (["12345", "123"], 9, True, b"")
    assert found.note == "the first 9 B of 600 kB"


def test_a_damaged_layer_is_an_error(tmp_path: Path) -> None:
    contents = replace(read(tmp_path, b"text"), layers=(None,))
    with pytest.raises(CorruptLayer, match="the bytes of layer 1 are not there"):
        load(contents, 0, name=b"f")


def test_loading_stops_when_nobody_waits(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        load(read(tmp_path, b"text"), 0, name=b"f", is_cancelled=lambda: True)


def test_an_empty_file_is_text_without_lines() -> None:
    assert (shown(b"").form, shown(b"").lines, shown(b"").is_cut) == (Form.TEXT, [], False)


# Text


def test_what_could_act_on_a_terminal_is_escaped() -> None:
    found = shown(("harmless " * 20 + HOSTILE.replace("\0", "") + "end\n").encode())
    assert found.form is Form.TEXT
    assert found.lines[0].endswith(r"\x1b]0;title\x07 \u202egnp.exe \u009b31m \u200b \ue000 \x7f\x0dend")


@pytest.mark.parametrize(
    ("content", "lines", "note"),
    [
        (b"a\r\nb\r\n", ["a", "b"], "CRLF"),
        (b"a\r\nb\nc", ["a", "b", "c"], "mixed line ends"),
        (b"a\rb\r", ["a", "b"], ""),
        (b"a\n\n", ["a", ""], ""),
        (b"a\tb\n\tc", ["a       b", "        c"], ""),
        ("\ufeffé".encode(), ["é"], "UTF-8 with BOM"),
        ("é\nb".encode("utf-16"), ["é", "b"], "UTF-16"),
        ("\ufeffé".encode("utf-16-be"), ["é"], "UTF-16"),
        ("naïve café, déjà vu".encode("latin-1"), ["naïve café, déjà vu"], "Latin-1"),
        ("déjà vu, déjà".encode() + b" \xff", [r"déjà vu, déjà \xff"], ""),
        ("é".encode()[:1] + b" cut", ["Ã cut"], "Latin-1"),
    ],
)
def test_text_is_decoded_and_split(content: bytes, lines: list[str], note: str) -> None:
    found = shown(content)
    assert (found.form, found.lines, found.note) == (Form.TEXT, lines, note)


def test_a_character_broken_off_by_the_limit_is_not_shown() -> None:
    assert show("aé".encode()[:2], name=b"f", size=3, limit=2).lines == ["a"]


def test_a_line_of_ten_megabytes_is_cut() -> None:
    found = shown(b"x" * 10_000_000)
    assert (len(found.lines), len(found.lines[0]), found.lines[0][-1], found.is_cut) == (1, LONGEST_LINE + 1, "…", True)


def test_a_line_of_escapes_is_no_longer_than_others() -> None:
    line = ("ab" * 40 + "\x01").encode() * 1000
    assert len(shown(line).lines[0]) == LONGEST_LINE + 1


def test_millions_of_empty_lines_are_cut() -> None:
    found = shown(b"\n" * (LIMIT - 1))
    assert (len(found.lines), found.is_cut, found.note) == (MOST_LINES, True, "the first 200,000 lines")


@pytest.mark.parametrize(
    ("name", "first_line", "language"),
    [
        (b"a/b.py", b"", "python"),
        (b"Dockerfile.dev", b"", "docker"),
        (b"MAKEFILE", b"", "make"),
        (b"run", b"#!/usr/bin/env -S python3 -u", "python"),
        (b"run", b"#! /bin/sh", "bash"),
        (b"run", b"#!/opt/odd/thing", ""),
        (b"page", b"<!DOCTYPE html>", "html"),
        (b"a.zig", b"", "zig"),
        (b"a.nothing", b"", ""),
        (b"notes.txt", b"", ""),
        (b"\xff\x1b.yml", b"", "yaml"),
        (b"[*].sh", b"", "bash"),
    ],
)
def test_the_language_follows_from_name_and_first_line(name: bytes, first_line: bytes, language: str) -> None:
    assert shown(first_line + b"\nx\n", name).language == language


def test_every_language_is_one_that_pygments_knows() -> None:
    from importlib import import_module

    from layerscope.viewing.file_type import _ALIASES, _BY_NAME, _BY_PROGRAM, _BY_START

    known = import_module("pygments.lexers").find_lexer_class_by_name
    rules = (*_BY_NAME, *_BY_PROGRAM, *_BY_START, *_ALIASES.items())
    assert all(known(alias) for alias in {alias for _, alias in rules})


# Hex


def test_binary_content_is_shown_in_hex() -> None:
    found = shown(b"\x7fELF\x00\x1b[31m" + bytes(range(0xF8, 0x100)))
    assert found.form is Form.HEX
    assert list(found.lines) == [
        "00000000  7f 45 4c 46 00 1b 5b 33  31 6d f8 f9 fa fb fc fd  |.ELF..[31m......|",
        "00000010  fe ff                                             |..|",
    ]


def test_hex_lines_may_be_narrower_and_are_sliced() -> None:
    lines = HexLines(bytes(range(20)), 8)
    assert (len(lines), lines[-1]) == (3, "00000010  10 11 12 13              |....|")
    assert lines[1:] == [lines[1], lines[2]]
    with pytest.raises(IndexError):
        lines[3]


def test_text_with_a_nul_is_binary() -> None:
    assert shown(HOSTILE.encode()).form is Form.HEX


def elf(*, interpreter: bytes = b"") -> bytes:
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + (2).to_bytes(2, "little") + (62).to_bytes(2, "little")
    header = header.ljust(32, b"\0") + (64).to_bytes(8, "little")
    header = header.ljust(54, b"\0") + (56).to_bytes(2, "little") + bool(interpreter).to_bytes(2, "little") + bytes(6)
    segment = (3).to_bytes(4, "little") + bytes(4) + (120).to_bytes(8, "little") + bytes(16)
    return header + (segment + len(interpreter).to_bytes(8, "little") + bytes(16) + interpreter if interpreter else b"")


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (elf(), "ELF 64-bit x86-64 executable, statically linked"),
        (elf(interpreter=b"/ld\x1b.so\0"), r"ELF 64-bit x86-64 executable, dynamically linked, interpreter /ld\x1b.so"),
        (b"\x7fELF\x01\0", "ELF, cut short"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0", "PNG image, 640 x 480"),
        (b"GIF89a\x02\0\x03\0\0", "GIF image, 2 x 3"),
        (b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x10\0\x20\x03", "JPEG image, 32 x 16"),
        (b"\xff\xd8\xff\xe0\xff", "JPEG image"),
        (b"SQLite format 3\0\x10\0".ljust(31, b"\0") + b"\x05", "SQLite 3 database, 5 pages of 4096 bytes"),
        (b"\xcb\x0d\r\n\0\0\0\0", "Python 3.12 bytecode"),
        (b"\xca\xfe\xba\xbe\0\0\0\x3d", "Java class file, Java 17"),
        (b"\0\1\2", ""),
    ],
)
def test_a_note_says_what_a_binary_is(content: bytes, note: str) -> None:
    assert (shown(content).form, shown(content).note) == (Form.HEX, note)


# Compressed files


def test_a_compressed_file_shows_what_it_unpacks_to() -> None:
    found = shown(gzip.compress(b"import os\n"), b"a.py.gz")
    assert (found.form, found.lines, found.language, found.note) == (Form.TEXT, ["import os"], "python", "gzip, 10 B unpacked")


def test_a_bomb_is_unpacked_no_further_than_the_limit() -> None:
    found = shown(gzip.compress(bytes(50_000_000), 1))
    assert (found.form, found.shown_bytes, found.is_cut, found.note) == (
        Form.HEX,
        LIMIT,
        True,
        "gzip, the first 4.19 MB unpacked",
    )


def test_a_truncated_compressed_file_shows_what_came_before() -> None:
    whole = gzip.compress(b"".join(b"line %d\n" % number for number in range(5000)))
    found = shown(whole[: len(whole) // 2])
    assert (found.lines[0], found.is_cut) == ("line 0", True)
    assert "then damaged: truncated gzip" in found.note


@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"])
def test_what_only_begins_like_a_compressed_file_is_shown_in_hex(magic: bytes) -> None:
    found = shown(magic + b"\0\xff\0junk" * 5)
    assert (found.form, found.shown_bytes, found.is_cut) == (Form.HEX, len(magic) + 35, False)
    assert "damaged: " in found.note


# What holds for anything


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text().map(str.encode),
        st.text().map(lambda text: text.encode("utf-16", "surrogatepass")),
        st.binary(max_size=100).map(gzip.compress),
        st.tuples(
            st.sampled_from(
                [b"PK\3\4", b"!<arch>\n", b"\x7fELF\2\1", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\xff\xd8\xff"]
            ),
            st.binary(max_size=300),
        ).map(b"".join),
    ),
    st.binary(max_size=12),
)
def test_anything_can_be_shown_and_nothing_of_it_acts_on_a_terminal(content: bytes, name: bytes) -> None:
    found = shown(content, name)
    assert is_harmless(everything(found))
    assert show(content, name=name, size=len(content) + 9, limit=5).is_cut


def test_a_source_of_200_kilobytes_takes_no_time_to_speak_of() -> None:
    content = b"    if something: return  # and a comment\n" * 5000
    started = time.perf_counter()
    assert len(shown(content, b"a.py").lines) == 5000
    assert time.perf_counter() - started < 0.1  # 5 ms, and room for a busy machine


@pytest.mark.slow
def test_importing_the_room_loads_no_archive_modules() -> None:
    code = (
        "import sys, layerscope.viewing.shown, layerscope.viewing.difference, layerscope.viewing.history;"
        "assert not {'pygments', 'zipfile', 'tarfile', 'difflib', 'textual'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
