"""Summarizes an ELF header in one line (System V ABI, chapters 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MACHINES = {
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
_TYPES = {1: "object file", 2: "executable", 3: "shared object", 4: "core dump"}
PT_DYNAMIC, PT_INTERP = 2, 3
MOST_SEGMENTS = 64
MOST_INTERPRETER = 255
"""Bytes of an interpreter's path that are shown."""


def elf_note(content: bytes) -> str:
    """Return, for example, `ELF 64-bit x86-64 executable, dynamically linked, interpreter /lib/ld-musl-x86_64.so.1`."""
    is_wide, order = content[4:5] == b"\x02", "<>"[content[5:6] == b"\x02"]
    try:
        kind, machine = struct.unpack_from(f"{order}HH", content, 16)
        segments = dict(_segments(content, order, is_wide=is_wide))
    except struct.error:
        return "ELF, cut short"
    name = _MACHINES.get(machine, f"machine {machine}")
    return f"ELF {64 if is_wide else 32}-bit {name} {_type(kind, segments)}{_linking(content, kind, segments)}"


def _type(kind: int, segments: dict[int, tuple[int, int]]) -> str:
    if kind == 3 and PT_INTERP in segments:
        return "executable (position independent)"
    return _TYPES.get(kind, f"type {kind}")


def _linking(content: bytes, kind: int, segments: dict[int, tuple[int, int]]) -> str:
    if PT_INTERP in segments:
        offset, size = segments[PT_INTERP]
        path = content[offset : offset + min(size, MOST_INTERPRETER)].partition(b"\0")[0].decode("utf-8", "replace")
        return f", dynamically linked, interpreter {path}"
    return ", statically linked" if kind == 2 and PT_DYNAMIC not in segments else ""


def _segments(content: bytes, order: str, *, is_wide: bool) -> Iterator[tuple[int, tuple[int, int]]]:
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
