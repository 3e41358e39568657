"""Encodes JSON that is safe to print on a terminal, with names that may not be UTF-8.

Control and invisible characters are written as JSON's own escapes. Names that are not UTF-8 are escaped, with the exact bytes
in base64 beside them.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import msgspec

from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.layers.fetched import Fetched
    from layerscope.sources.image import PullSize

_encode = msgspec.json.Encoder(enc_hook=str).encode  # a Digest is a str that msgspec does not know
_NOT_ASCII = re.compile(r"[^ -~\n]")


def json_line(value: object) -> bytes:
    """Encode `value` as JSON on one line, with a newline at the end."""
    raw = _encode(value)
    if raw.isascii() and b"\x7f" not in raw:
        return raw + b"\n"
    return _NOT_ASCII.sub(_escape_hidden, raw.decode()).encode() + b"\n"


def _escape_hidden(match: re.Match[str]) -> str:
    """Return a hidden character as `\\uNNNN`, twice beyond U+FFFF (RFC 8259, section 7), and a visible one unchanged.

    It stands in a string, for outside of strings JSON is ASCII.
    """
    character = match[0]
    if escape(character) == character:
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def path_fields(path: bytes, *, field: str = "path", root: bytes = b"/") -> dict[str, str]:
    """Return a path as JSON fields: `{"path": "/etc/passwd"}`.

    Each byte that is not UTF-8 becomes `\\xNN`, and then there is a `path_base64` too.
    """
    full = root + path
    try:
        return {field: full.decode("utf-8")}
    except UnicodeDecodeError:
        return {field: full.decode("utf-8", "backslashreplace"), f"{field}_base64": base64.b64encode(full).decode()}


def estimate_field(size: PullSize) -> dict[str, int | None]:
    """Return the JSON field with the estimated bytes of a pull if uncompressed layers were compressed with gzip.

    It is null where no layer is stored uncompressed, or where the estimate is unknown.
    """
    return {"compressed_bytes_estimate": size.pull_bytes if size.is_estimate else None}


def fetched_fields(fetched: Fetched | None) -> dict[str, str | int]:
    """Return how a layer of a registry was read, for JSON; nothing for a layer that is on this machine."""
    return {} if fetched is None else {"read_from": fetched.way, "fetched_bytes": fetched.bytes}
