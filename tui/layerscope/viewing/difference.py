"""The difference between two versions of a file: of their metadata, and of their content as it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerscope.units import count_text, size_text, utc_text
from layerscope.viewing.archives import ArchiveMember
from layerscope.viewing.history import Metadata, PathVersion
from layerscope.viewing.shown import Form, HexLines, ShownFile
from layerscope.viewing.unified import DiffLine, unified

WINDOW = 4
"""Lines of hex shown before and after the first byte that differs."""
WIDTH = 16
NOTHING = ShownFile(Form.TEXT, (), "", "", 0, 0, is_cut=False, content=b"", digest=b"")


def difference(
    old: ShownFile | None,
    new: ShownFile | None,
    *,
    old_version: PathVersion | None = None,
    new_version: PathVersion | None = None,
) -> list[DiffLine]:
    """Return a note on sizes and metadata, then the differing lines; None is a side where the path is no file.

    Text gives a unified diff, archives their members (each a line of its own), all else the first bytes that differ. Takes less
    than a second for the largest texts that `load` gives.
    """
    if old is None and new is None:
        return []
    changes = _metadata_changes(_metadata(old_version), _metadata(new_version))
    if old and new and old.digest and (old.size, old.digest) == (new.size, new.digest):
        return [_note(f"same {count_text(new.size, 'byte')}", changes)]
    sizes = f"{size_text(old.size) if old else 'no file'} -> {size_text(new.size) if new else 'no file'}"
    return [_note(sizes, changes), *_content_changes(old or _empty_like(new), new or _empty_like(old))]


def _note(first: str, changes: list[str]) -> DiffLine:
    return DiffLine("note", f"{first}; {', '.join(changes)}" if changes else first)


def _empty_like(other: ShownFile | None) -> ShownFile:
    return replace(NOTHING, form=other.form) if other else NOTHING


def _metadata(version: PathVersion | None) -> Metadata | None:
    return version.metadata if version else None


def _metadata_changes(old: Metadata | None, new: Metadata | None) -> list[str]:
    if old is None or new is None:
        return []
    pairs = (
        ("mode", f"{old.mode:04o}", f"{new.mode:04o}"),
        ("owner", f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"),
        ("time", utc_text(old.mtime), utc_text(new.mtime)),
    )
    changes = [f"{name} {before} -> {after}" for name, before, after in pairs if before != after]
    return changes or (["time differs by seconds"] if old.mtime != new.mtime else [])


def _content_changes(old: ShownFile, new: ShownFile) -> Iterator[DiffLine]:
    if old.form is not new.form:
        yield DiffLine("note", f"shown as {old.form.value} -> {new.form.value}")
    if old.form is new.form is Form.ARCHIVE:
        yield from _member_changes(old, new)
    elif old.form is new.form is Form.TEXT:
        lines = unified(old.lines, new.lines)
        yield from lines
        if not lines and old.content != new.content:
            yield DiffLine("note", "the lines are the same; line ends, tabs, encoding or ends of long lines differ")
    else:
        yield from _byte_changes(old, new)
    if old.is_cut or new.is_cut:
        yield DiffLine("note", _compared(old, new))


def _compared(old: ShownFile, new: ShownFile) -> str:
    """Say how much of two files was compared, of which one is not shown whole."""
    if not (old.is_own and new.is_own):
        return "only what is shown of each side was compared"
    was, now = (f"the first {size_text(side.shown_bytes)} of {size_text(side.size)}" for side in (old, new))
    if old.shown_bytes == old.size and new.shown_bytes == new.size:
        return "the ends of very long lines, and lines that are not shown, were not compared"
    return f"compared: {was} with {now}; what follows was not compared"


def _member_changes(old: ShownFile, new: ShownFile) -> Iterator[DiffLine]:
    """Yield the members of two archives that differ, by name: removed ones first, then in the order of the new archive.

    The last of several members with one name counts.
    """
    before, after = _by_name(old), _by_name(new)
    changed = 0
    for name, (number, member) in before.items():
        if name not in after:
            changed += 1
            yield DiffLine("removed", member.line, old_number=number)
    for name, (number, member) in after.items():
        was = before.get(name)
        if was and was[1] == member:
            continue
        changed += 1
        if was:
            yield DiffLine("removed", was[1].line, old_number=was[0])
        yield DiffLine("added", member.line, new_number=number)
    if not changed:
        yield DiffLine("note", "the members have the same names, sizes and times; the bytes differ")


def _by_name(shown: ShownFile) -> dict[str, tuple[int, ArchiveMember]]:
    return {member.name: (number, member) for number, member in enumerate(shown.members, 1)}


def _byte_changes(old: ShownFile, new: ShownFile) -> Iterator[DiffLine]:
    first, count = _differing(old.content, new.content)
    if not count and len(old.content) == len(new.content):
        yield DiffLine("note", f"the first {size_text(len(new.content))} are the same")
        return
    if old.content and new.content:
        has_one_length = len(old.content) == len(new.content)
        counted = f"; {count_text(count, 'byte')} of {len(new.content):,} differ" if has_one_length else ""
        yield DiffLine("note", f"the first difference is at byte {first} (0x{first:x}){counted}")
        yield from _hex_window(old.content, new.content, first)


def _differing(old: bytes, new: bytes) -> tuple[int, int]:
    """Return the offset of the first byte that differs, and how many differ, up to the shorter length."""
    size = min(len(old), len(new))
    if not size:
        return 0, 0
    differs = np.frombuffer(old, np.uint8, size) != np.frombuffer(new, np.uint8, size)
    count = int(np.count_nonzero(differs))
    return (int(differs.argmax()) if count else size), count


def _hex_window(old: bytes, new: bytes, first: int) -> Iterator[DiffLine]:
    """Return lines of hex around offset `first`, as a unified diff of just these."""
    before, after = HexLines(old, WIDTH), HexLines(new, WIDTH)
    start = max(first // WIDTH - WINDOW, 0)
    lines = slice(start, first // WIDTH + WINDOW + 1)
    yield DiffLine("header", f"@@ 0x{start * WIDTH:x} @@")
    for line in unified(before[lines], after[lines]):
        if line.kind != "header":
            yield replace(
                line,
                old_number=line.old_number and line.old_number + start,
                new_number=line.new_number and line.new_number + start,
            )
