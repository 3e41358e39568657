"""Decodes bytes that may be text into lines that can be shown."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from layerscope.errors import IsCancelled, stop_if
from layerscope.text import escape

SAMPLE = 64 << 10
"""Bytes examined to tell text from binary."""
LONGEST_LINE = 10_000
"""Characters of a line that are shown."""
MOST_LINES = 200_000
TAB = 8
CUT_MARK = "…"
BATCH = 5000
"""Lines between two checks for cancellation."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_TEXT_CONTROLS = b"\t\n\r\f\b\x1b"
_ODD = bytes(byte for byte in (*range(32), *range(0x7F, 0xA0)) if byte not in _TEXT_CONTROLS)
_CONTROLS = bytes(byte for byte in (*range(32), 0x7F) if byte not in _TEXT_CONTROLS)
_HIGH = bytes(range(0x80, 0x100))
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_UNUSUAL = re.compile(r"[^ -~\n\t]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded text, not escaped yet; `encoding` is its name for the reader, empty for plain UTF-8, `codec` Python's."""

    text: str
    encoding: str
    codec: str = "utf-8"


@dataclass(frozen=True, slots=True)
class TextLines:
    """Lines of a text that can be shown: escaped, without line ends.

    `line_ends` is `CRLF`, `mixed line ends` or empty for LF; `is_cut` says that lines are missing, or ends of lines.
    """

    lines: list[str]
    line_ends: str
    is_cut: bool


def decoded(content: bytes, *, is_whole: bool) -> Decoded | None:
    """Decode `content` in the encoding it seems to have; None if it is not text.

    Unless it `is_whole`, it may end inside a character.
    """
    for bom, codec, name in _BOMS:
        if content.startswith(bom):
            text = codecs.getincrementaldecoder(codec)("replace").decode(content[len(bom) :], final=is_whole)
            return Decoded(text, name, codec) if _is_mostly_printable(text[:4096]) else None
    sample = content[:SAMPLE]
    if b"\0" in sample or _share(sample, _CONTROLS) > 0.02:
        return None
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(content, final=is_whole)
    if _is_utf8(text):
        return Decoded(text, "")
    is_latin1 = _share(sample, _ODD) <= 0.02 and _share(sample, _HIGH) <= 0.3
    return Decoded(content.decode("latin-1"), "Latin-1", "latin-1") if is_latin1 else None


def _is_mostly_printable(sample: str) -> bool:
    """Tell whether most characters of a text with a byte order mark are printable: some binaries begin with such a mark."""
    odd = sum(not character.isprintable() and character not in "\t\n\r\f" for character in sample)
    return odd <= len(sample) // 10


def _is_utf8(text: str) -> bool:
    """Tell whether more of the characters beyond ASCII are valid UTF-8 than are not."""
    if text.isascii():
        return True
    broken = len(_NOT_UTF8.findall(text))
    return not broken or 2 * broken < sum(character > "\x7f" for character in text)


def _share(sample: bytes, wanted: bytes) -> float:
    return 1 - len(sample.translate(None, wanted)) / len(sample) if sample else 0.0


def lines_of(text: str, is_cancelled: IsCancelled) -> TextLines:
    """Split `text` into lines: escaped, tabs expanded, without line ends (LF, CRLF, or CR if there is nothing else)."""
    if "\n" not in text and "\r" in text:
        text = text.replace("\r", "\n")
    raw = text.split("\n", MOST_LINES)
    is_cut = len(raw) > MOST_LINES
    if is_cut or not raw[-1]:
        raw.pop()
    crlf, line_ends = text.count("\r\n"), ""
    if crlf:
        line_ends = "CRLF" if crlf == text.count("\n") else "mixed line ends"
        raw = [line.removesuffix("\r") for line in raw]
    is_cut |= any(len(line) > LONGEST_LINE for line in raw)
    return TextLines(_shown(raw, is_cancelled, is_plain=not _UNUSUAL.search(text)), line_ends, is_cut)


def _shown(raw: list[str], is_cancelled: IsCancelled, *, is_plain: bool) -> list[str]:
    shown: list[str] = []
    for start in range(0, len(raw), BATCH):
        stop_if(is_cancelled)
        lines = raw[start : start + BATCH]
        shown += [_cut(line[: LONGEST_LINE + 1].expandtabs(TAB)) for line in lines] if is_plain else map(_line, lines)
    return shown


def _line(line: str) -> str:
    return _cut(escaped_line(line[: LONGEST_LINE + 1]))


def escaped_line(line: str) -> str:
    """Return a line as it is shown: escaped, its tabs expanded."""
    return "\t".join(map(escape, line.split("\t"))).expandtabs(TAB) if "\t" in line else escape(line)


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + CUT_MARK
