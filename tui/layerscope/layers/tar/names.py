"""Turns names in a layer's tar into normalized paths, whiteouts and opaque directories (OCI image-spec `layer.md`)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Severity

WHITEOUT = b".wh."
META = b".wh..wh."
OPAQUE = b".wh..wh..opq"
SLASH, DOT = 0x2F, 0x2E
OVERLAYFS = "Docker, Podman and containerd on overlayfs"
VFS = "the vfs driver of Docker and Podman"
"""Names for the engines that agree on how to read a layer.

Measured with Docker 20.10, and 26.1 on containerd's store; Podman 4.3, containerd 1.6 and umoci 0.4.7.
"""
NOTHING = "a whiteout without a name: no engine unpacks it; here it hides nothing"
NOTHING_INSIDE = (
    f"a whiteout without a name: {OVERLAYFS} refuse it, {VFS} removes the directory that it is in, umoci refuses or "
    "ignores it; here it hides nothing"
)
AUFS = f"below a directory name that aufs reserves: {OVERLAYFS}, and umoci, unpack it, as shown here; {VFS} skips it"


@dataclass(slots=True, eq=False)
class Markers:
    """Whiteouts and opaque directories as normalized paths, in order, and names that are invalid or ambiguous.

    `whiteout_rows` and `opaque_rows` are their indexes in the list of names that `sort_out` was given; `omitted` the indexes
    and paths of names that are no entries and hide nothing.
    """

    whiteouts: list[bytes] = field(default_factory=list)
    opaques: list[bytes] = field(default_factory=list)
    whiteout_rows: list[int] = field(default_factory=list)
    opaque_rows: list[int] = field(default_factory=list)
    problems: list[tuple[bytes, str, Severity]] = field(default_factory=list)
    omitted: list[tuple[int, bytes]] = field(default_factory=list)


def normalize(name: bytes) -> bytes:
    """Normalize a name: `./a`, `/a`, `a//` and `b/../a` are `a`; `..` never leaves the root, which is the empty path."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def sort_out(names: list[bytes], markers: Markers) -> npt.NDArray[np.bool_]:
    """Normalize `names` in place, move whiteouts and opaque markers to `markers`, and return which names are entries."""
    keep = np.ones(len(names), bool)
    for row in _odd_rows(names):
        name = names[row]
        path = name.rstrip(b"/") if _is_plain_directory(name) else normalize(name)
        names[row] = path
        if WHITEOUT in path:
            keep[row] = not _is_marker(row, path, markers)
    return keep


def _odd_rows(names: list[bytes]) -> list[int]:
    """Return the indexes of names that may need normalizing or be a marker.

    They have a `/` before `/`, `.` or the end, or a first byte `/` or `.`, or are empty.
    """
    if not names:
        return []
    text = np.frombuffer(b"\0".join(names) + b"\0", np.uint8)
    starts = np.zeros(len(names), np.int64)
    np.cumsum(np.fromiter(map(len, names[:-1]), np.int64, len(names) - 1) + 1, out=starts[1:])
    following = text[1:]
    is_odd = (text[:-1] == SLASH) & ((following == SLASH) | (following == DOT) | (following == 0))
    inside = np.searchsorted(starts, np.flatnonzero(is_odd), side="right") - 1
    first = text[starts]
    outside = np.flatnonzero((first == SLASH) | (first == DOT) | (first == 0))
    return sorted({*inside.tolist(), *outside.tolist()})


def _is_plain_directory(name: bytes) -> bool:
    return name[:1] not in (b"/", b".", b"") and b"/." not in name and b"//" not in name


def _is_marker(row: int, path: bytes, markers: Markers) -> bool:
    """Tell whether `path` is a marker, and if so, record it in `markers`.

    Only the last name counts: what lies below a directory called `.wh.x` is files.
    """
    directory, _, base = path.rpartition(b"/")
    if not base.startswith(WHITEOUT):
        if path.startswith(META):
            markers.problems.append((path, AUFS, Severity.DIFFERS))
        return False
    hidden = base[len(WHITEOUT) :]
    if base == OPAQUE:
        markers.opaques.append(directory)
        markers.opaque_rows.append(row)
    elif base.startswith(META):
        markers.omitted.append((row, path))
    elif hidden in (b"", b".", b".."):
        markers.omitted.append((row, path))
        is_refused = not directory or hidden == b".."
        text, severity = (NOTHING, Severity.REFUSED) if is_refused else (NOTHING_INSIDE, Severity.DIFFERS)
        markers.problems.append((path, text, severity))
    else:
        markers.whiteouts.append(directory + b"/" + hidden if directory else hidden)
        markers.whiteout_rows.append(row)
    return True
