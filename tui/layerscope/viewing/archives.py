"""Recognizes archives among an image's files and lists their members.

They are tars, zips (jar, wheel, apk, docx, ...), and ar (static libraries and Debian packages, whose inner tars are listed
too).
"""

from __future__ import annotations

import io
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from layerscope.errors import CorruptLayer, IsCancelled
from layerscope.layers.table import KIND_LETTERS, Kind
from layerscope.layers.tar.header_walk import HeaderWalk
from layerscope.layers.tar.headers import BLOCK, HeaderBatch, HeaderRows, decode, has_good_checksum
from layerscope.text import escape
from layerscope.units import count_text, size_text, utc_text
from layerscope.viewing.packed import BoundedPieces, packing_of, unpacked

if TYPE_CHECKING:
    from zipfile import ZipInfo

PIECE = 1 << 20
MOST_MEMBERS = 10_000
LONGEST_NAME = 4096
MOST_HELD = 4 << 20
"""Bytes kept while a header is not whole; extended headers are smaller, maps of sparse files too."""
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60
MOST_UNPACKED = 256 << 20
AR_END = b"`\n"


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """One member; `name`, `link` and `owner` are escaped. `mode` is None where the archive has none; `letter` is ls(1)'s."""

    name: str
    size: int
    letter: str = "-"
    mode: int | None = None
    owner: str = ""
    time: str = ""
    link: str = ""

    @property
    def line(self) -> str:
        """Format mode, owner, size, time and name, aligned."""
        mode = "?????????" if self.mode is None else stat.filemode(self.mode)[1:]
        owner = f" {self.owner:<11}" if self.owner else ""
        size = size_text(self.size) if self.letter == "-" else ""
        link = f" -> {self.link}" if self.link else ""
        return f"{self.letter}{mode}{owner} {size:>8}  {self.time:<16}  {self.name}{link}"


@dataclass(frozen=True, slots=True)
class ArchiveListing:
    """The members read from an archive. `is_cut`: there are more; `damage` says why some may be missing."""

    format: str
    members: tuple[ArchiveMember, ...] = field(repr=False)
    is_cut: bool = False
    damage: str = ""

    @property
    def note(self) -> str:
        """Return, for example, `tar, gzip: 12 members, 1.2 MB`."""
        size = size_text(sum(member.size for member in self.members))
        first = "the first " if self.is_cut else ""
        damage = f"; damaged: {self.damage}" if self.damage else ""
        return f"{self.format}: {first}{count_text(len(self.members), 'member')}, {size}{damage}"


def is_worth_reading_on(head: bytes) -> bool:
    """Tell whether reading more than a screen's worth of a file pays: it is an archive, or compressed."""
    return bool(head.startswith((AR_MAGIC, *ZIP_MAGICS)) or packing_of(head) or is_tar(head))


def list_archive(content: bytes, is_cancelled: IsCancelled, *, is_whole: bool) -> ArchiveListing | None:
    """List an archive that is not compressed as a whole; None if it is not an archive."""
    if content.startswith(ZIP_MAGICS):
        return list_zip(content) if is_whole else ArchiveListing("zip", (), damage="too large to be listed")
    if content.startswith(AR_MAGIC):
        return list_ar(content, is_cancelled)
    if is_tar(content):
        pieces = (content[start : start + PIECE] for start in range(0, len(content), PIECE))
        return list_tar(BoundedPieces(pieces, len(content), is_cancelled), "tar")
    return None


def is_tar(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is a tar: its first header has a valid checksum."""
    return len(head) >= BLOCK and head[0] != 0 and has_good_checksum(head[:BLOCK])


def list_tar(pieces: BoundedPieces, archive_format: str) -> ArchiveListing:
    """List the members of a tar as far as `pieces` go; damage ends the list and is noted in it."""
    members: list[ArchiveMember] = []
    damage = ""
    try:
        for batch in _TarBatches(pieces):
            members += _listed_tar_members(batch, MOST_MEMBERS + 1 - len(members))
            if len(members) > MOST_MEMBERS:
                return ArchiveListing(archive_format, tuple(members[:MOST_MEMBERS]), is_cut=True)
    except CorruptLayer as error:
        damage = str(error)
    if pieces.is_cut:
        return ArchiveListing(archive_format, tuple(members), is_cut=True)
    return ArchiveListing(archive_format, tuple(members), damage=damage)


class _TarBatches:
    """The decoded headers of a tar. Raises CorruptLayer where decoding cannot go on, after yielding the headers before it."""

    def __init__(self, pieces: BoundedPieces) -> None:
        self._pieces = pieces
        self._walk = HeaderWalk(0)
        self._held = b""
        self._skip = 0  # bytes to come before the next header
        self._length = 0

    def __iter__(self) -> Iterator[HeaderBatch]:
        for piece in self._pieces:
            self._length += len(piece)
            passed = min(self._skip, len(piece))
            self._skip -= passed
            yield from self._window(self._held + piece[passed:])
            if self._walk.is_done:
                return
            if len(self._held) > MOST_HELD:
                raise CorruptLayer(f"a header of more than {MOST_HELD} bytes")
        if self._skip or self._held.strip(b"\0"):
            raise CorruptLayer(f"truncated at offset {self._length}")

    def _window(self, window: bytes) -> Iterator[HeaderBatch]:
        shift, position, before = self._length - len(window), 0, -1
        while position != before and position < len(window) and not self._walk.is_done:
            before = position
            try:
                position = self._walk.advance(window, position, len(window), len(window), shift)
            except CorruptLayer:
                yield from self._drained()
                raise
            yield from self._drained()
        self._held = window[position:]
        self._skip += max(0, position - len(window))

    def _drained(self) -> Iterator[HeaderBatch]:
        rows, self._walk.rows = self._walk.rows, HeaderRows()
        batch, damage = decode(rows)
        if batch is not None:
            yield batch
        if damage:
            raise CorruptLayer(damage)


def _listed_tar_members(batch: HeaderBatch, most: int) -> Iterator[ArchiveMember]:
    for row, name in enumerate(batch.names[:most]):
        yield ArchiveMember(
            name=escape(name[:LONGEST_NAME]),
            size=int(batch.size[row]),
            letter=KIND_LETTERS[Kind(int(batch.kind[row]))],
            mode=int(batch.mode[row]) & 0o7777,
            owner=f"{batch.uid[row]}:{batch.gid[row]}",
            time=utc_text(int(batch.mtime[row])),
            link=escape(batch.links.get(row, b"")[:LONGEST_NAME]),
        )


def list_zip(content: bytes) -> ArchiveListing:
    """List the members of a whole zip; none, with the reason in `damage`, when its directory cannot be read."""
    from layerscope.sources.documents.zipped import check_directory

    try:
        check_directory(content)
        members = tuple(map(_listed_zip_member, _zip_entries(content)[: MOST_MEMBERS + 1]))
    except (OSError, ValueError, OverflowError, NotImplementedError, struct.error) as error:
        return ArchiveListing("zip", (), damage=str(error))
    return ArchiveListing("zip", members[:MOST_MEMBERS], is_cut=len(members) > MOST_MEMBERS)


def _zip_entries(content: bytes) -> list[ZipInfo]:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(io.BytesIO(content)) as archive:
            return archive.infolist()
    except BadZipFile as error:
        raise ValueError(str(error)) from error


def _listed_zip_member(entry: ZipInfo) -> ArchiveMember:
    mode = entry.external_attr >> 16
    year, month, day, hour, minute, _ = entry.date_time
    return ArchiveMember(
        name=escape(entry.filename[:LONGEST_NAME]),
        size=entry.file_size,
        letter="d" if entry.filename.endswith("/") else "l" if mode & 0o170000 == 0o120000 else "-",
        mode=mode & 0o7777 if mode else None,
        time=f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}",
    )


def list_ar(content: bytes, is_cancelled: IsCancelled) -> ArchiveListing:
    """List the members of an ar archive, and what is in a Debian package's `control.tar` and `data.tar`.

    An invalid header ends the list.
    """
    members: list[ArchiveMember] = []
    position = len(AR_MAGIC)
    is_cut, damage = False, ""
    for part in _ar_members(content):
        inner = _inner_tar(content, part, is_cancelled)
        members += [_listed_ar_member(part), *(inner.members if inner else ())]
        is_cut |= bool(inner and inner.is_cut) or len(members) > MOST_MEMBERS
        position = part.start + part.size + part.size % 2
        damage = damage or (inner.damage if inner else "")
        if is_cut:
            break
    if not is_cut and position < len(content):
        damage = f"no ar header at offset {position}"
    elif not is_cut and position > len(content) + 1:
        damage = f"truncated at offset {len(content)}"
    return ArchiveListing("ar", tuple(members[:MOST_MEMBERS]), is_cut, damage)


@dataclass(frozen=True, slots=True)
class _ArMember:
    """One member as its header describes it; `start` is where its content begins."""

    header: bytes
    name: bytes
    start: int
    size: int

    def number(self, start: int, end: int, base: int = 10) -> int:
        digits = self.header[start:end].strip()
        return int(digits, base) if digits.isdigit() and not (base == 8 and set(digits) & set(b"89")) else 0


def _ar_members(content: bytes) -> Iterator[_ArMember]:
    """Yield each member of an ar archive. GNU stores long names in a member called `//`, BSD before the content."""
    position, names = len(AR_MAGIC), b""
    while len(header := content[position : position + AR_HEADER]) == AR_HEADER and header[58:] == AR_END:
        digits = header[48:58].strip()
        if not digits.isdigit():
            return
        part = _ArMember(header, header[:16].rstrip(), position + AR_HEADER, int(digits))
        if part.name == b"//":
            names = content[part.start : part.start + part.size]
        yield replace(part, name=_ar_name(part, names, content))
        position = part.start + part.size + part.size % 2


def _ar_name(part: _ArMember, names: bytes, content: bytes) -> bytes:
    start = part.name[1:]
    if part.name.startswith(b"#1/") and part.name[3:].isdigit():
        return content[part.start : part.start + int(part.name[3:])].partition(b"\0")[0][:4096]
    if part.name.startswith(b"/") and start.isdigit():
        return names[int(start) :][:4096].partition(b"\n")[0].removesuffix(b"/")
    return part.name.removesuffix(b"/") if part.name not in (b"/", b"//") else part.name


def _listed_ar_member(part: _ArMember) -> ArchiveMember:
    owner = f"{part.number(28, 34)}:{part.number(34, 40)}"
    mode = part.number(40, 48, 8) & 0o7777
    return ArchiveMember(escape(part.name), part.size, mode=mode, owner=owner, time=utc_text(part.number(16, 28)))


def _inner_tar(content: bytes, part: _ArMember, is_cancelled: IsCancelled) -> ArchiveListing | None:
    """List the tar in a member `control.tar` or `data.tar` of a Debian package, compressed or not; None for any other member.

    The member's name precedes the names in it.
    """
    if not part.name.startswith((b"control.tar", b"data.tar")):
        return None
    packed = content[part.start : part.start + part.size]
    packing = packing_of(packed)
    pieces = unpacked(packed, packing) if packing else iter([packed])
    found = list_tar(BoundedPieces(pieces, MOST_UNPACKED, is_cancelled), "")
    prefix = escape(part.name)
    return replace(found, members=tuple(replace(member, name=f"{prefix}: {member.name}") for member in found.members))
