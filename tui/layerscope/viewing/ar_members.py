"""Lists ar archives among an image's files: static libraries and Debian packages, whose inner tars are listed too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from layerscope.text import escape
from layerscope.units import utc_text
from layerscope.viewing.cancelling import BoundedPieces, IsCancelled
from layerscope.viewing.members import MOST_MEMBERS, ArchiveListing, ArchiveMember
from layerscope.viewing.packed import packing_of, unpacked
from layerscope.viewing.tar_members import list_tar

MAGIC = b"!<arch>\n"
HEADER = 60
MOST_UNPACKED = 256 << 20
_END = b"`\n"


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


def list_ar(content: bytes, is_cancelled: IsCancelled) -> ArchiveListing:
    """List the members, and those of `control.tar` and `data.tar`; an invalid header ends the list."""
    members: list[ArchiveMember] = []
    position = len(MAGIC)
    is_cut, damage = False, ""
    for part in _parts(content):
        inner = _inside(content, part, is_cancelled)
        members += [_member(part), *(inner.members if inner else ())]
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


def _parts(content: bytes) -> Iterator[_ArMember]:
    """Yield each member. GNU stores long names in a member called `//`, BSD before the content."""
    position, names = len(MAGIC), b""
    while len(header := content[position : position + HEADER]) == HEADER and header[58:] == _END:
        digits = header[48:58].strip()
        if not digits.isdigit():
            return
        part = _ArMember(header, header[:16].rstrip(), position + HEADER, int(digits))
        if part.name == b"//":
            names = content[part.start : part.start + part.size]
        yield replace(part, name=_name(part, names, content))
        position = part.start + part.size + part.size % 2


def _name(part: _ArMember, names: bytes, content: bytes) -> bytes:
    start = part.name[1:]
    if part.name.startswith(b"#1/") and part.name[3:].isdigit():
        return content[part.start : part.start + int(part.name[3:])].partition(b"\0")[0][:4096]
    if part.name.startswith(b"/") and start.isdigit():
        return names[int(start) :][:4096].partition(b"\n")[0].removesuffix(b"/")
    return part.name.removesuffix(b"/") if part.name not in (b"/", b"//") else part.name


def _member(part: _ArMember) -> ArchiveMember:
    owner = f"{part.number(28, 34)}:{part.number(34, 40)}"
    mode = part.number(40, 48, 8) & 0o7777
    return ArchiveMember(escape(part.name), part.size, mode=mode, owner=owner, time=utc_text(part.number(16, 28)))


def _inside(content: bytes, part: _ArMember, is_cancelled: IsCancelled) -> ArchiveListing | None:
    """Yield the members of a Debian package's two tars under their names."""
    if not part.name.startswith((b"control.tar", b"data.tar")):
        return None
    packed = content[part.start : part.start + part.size]
    packing = packing_of(packed)
    pieces = unpacked(packed, packing) if packing else iter([packed])
    found = list_tar(BoundedPieces(pieces, MOST_UNPACKED, is_cancelled), "")
    prefix = escape(part.name)
    return replace(found, members=tuple(replace(member, name=f"{prefix}: {member.name}") for member in found.members))
