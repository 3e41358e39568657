"""Lists zip archives (jar, wheel, apk, docx, ...) among an image's files."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from layerscope.text import escape
from layerscope.viewing.members import LONGEST_NAME, MOST_MEMBERS, ArchiveListing, ArchiveMember

if TYPE_CHECKING:
    from zipfile import ZipInfo

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")


def list_zip(content: bytes) -> ArchiveListing:
    """List the members of a whole zip; none, with the reason in `damage`, when its directory cannot be read."""
    from layerscope.sources.documents.zipped import check_directory

    try:
        check_directory(content)
        members = tuple(map(_member, _read(content)[: MOST_MEMBERS + 1]))
    except (OSError, ValueError, OverflowError, NotImplementedError, struct.error) as error:
        return ArchiveListing("zip", (), damage=str(error))
    return ArchiveListing("zip", members[:MOST_MEMBERS], is_cut=len(members) > MOST_MEMBERS)


def _read(content: bytes) -> list[ZipInfo]:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(io.BytesIO(content)) as archive:
            return archive.infolist()
    except BadZipFile as error:
        raise ValueError(str(error)) from error


def _member(entry: ZipInfo) -> ArchiveMember:
    mode = entry.external_attr >> 16
    year, month, day, hour, minute, _ = entry.date_time
    return ArchiveMember(
        name=escape(entry.filename[:LONGEST_NAME]),
        size=entry.file_size,
        letter="d" if entry.filename.endswith("/") else "l" if mode & 0o170000 == 0o120000 else "-",
        mode=mode & 0o7777 if mode else None,
        time=f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}",
    )
