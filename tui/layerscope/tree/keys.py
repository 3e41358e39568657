"""Sort keys of paths: the path with `/` read as NUL, so that `a-b` does not fall between `a` and `a/b`. Names hold no NUL."""

from __future__ import annotations

from collections.abc import Iterable

SEPARATOR = b"\0"


def key_of(path: bytes) -> bytes:
    """The sort key of a normalised path; the root's is empty."""
    return path.replace(b"/", SEPARATOR)


def path_of(key: bytes) -> bytes:
    """The path of a sort key."""
    return key.replace(SEPARATOR, b"/")


def parent_of(key: bytes) -> bytes:
    """The key of the directory that holds `key`; the root's own parent is the root."""
    return key.rpartition(SEPARATOR)[0]


def ancestors_of(key: bytes) -> list[bytes]:
    """Every directory above `key` but the root, the nearest first."""
    found = []
    while key := parent_of(key):
        found.append(key)
    return found


def directories_above(keys: Iterable[bytes]) -> set[bytes]:
    """Every directory above any of `keys`, the root left out."""
    found = {key.rpartition(SEPARATOR)[0] for key in keys}
    fresh = found
    while fresh := {parent_of(key) for key in fresh} - found:
        found |= fresh
    found.discard(b"")
    return found
