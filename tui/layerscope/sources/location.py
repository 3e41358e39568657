"""What the user typed as a path, in skopeo's spellings too, and where that is."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from layerscope.errors import NotFound, UsageError
from layerscope.text import escape

PREFIXES = ("docker-archive:", "oci-archive:", "oci:")
STDIN = "-"
MAX_NEAR = 5000
"""Names of a directory that are compared with a mistyped one."""
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class Location:
    """A place to look into. `path` is None for standard input, `tag` empty when none was asked for."""

    typed: str
    """The reference without its tag, as typed, so that a message can say what to type instead."""
    path: Path | None
    tag: str = ""

    @property
    def place(self) -> str:
        """What messages call it."""
        return "standard input" if self.path is None else escape(str(self.path))


def locate(reference: str) -> Location:
    """Find what `reference` names: PATH, PATH:REF, -, and both after `docker-archive:`, `oci-archive:` or `oci:`.

    The prefix says only that a path follows; what the path holds decides how it is read. A path may contain colons: the
    longest one that exists is taken, what follows is the tag. Raises NotFound, with near file names, and UsageError for an
    empty reference.
    """
    prefix = next((prefix for prefix in PREFIXES if reference.startswith(prefix)), "")
    rest = reference.removeprefix(prefix)
    if not rest:
        raise UsageError("name an image: a file, a directory, or - for standard input")
    for path, tag in _splits(rest):
        if path == STDIN:
            return Location(prefix + path, None, tag)
        if _is_there(path):
            return Location(prefix + path, Path(path), tag)
    raise NotFound(_not_found(rest))


def _splits(text: str) -> Iterator[tuple[str, str]]:
    """`text` whole, then cut in two at each of its colons, the last one first."""
    yield text, ""
    for end in range(len(text) - 1, 0, -1):
        if text[end] == ":":
            yield text[:end], text[end + 1 :]


def _is_there(path: str) -> bool:
    try:
        Path(path).stat()
    except ValueError:  # an embedded NUL
        return False
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise NotFound(f"{escape(path)} cannot be read: {error.strerror}") from error
    return True


def _not_found(path: str) -> str:
    near = _near(path)
    if near:
        return f"there is no {escape(path[:200])}; did you mean {' or '.join(escape(name) for name in near)}?"
    return (
        f"there is no file or directory {escape(path[:200])}; for an image of an engine, try: docker save IMAGE | layerscope -"
    )


def _near(path: str) -> list[str]:
    parent, name = os.path.split(path)
    try:
        with os.scandir(parent or ".") as entries:
            names = [entry.name for entry, _ in zip(entries, range(MAX_NEAR), strict=False)]
    except (OSError, ValueError):
        return []
    import difflib

    return [str(Path(parent, near)) for near in difflib.get_close_matches(name, names, n=2, cutoff=0.7)]
