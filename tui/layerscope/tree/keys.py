"""Sort keys of paths: the path with `/` read as NUL, so that `a-b` does not fall between `a` and `a/b`. Names hold no NUL."""

from __future__ import annotations

from collections.abc import Iterable

SEPARATOR = b"\0"
MAX_IMPLIED = 256 << 20
"""Bytes of the names of directories that paths may imply; 100,000 directories of a real image take 10 MB."""


def key_of(path: bytes) -> bytes:
    """Return the sort key of a normalized path; the root's is empty."""
    return path.replace(b"/", SEPARATOR)


def parent_of(key: bytes) -> bytes:
    """Return the key of the directory that holds `key`; the root's own parent is the root."""
    return key.rpartition(SEPARATOR)[0]


def ancestors_of(key: bytes) -> list[bytes]:
    """Yield every directory above `key` except the root, nearest first."""
    found = []
    while key := parent_of(key):
        found.append(key)
    return found


def directories_above(keys: Iterable[bytes]) -> set[bytes]:
    """Return every directory above any of `keys` except the root. Raises ValueError when their names are absurdly many."""
    found = {key.rpartition(SEPARATOR)[0] for key in keys}
    fresh = found
    total = 0
    while fresh := {parent_of(key) for key in fresh} - found:
        total += sum(map(len, fresh))
        if total > MAX_IMPLIED:
            raise ValueError(f"its paths imply directories with names of more than {MAX_IMPLIED >> 20} MiB")
        found |= fresh
    found.discard(b"")
    return found
