"""How a layer that is not on this machine was read, and where its contents are that were not fetched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]


class FetchWay(StrEnum):
    """Ways to read a layer that is far away."""

    CACHE = "cache"
    TABLE = "table of contents"
    HEADERS = "headers"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The way that a layer was read, and how many bytes of it were fetched."""

    way: FetchWay
    bytes: int

    @property
    def is_checked(self) -> bool:
        """Whether all bytes of the layer were hashed, now or when the cache kept it."""
        return self.way in (FetchWay.CACHE, FetchWay.STREAM)


@dataclass(frozen=True, slots=True, eq=False)
class StoredContents:
    """Where contents are stored, by the column `content_offset` of a table of contents, which counts them.

    The content of row i lies in whole gzip members or zstd frames between the stored offsets `start[i]` and `end[i]`,
    `inner[i]` bytes after the beginning of what those unpack to. `sha256`, shape (n, 32), is all zeros where it is not known.
    """

    start: Longs
    end: Longs
    inner: Longs
    sha256: npt.NDArray[np.uint8]
