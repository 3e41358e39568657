"""The markers that overlayfs writes into the upper directory of a mount (Linux, `filesystems/overlayfs.rst`)."""

from __future__ import annotations

import os
import stat

OWN_PREFIXES = (b"trusted.overlay.", b"user.overlay.")
"""Its extended attributes; the second for mounts in a user namespace (`userxattr`), and for fuse-overlayfs."""
FUSE_PREFIX = b"user.fuseoverlayfs."

Xattrs = dict[bytes, bytes]


def is_own(name: bytes) -> bool:
    """Tell whether an extended attribute is overlayfs's or fuse-overlayfs's own."""
    return name.startswith((*OWN_PREFIXES, FUSE_PREFIX))


def is_opaque(xattrs: Xattrs) -> bool:
    """Tell whether a directory hides what lower layers have in it."""
    return any(xattrs.get(prefix + b"opaque") == b"y" for prefix in (*OWN_PREFIXES, FUSE_PREFIX))


def is_whiteout(found: os.stat_result, xattrs: Xattrs) -> bool:
    """Tell whether a name is hidden: a character device 0:0, or an empty file with an attribute that says so."""
    if stat.S_ISCHR(found.st_mode):
        return found.st_rdev == 0
    return stat.S_ISREG(found.st_mode) and any(prefix + b"whiteout" in xattrs for prefix in OWN_PREFIXES)


def redirect_of(xattrs: Xattrs) -> bytes:
    """Return the former path of a renamed directory in the lower layers; empty for all others (`redirect_dir`)."""
    return next((xattrs[prefix + b"redirect"] for prefix in OWN_PREFIXES if prefix + b"redirect" in xattrs), b"")


def is_without_data(file: int) -> bool:
    """Tell whether an open file has only its metadata here, and its bytes in a lower layer (`metacopy`)."""
    return any(name.removeprefix(prefix) == "metacopy" for name in os.listxattr(file) for prefix in _TEXT_PREFIXES)


def lower_path(path: bytes, file: int) -> bytes:
    """Return the path in the lower layers of an open file without data: its own `path`, unless it was renamed since."""
    names = {name for name in os.listxattr(file) for prefix in _TEXT_PREFIXES if name == prefix + "redirect"}
    if not names:
        return path
    redirect = os.getxattr(file, names.pop())
    return redirect.lstrip(b"/") if redirect.startswith(b"/") else b"/".join([*path.split(b"/")[:-1], redirect])


_TEXT_PREFIXES = tuple(prefix.decode() for prefix in OWN_PREFIXES)
