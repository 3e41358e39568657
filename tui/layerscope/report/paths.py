"""Names of an image in JSON: exact where they are UTF-8, else escaped with the exact bytes in base64 beside it."""

from __future__ import annotations

import base64


def path_fields(path: bytes, *, field: str = "path", root: bytes = b"/") -> dict[str, str]:
    """Return `{"path": "/etc/passwd"}`, with `\\xNN` for each byte that is not UTF-8 and then `path_base64` too."""
    full = root + path
    try:
        return {field: full.decode("utf-8")}
    except UnicodeDecodeError:
        return {field: full.decode("utf-8", "backslashreplace"), f"{field}_base64": base64.b64encode(full).decode()}
