"""Describes a binary file in one line, from its first bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable

from layerscope.text import escape
from layerscope.units import count_text
from layerscope.viewing.elf import elf_note

Note = Callable[[bytes], str]
_PYTHONS = ((3390, "3.7"), (3410, "3.8"), (3420, "3.9"), (3430, "3.10"), (3450, "3.11"), (3500, "3.12"), (3550, "3.13"))
"""The first magic number of each Python's bytecode (CPython's importlib `_bootstrap_external.py`)."""
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's SOF0 to SOF15, which hold the dimensions (ITU-T T.81, table B.1)."""


def note_of(content: bytes) -> str:
    """Return, for example, `PNG image, 640 x 480`; empty for an unknown format. Never longer than a line, and escaped."""
    for offset, magic, note in _NOTES:
        if content.startswith(magic, offset):
            return escape(note(content))
    return ""


def _said(text: str) -> Note:
    return lambda _: text


def _numbers(layout: str, content: bytes, offset: int) -> tuple[int, ...]:
    """Unpack numbers at an offset; zeros where the content ends before them."""
    size = struct.calcsize(layout)
    return struct.unpack(layout, content[offset : offset + size].ljust(size, b"\0"))


def _png(content: bytes) -> str:
    width, height = _numbers(">II", content, 16)
    return f"PNG image, {width} x {height}"


def _gif(content: bytes) -> str:
    width, height = _numbers("<HH", content, 6)
    return f"GIF image, {width} x {height}"


def _jpeg(content: bytes) -> str:
    position = 2
    while position + 9 < len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker in _FRAME_MARKERS:
            height, width = _numbers(">HH", content, position + 5)
            return f"JPEG image, {width} x {height}"
        position += 2 + _numbers(">H", content, position + 2)[0]
    return "JPEG image"


def _sqlite(content: bytes) -> str:
    (page,), (pages,) = _numbers(">H", content, 16), _numbers(">I", content, 28)
    return f"SQLite 3 database, {count_text(pages, 'page')} of {65536 if page == 1 else page} bytes"


def _java_or_macho(content: bytes) -> str:
    """Tell Java from Mach-O. Both begin with CAFEBABE; a Mach-O file for several machines has their number in place of a
    version.
    """
    (version,) = _numbers(">I", content, 4)
    major = version & 0xFFFF
    return f"Java class file, Java {major - 44}" if major >= 45 else "Mach-O binary for several machines"


def _python(content: bytes) -> str:
    (number,) = _numbers("<H", content, 0)
    if not 3390 <= number < 4000:
        return ""
    version = next((name for first, name in reversed(_PYTHONS) if number >= first), "") if number < 3600 else "3.14 or later"
    return f"Python {version} bytecode"


def _pdf(content: bytes) -> str:
    return f"PDF document, version {content[5:8].decode('ascii', 'replace')}"


_NOTES: tuple[tuple[int, bytes, Note], ...] = (
    (0, b"\x7fELF", elf_note),
    (0, b"\x89PNG\r\n\x1a\n", _png),
    (0, b"\xff\xd8\xff", _jpeg),
    (0, b"GIF87a", _gif),
    (0, b"GIF89a", _gif),
    (8, b"WEBP", _said("WebP image")),
    (0, b"SQLite format 3\0", _sqlite),
    (0, b"\xca\xfe\xba\xbe", _java_or_macho),
    (0, b"\0asm", _said("WebAssembly module")),
    (0, b"%PDF-", _pdf),
    (0, b"wOF2", _said("WOFF2 font")),
    (0, b"\0\1\0\0\0", _said("TrueType font")),
    (0, b"MZ", _said("Windows executable")),
    (0, b"\xde\x12\x04\x95", _said("gettext message catalog")),
    (0, b"TZif", _said("time zone data")),
    (2, b"\r\n", _python),
)
