"""Reads a file of an image to show it: as lines of text, a hex dump, or the members of an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import xxhash

from layerscope.analysis import Contents
from layerscope.extraction.extract import content_pieces
from layerscope.text import escape
from layerscope.units import size_text
from layerscope.viewing.archives import is_worth_reading_on, list_archive
from layerscope.viewing.cancelling import BoundedPieces, IsCancelled, never_cancelled, stop_if
from layerscope.viewing.forms import Form, ReadFile, ShownFile, plain
from layerscope.viewing.members import ArchiveListing
from layerscope.viewing.packed import Unpacked, packing_of
from layerscope.viewing.tar_members import is_tar, list_tar

__all__ = ["Form", "ShownFile", "load", "show"]

LIMIT = 4 << 20
"""Bytes of a file that are shown as text or hex."""
MOST_READ = 64 << 20
"""Bytes of an archive that are read."""
MOST_UNPACKED = 256 << 20
HEAD = 1024
"""Bytes from which a file's type is recognized."""


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
    """Do what `load` does for bytes in memory: the first ones of a file of `size` bytes."""
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


def _start(file: ReadFile, note: str = "") -> ShownFile:
    return plain(file, file.content[: file.limit], is_whole=file.is_whole and file.size <= file.limit, note=note)


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
        return _listed(file, _judged(file, listing, unpacked.damage))
    return _unpacked(file, packing, BoundedPieces(again, file.limit, file.is_cancelled), unpacked)


def _head(pieces: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < HEAD and (piece := next(pieces, b"")):
        head += piece
    return head


def _judged(file: ReadFile, listing: ArchiveListing, damage: str) -> ArchiveListing:
    """Decide which damage to report: the compression's explains the tar's, and neither counts if reading stopped early."""
    if not file.is_whole:
        return replace(listing, is_cut=True, damage="")
    return replace(listing, damage=damage or listing.damage)


def _unpacked(file: ReadFile, packing: str, pieces: BoundedPieces, unpacked: Unpacked) -> ShownFile:
    content = b"".join(pieces)
    is_whole = file.is_whole and not pieces.is_cut and not unpacked.damage
    start = "" if is_whole else "the first "
    damage = f", then damaged: {unpacked.damage}" if unpacked.damage and file.is_whole else ""
    inner = replace(file, name=file.name.rpartition(b".")[0])
    shown = plain(inner, content, is_whole=is_whole, note=f"{packing}, {start}{size_text(len(content))} unpacked{damage}")
    return replace(shown, is_cut=shown.is_cut or not is_whole)
