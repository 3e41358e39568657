"""Names of cache files: a layer's by its digest and kind of content ids, an image's note by the image's id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from layerscope.oci.digest import Digest

STORED = "stored"
"""The file ending of tables that were read from stored bytes, whose fingerprint must match."""

PROVED = "proved"
"""The ending of what was read from a registry's blob, all of which hashed to the digest that names the file."""

IMAGE = "image"
"""The file ending of notes about an engine's image."""


DOCUMENT = "document"
"""The extension for a manifest, index or config of a registry's image: the file is the document itself."""


class IdKind(StrEnum):
    """Kinds of values in the column `content_id`. Ids of two kinds cannot be compared."""

    NONE = "none"
    XXH3 = "xxh3"
    CRC64 = "crc64"


_NAME = re.compile(
    rf"sha(?:256-[0-9a-f]{{64}}|512-[0-9a-f]{{128}})\.(?:{STORED}|{PROVED}|{IMAGE}|{DOCUMENT}|{'|'.join(IdKind)})"
)


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A digest and a file extension. Only sha256 and sha512 name a file, because engines check only those."""

    digest: Digest
    ending: str

    @property
    def name(self) -> str:
        """Return the file name; empty for digests that are not cached."""
        name = f"{self.digest.replace(':', '-')}.{self.ending}"
        return name if is_name(name) else ""


def is_name(name: str) -> bool:
    """Tell whether a file of this name belongs to the cache."""
    return _NAME.fullmatch(name) is not None
