"""How a layer in a registry was read, and where in the registry's blob its files' contents are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from layerscope.oci.digest import Digest

Longs = npt.NDArray[np.int64]


class FetchWay(StrEnum):
    """Ways to read a layer that is in a registry."""

    CACHE = "cache"
    TABLE = "table of contents"
    HEADERS = "headers"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The way that a layer was read, and how many bytes of it were fetched.

    `is_kept` says that what was read in this way, by an earlier command, came from the cache.
    """

    way: FetchWay
    bytes: int
    is_kept: bool = False

    @property
    def is_checked(self) -> bool:
        """Tell whether all bytes of the layer were hashed, now or when it was stored in the cache."""
        return self.way in (FetchWay.CACHE, FetchWay.STREAM)


@dataclass(frozen=True, slots=True)
class ZtocAt:
    """A ztoc in a layer's repository: the digest and length of the blob. It has the layer's seek points."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class StoredContents:
    """Where in a layer's blob the contents of its files are stored, for a layer that was read by its table of contents.

    The row of an entry is its column `content_offset`. The content of row i lies in whole gzip members or zstd frames between
    the stored offsets `start[i]` and `end[i]`, `inner[i]` bytes after the beginning of what they unpack to. `sha256`, shape
    (n, 32), is all zeros where it is not known.
    """

    start: Longs
    end: Longs
    inner: Longs
    sha256: npt.NDArray[np.uint8]
