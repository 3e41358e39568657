"""Reads a file of an image to show it: as lines of text, a hex dump (that of `hexdump -C`), or the members of an archive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain
from typing import overload

import xxhash

from layerscope.analysis import Contents
from layerscope.errors import IsCancelled, never_cancelled, stop_if
from layerscope.extraction.extract import content_pieces
from layerscope.text import escape
from layerscope.units import size_text
from layerscope.viewing.archives import ArchiveListing, ArchiveMember, is_tar, is_worth_reading_on, list_archive, list_tar
from layerscope.viewing.decoding import MOST_LINES, Decoded, TextLines, decoded, lines_of
from layerscope.viewing.file_type import language_of, note_of
from layerscope.viewing.packed import BoundedPieces, Unpacked, packing_of

LIMIT = 4 << 20
"""Bytes of a file that are shown as text or hex."""
MOST_READ = 64 << 20
"""Bytes of an archive that are read."""
MOST_UNPACKED = 256 << 20
HEAD = 1024
"""Bytes from which a file's type is recognized."""
_UNPRINTABLE = re.compile(rb"[^ -~]")
GROUP = 8


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
    when it was not read to its end. `members` are an archive's, one for each line. `is_own` says that the lines are of the
    file's own bytes, so that `paged_file` has the rest, and `codec` how a text is encoded, in Python's name.
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
    codec: str = ""
    is_own: bool = False


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


def load(
    contents: Contents, entry: int, *, name: bytes, limit: int = LIMIT, is_cancelled: IsCancelled = never_cancelled
) -> ShownFile:
    """Read the content of a regular file (or a hard link's), and decide how to show it.

    `name` only helps with the language, `limit` bounds the bytes of text or hex. Raises CorruptLayer when the image is damaged
    there, and Cancelled soon after `is_cancelled` returns True. Damage inside the file itself, such as a truncated archive, is
    not an error: it goes into the note.
    """
    origin = int(contents.tree.origin[entry])
    entry = origin if origin >= 0 else entry
    content = _read(content_pieces(contents, entry), limit, is_cancelled)
    return show(content, name=name, size=int(contents.tree.entries.size[entry]), limit=limit, is_cancelled=is_cancelled)


def show(
    content: bytes, *, name: bytes, size: int, limit: int = LIMIT, is_cancelled: IsCancelled = never_cancelled
) -> ShownFile:
    """Decide how to show a file of `size` bytes whose first bytes are `content`, as `load` does for a file of an image."""
    file = ReadFile(content, name, size, limit, is_cancelled)
    shown = _archive(file) or _packed(file) or _start(file)
    return replace(shown, digest=xxhash.xxh3_128_digest(content) if file.is_whole else b"")


def _read(pieces: Iterable[bytes], limit: int, is_cancelled: IsCancelled) -> bytes:
    held = bytearray()
    most = limit
    for piece in pieces:
        stop_if(is_cancelled)
        held += piece
        if most == limit <= len(held) and is_worth_reading_on(bytes(held[:HEAD])):
            most = max(limit, MOST_READ)
        if len(held) >= most:
            break
    return bytes(held[:most])


def _archive(file: ReadFile) -> ShownFile | None:
    listing = list_archive(file.content, file.is_cancelled, is_whole=file.is_whole)
    if listing and not file.is_whole:
        listing = replace(listing, is_cut=True, damage="" if listing.members else listing.damage)
    return _listed(file, listing) if listing else None


def _listed(file: ReadFile, listing: ArchiveListing) -> ShownFile:
    """Show an archive's members, or hex if none can be listed."""
    if not listing.members and listing.damage:
        return _start(file, note=f"{listing.format}: {listing.damage}")
    is_cut = listing.is_cut or bool(listing.damage)
    return ShownFile(
        form=Form.ARCHIVE,
        lines=tuple(member.line for member in listing.members),
        language="",
        note=escape(listing.note),
        size=file.size,
        shown_bytes=len(file.content),
        is_cut=is_cut,
        content=file.content[: file.limit],
        members=listing.members,
    )


def _start(file: ReadFile, note: str = "") -> ShownFile:
    shown = plain(file, file.content[: file.limit], is_whole=file.is_whole and file.size <= file.limit, note=note)
    return replace(shown, is_own=True)


def _packed(file: ReadFile) -> ShownFile | None:
    """Show a compressed file: the members of the tar in it, or its unpacked bytes."""
    packing = packing_of(file.content)
    if not packing:
        return None
    unpacked = Unpacked(file.content, packing)
    pieces = iter(unpacked)
    head = _head(pieces)
    if not head and unpacked.damage:
        return _start(file, note=f"{packing}, damaged: {unpacked.damage}")
    again = chain([head], pieces)
    if is_tar(head):
        listing = list_tar(BoundedPieces(again, MOST_UNPACKED, file.is_cancelled), f"tar, {packing}")
        # The compression's damage explains the tar's, and neither counts if reading stopped early.
        damage = unpacked.damage or listing.damage
        listing = replace(listing, damage=damage) if file.is_whole else replace(listing, is_cut=True, damage="")
        return _listed(file, listing)
    return _unpacked(file, packing, BoundedPieces(again, file.limit, file.is_cancelled), unpacked)


def _head(pieces: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < HEAD and (piece := next(pieces, b"")):
        head += piece
    return head


def _unpacked(file: ReadFile, packing: str, pieces: BoundedPieces, unpacked: Unpacked) -> ShownFile:
    content = b"".join(pieces)
    is_whole = file.is_whole and not pieces.is_cut and not unpacked.damage
    start = "" if is_whole else "the first "
    damage = f", then damaged: {unpacked.damage}" if unpacked.damage and file.is_whole else ""
    inner = replace(file, name=file.name.rpartition(b".")[0])
    shown = plain(inner, content, is_whole=is_whole, note=f"{packing}, {start}{size_text(len(content))} unpacked{damage}")
    return replace(shown, is_cut=shown.is_cut or not is_whole)


def plain(file: ReadFile, content: bytes, *, is_whole: bool, note: str = "") -> ShownFile:
    """Show `content` as text if it is text, otherwise in hex.

    `is_whole` says whether it is all of the file, or all that the file unpacks to. `note` is put before the remarks added here.
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
        codec=text.codec,
    )


def _cut_note(file: ReadFile, content: bytes, lines: TextLines, *, is_whole: bool) -> str:
    """Return a note on what is missing at the end of a text; truncated long lines are marked where they are."""
    if lines.is_cut and len(lines.lines) == MOST_LINES:
        return f"the first {MOST_LINES:,} lines"
    return "" if is_whole else _part_of(file, content)


def _part_of(file: ReadFile, content: bytes) -> str:
    return f"the first {size_text(len(content))} of {size_text(file.size)}"


def _joined(*parts: str) -> str:
    return escape("; ".join(part for part in parts if part))


@dataclass(frozen=True, slots=True, eq=False)
class HexLines(Sequence[str]):
    """Lines of `width` bytes (8 or 16) of `content`, whose first byte is number `start`, made when asked for: 2 us each."""

    content: bytes
    width: int = 16
    start: int = 0

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
        return f"{self.start + offset:08x}  {self._columns(piece)}  |{shown}|"

    def _columns(self, piece: bytes) -> str:
        groups = (piece[start : start + GROUP].hex(" ").ljust(3 * GROUP - 1) for start in range(0, self.width, GROUP))
        return "  ".join(groups)
