"""Recognizes file types: the format of a binary file, and the language of a text.

A binary file is described in one line from its first bytes; a language is an alias of a pygments lexer, guessed from the
text's name and first line.
"""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from layerscope.text import escape
from layerscope.units import count_text

Note = Callable[[bytes], str]
_PYTHONS = ((3390, "3.7"), (3410, "3.8"), (3420, "3.9"), (3430, "3.10"), (3450, "3.11"), (3500, "3.12"), (3550, "3.13"))
"""The first magic number of each Python's bytecode (CPython's importlib `_bootstrap_external.py`)."""
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's SOF0 to SOF15, which hold the dimensions (ITU-T T.81, table B.1)."""
_ELF_MACHINES = {
    3: "x86",
    8: "MIPS",
    20: "PowerPC",
    21: "PowerPC64",
    22: "s390x",
    40: "ARM",
    62: "x86-64",
    183: "AArch64",
    243: "RISC-V",
    247: "BPF",
    258: "LoongArch",
}
_ELF_TYPES = {1: "object file", 2: "executable", 3: "shared object", 4: "core dump"}
PT_DYNAMIC, PT_INTERP = 2, 3
MOST_SEGMENTS = 64
MOST_INTERPRETER = 255
"""Bytes of an interpreter's path that are shown."""
_BY_SUFFIX = {
    alias: suffixes.split()
    for alias, suffixes in {
        "bash": "sh bash zsh ksh bashrc profile ebuild",
        "c": "c h",
        "cpp": "cc cpp cxx hpp hh",
        "csharp": "cs",
        "css": "css",
        "diff": "diff patch",
        "docker": "dockerfile",
        "go": "go",
        "html": "html htm xhtml",
        "ini": "ini cfg conf cnf service socket timer mount desktop repo npmrc",
        "java": "java",
        "javascript": "js mjs cjs",
        "json": "json webmanifest map",
        "lua": "lua",
        "markdown": "md markdown",
        "perl": "pl pm",
        "php": "php",
        "properties": "properties env",
        "python": "py pyi pyw",
        "rst": "rst",
        "ruby": "rb gemspec",
        "rust": "rs",
        "sql": "sql",
        "toml": "toml",
        "typescript": "ts",
        "xml": "xml xsl xsd svg pom plist",
        "yaml": "yaml yml",
    }.items()
}
_ALIASES = {suffix: alias for alias, suffixes in _BY_SUFFIX.items() for suffix in suffixes}
_PLAIN = frozenset(("txt", "text", "log", "list", "csv", "tsv", "pem", "crt", "key", "sum", "md5sums", "po", "pot", "in"))
"""Endings that mean no language, so that pygments, which takes 80 ms the first time, is not asked."""
_BY_NAME = (
    ("dockerfile*", "docker"),
    ("containerfile*", "docker"),
    ("*makefile", "make"),
    ("cmakelists.txt", "cmake"),
    ("nginx.conf", "nginx"),
    ("os-release", "bash"),
    (".*rc", "bash"),
    ("pipfile", "toml"),
    ("*.lock", "toml"),
    ("gemfile", "ruby"),
)
_BY_PROGRAM = (
    ("*sh", "bash"),
    ("openrc-run", "bash"),
    ("python*", "python"),
    ("perl*", "perl"),
    ("ruby*", "ruby"),
    ("node*", "javascript"),
    ("lua*", "lua"),
    ("php*", "php"),
    ("*awk", "awk"),
    ("make", "make"),
)
_BY_START = (("<?xml", "xml"), ("<!doctype html", "html"), ("<html", "html"), ("<?php", "php"), ("diff --git", "diff"))
_SHEBANG = re.compile(r"#!\s*(?:\S*/)?(\S+)(?:[ \t]+(?:-\S+[ \t]+)*(?:\S*/)?(\S+))?")


def note_of(content: bytes) -> str:
    """Describe a binary file in one line, such as `PNG image, 640 x 480`, escaped; empty for an unknown format."""
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
    """Describe a Java class file or a Mach-O file for several machines, which both begin with CAFEBABE.

    The latter has the number of machines in place of a version.
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


def elf_note(content: bytes) -> str:
    """Describe an ELF file: `ELF 64-bit x86-64 executable, dynamically linked, interpreter /lib/ld-musl-x86_64.so.1`."""
    is_wide, order = content[4:5] == b"\x02", "<>"[content[5:6] == b"\x02"]
    try:
        kind, machine = struct.unpack_from(f"{order}HH", content, 16)
        segments = dict(_elf_segments(content, order, is_wide=is_wide))
    except struct.error:
        return "ELF, cut short"
    name = _ELF_MACHINES.get(machine, f"machine {machine}")
    return f"ELF {64 if is_wide else 32}-bit {name} {_elf_type(kind, segments)}{_elf_linking(content, kind, segments)}"


def _elf_type(kind: int, segments: dict[int, tuple[int, int]]) -> str:
    if kind == 3 and PT_INTERP in segments:
        return "executable (position independent)"
    return _ELF_TYPES.get(kind, f"type {kind}")


def _elf_linking(content: bytes, kind: int, segments: dict[int, tuple[int, int]]) -> str:
    if PT_INTERP in segments:
        offset, size = segments[PT_INTERP]
        path = content[offset : offset + min(size, MOST_INTERPRETER)].partition(b"\0")[0].decode("utf-8", "replace")
        return f", dynamically linked, interpreter {path}"
    return ", statically linked" if kind == 2 and PT_DYNAMIC not in segments else ""


def _elf_segments(content: bytes, order: str, *, is_wide: bool) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each program header's type, with the offset and size of its segment."""
    start, size_at = (32, 54) if is_wide else (28, 42)
    (table,) = struct.unpack_from(f"{order}{'Q' if is_wide else 'I'}", content, start)
    size, count = struct.unpack_from(f"{order}HH", content, size_at)
    for number in range(min(count, MOST_SEGMENTS)):
        position = table + number * size
        if position + 56 > len(content):
            return
        if is_wide:
            kind, _, offset, _, _, length = struct.unpack_from(f"{order}IIQQQQ", content, position)
        else:
            kind, offset, _, _, length = struct.unpack_from(f"{order}IIIII", content, position)
        yield kind, (offset, length)


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


def language_of(name: bytes, first_line: str) -> str:
    """Return the alias of a pygments lexer for a text, empty for plain text. `name` is a path or its last part."""
    base = name.rpartition(b"/")[2].decode("utf-8", "replace").lower()[:255]
    return _by_name(base) or _by_first_line(first_line[:200]) or _by_pygments(base)


def _by_name(base: str) -> str:
    for pattern, alias in _BY_NAME:
        if fnmatchcase(base, pattern):
            return alias
    return _ALIASES.get(_suffix(base), "")


def _suffix(base: str) -> str:
    return base.rpartition(".")[2] if "." in base else ""


def _by_first_line(line: str) -> str:
    shebang = _SHEBANG.match(line)
    if shebang:
        program = shebang[2] if shebang[1] == "env" and shebang[2] else shebang[1]
        return next((alias for pattern, alias in _BY_PROGRAM if fnmatchcase(program, pattern)), "")
    start = line.lstrip().lower()
    return next((alias for begin, alias in _BY_START if start.startswith(begin)), "")


def _by_pygments(base: str) -> str:
    """Ask pygments about rarer file name endings; not called for names without one."""
    suffix = _suffix(base)
    if not suffix.isalnum() or suffix.isdigit() or suffix in _PLAIN or len(suffix) > 12:
        return ""
    lexers: Any = importlib.import_module("pygments.lexers")  # it has no types
    lexer = lexers.find_lexer_class_for_filename("x." + suffix)
    return str(lexer.aliases[0]) if lexer and lexer.aliases and lexer.name != "Text only" else ""
