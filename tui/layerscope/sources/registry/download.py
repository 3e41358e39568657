"""One small file from an address, by the user's proxies and certificates."""

from __future__ import annotations

from layerscope.errors import NotFound
from layerscope.text import escape

PATIENCE = 20
"""Seconds without an answer, and then without a byte."""
PIECE = 1 << 16


def download(address: str, *, most: int) -> bytes:
    """Return what is at an http or https address. Raises NotFound, also for more than `most` bytes."""
    import requests

    try:
        with requests.get(address, stream=True, timeout=PATIENCE) as response:
            if response.status_code != requests.codes.ok:
                raise NotFound(f"the answer is {response.status_code} {escape(response.reason or '')}".rstrip())
            raw = bytearray()
            for piece in response.iter_content(PIECE):
                raw += piece
                if len(raw) > most:
                    raise NotFound(f"longer than {most >> 20} MiB")
            return bytes(raw)
    except (OSError, ValueError) as error:
        raise NotFound(f"cannot be fetched: {escape(str(error)[:200])}") from error
