"""The forms in which a file is shown, and the two basic ones: text and hex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from layerscope.text import escape
from layerscope.units import size_text
from layerscope.viewing.cancelling import IsCancelled
from layerscope.viewing.decoding import MOST_LINES, Decoded, TextLines, decoded, lines_of
from layerscope.viewing.hexdump import HexLines
from layerscope.viewing.language import language_of
from layerscope.viewing.magic import note_of
from layerscope.viewing.members import ArchiveMember


class Form(Enum):
    """How a file is shown."""

    TEXT = "text"
    HEX = "hex"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file as it is shown; every string of it is escaped.

    `language` is an alias of a pygments lexer, empty for none. `size` is the file's, `shown_bytes` how many bytes the lines
    stand for: of the file, or of what it unpacks to. `is_cut` says that something is not shown. `content` is what the lines
    were made of, not escaped: `HexLines(shown.content, 8)` is another view of it. `digest` is xxh3_128 of the whole file, empty
    when it was not read to its end. `members` are an archive's, one for each line.
    """

    form: Form
    lines: Sequence[str] = field(repr=False)
    language: str
    note: str
    size: int
    shown_bytes: int
    is_cut: bool
    content: bytes = field(repr=False)
    digest: bytes = b""
    members: tuple[ArchiveMember, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The bytes of a file that were read, from its start on."""

    content: bytes
    name: bytes
    size: int
    limit: int
    is_cancelled: IsCancelled

    @property
    def is_whole(self) -> bool:
        """Tell whether it was read to its end."""
        return len(self.content) >= self.size


def plain(file: ReadFile, content: bytes, *, is_whole: bool, note: str = "") -> ShownFile:
    """Show `content` as text if it is text, otherwise in hex. `is_whole` says whether it is all of the file, or all that the
    file unpacks to. `note` is put before the remarks added here.
    """
    text = decoded(content, is_whole=is_whole)
    if text:
        return _text(file, content, text, is_whole=is_whole, note=note)
    return ShownFile(
        form=Form.HEX,
        lines=HexLines(content),
        language="",
        note=_joined(note, note_of(content), "" if note or is_whole else _part_of(file, content)),
        size=file.size,
        shown_bytes=len(content),
        is_cut=not is_whole,
        content=content,
    )


def _text(file: ReadFile, content: bytes, text: Decoded, *, is_whole: bool, note: str) -> ShownFile:
    lines = lines_of(text.text, file.is_cancelled)
    return ShownFile(
        form=Form.TEXT,
        lines=lines.lines,
        language=language_of(file.name, lines.lines[0] if lines.lines else ""),
        note=_joined(note, text.encoding, lines.line_ends, _cut_note(file, content, lines, is_whole=is_whole or bool(note))),
        size=file.size,
        shown_bytes=len(content),
        is_cut=lines.is_cut or not is_whole,
        content=content,
    )


def _cut_note(file: ReadFile, content: bytes, lines: TextLines, *, is_whole: bool) -> str:
    """Say what is missing at the end; truncated long lines are marked where they are."""
    if lines.is_cut and len(lines.lines) == MOST_LINES:
        return f"the first {MOST_LINES:,} lines"
    return "" if is_whole else _part_of(file, content)


def _part_of(file: ReadFile, content: bytes) -> str:
    return f"the first {size_text(len(content))} of {size_text(file.size)}"


def _joined(*parts: str) -> str:
    return escape("; ".join(part for part in parts if part))
