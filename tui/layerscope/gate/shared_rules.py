"""Files of rules that others extend: a file, or an address with the digest of what is there."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from layerscope.errors import BadSettings, NotFound

MAX_FILE = 1 << 20
_DIGEST = re.compile(r"#sha256:([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class SharedPlace:
    """Where a file of rules is: a path or an address (http, https), and the SHA-256 that it must have, empty for any."""

    place: str
    sha256: str = ""

    @property
    def is_address(self) -> bool:
        return _is_address(self.place)

    @property
    def shown(self) -> str:
        """Return what the origin of its rules is called: no name and no password of an address."""
        if not self.is_address:
            return self.place
        parts = urlsplit(self.place)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

    def fetched(self) -> bytes:
        """Fetch the file. Raises BadSettings."""
        from layerscope.sources.registry.download import download

        try:
            return download(self.place, most=MAX_FILE)
        except NotFound as error:
            raise BadSettings(str(error)) from error

    def checked(self, raw: bytes) -> bytes:
        """Return the file's bytes if they have the digest that was stated. Raises BadSettings."""
        found = hashlib.sha256(raw).hexdigest()
        if self.sha256 and found != self.sha256:
            raise BadSettings(f"its digest is sha256:{found}, not sha256:{self.sha256}")
        return raw


def shared_place(name: str, *, beside: str) -> SharedPlace:
    """Return the file that `extends` names in the file or at the address `beside`. Raises BadSettings.

    An address needs a digest: what is there may change, and with it what passes.
    """
    match = _DIGEST.search(name)
    place = name[: match.start()] if match else name
    if _is_address(place) or _is_address(beside):
        if match is None:
            raise BadSettings(f"`extends`: {place} is an address: end it with its digest, #sha256:... (sha256sum FILE)")
        return SharedPlace(urljoin(beside, place) if _is_address(beside) else place, match[1])
    return SharedPlace(os.path.normpath(Path(beside).parent / place), match[1] if match else "")


def _is_address(place: str) -> bool:
    return place.lower().startswith(("https://", "http://"))
