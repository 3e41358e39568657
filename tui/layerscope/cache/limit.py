"""How much may be kept: sizes as people write them."""

from __future__ import annotations

import re

DEFAULT_LIMIT = 512_000_000
_SIZE = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([kKMGT]?)(i?)[bB]?\s*")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int | None:
    """Parse a size such as `300MB`, `1.5 GB` (decimal, as docker has it), `64MiB` or `1000000`; None for anything else."""
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        return None
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].upper()])
