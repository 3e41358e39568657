"""Digests: names of content by its hash (OCI image-spec `descriptor.md`, Digests)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layerscope.errors import BadDocument
from layerscope.text import escape

_GRAMMAR = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_REGISTERED = {
    "sha256": re.compile("[a-f0-9]{64}"),
    "sha512": re.compile("[a-f0-9]{128}"),
    "blake3": re.compile("[a-f0-9]{64}"),
}
_LONGEST = 1024


class Digest(str):
    """`algorithm:encoded`, for instance `sha256:6c3c…`; always well formed, because `parse` and `of` make it.

    A well-formed digest holds no `/` and no `..`, so `blobs/ALGORITHM/ENCODED` never leaves its layout.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Check `text` against the grammar, and the length of registered algorithms. Raises BadDocument."""
        algorithm, _, encoded = text.partition(":")
        registered = _REGISTERED.get(algorithm)
        if len(text) > _LONGEST or not _GRAMMAR.fullmatch(text) or (registered and not registered.fullmatch(encoded)):
            raise BadDocument(f"'{escape(text[:100])}' is not a digest such as sha256:6c3c624b58db…")
        return cls(text)

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """Return the sha256 digest of `content`."""
        import hashlib  # 3 ms, for OpenSSL

        return cls("sha256:" + hashlib.sha256(content).hexdigest())

    @property
    def algorithm(self) -> str:
        """Return the part before the colon."""
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        """Return the part after the colon: the hash in hexadecimal, for registered algorithms."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """Return the first 12 characters of the hash, as engines show it."""
        return self.encoded[:12]

    def matches(self, content: bytes) -> bool | None:
        """Tell whether `content` hashes to this digest; None where the algorithm is not available."""
        if self.algorithm not in ("sha256", "sha512"):
            return None
        import hashlib

        return hashlib.new(self.algorithm, content).hexdigest() == self.encoded


def chain_ids(diff_ids: Sequence[Digest]) -> list[Digest]:
    """Return the chain id of each layer: a name for it and all below it (OCI image-spec `config.md`, Layer ChainID)."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain
