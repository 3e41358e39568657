"""Finds the ztocs of an image's layers, which SOCI keeps beside the image (soci-snapshotter `docs/soci-index-manifest-v2.md`).

In the first version an index refers to the image, and the registry lists it; in the second, an annotation of the image's
manifest names it. Either index is a manifest whose layers are ztocs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import msgspec

from layerscope.errors import BadDocument, LayerscopeError
from layerscope.layers.fetched import ZtocAt
from layerscope.oci.digest import Digest
from layerscope.oci.documents import SOCI_INDEXES, SOCI_V1, Descriptor, decode
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.registry_listing import referrers
from layerscope.sources.registry.repository import Repository

INDEX_DIGEST = "com.amazon.soci.index-digest"
LAYER_DIGEST = "com.amazon.soci.image-layer-digest"
ZTOC = "application/octet-stream"
"""The media type of ztocs; lists of what to fetch first, which SOCI also makes of layers, have another one."""
MOST_TRIED = 3
"""Indexes that refer to one image and are fetched to find one that can be read."""


class _SociManifest(msgspec.Struct, frozen=True, rename="camel"):
    """An index of SOCI: an OCI manifest, or in its first form OCI's former artifact manifest, which has `blobs`."""

    config: Descriptor | None = None
    artifact_type: str = ""
    layers: tuple[Descriptor, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None


@dataclass(eq=False)
class SociIndex:
    """The ztocs of one image: nothing is asked before the first is wanted, and then once. Safe for several threads.

    `manifest` is the digest of the image's manifest (None: not known), `annotations` are the manifest's.
    """

    repository: Repository
    manifest: Digest | None
    annotations: Mapping[str, str]
    _lock: Lock = field(default_factory=Lock)

    def ztoc_of(self, layer: Digest) -> ZtocAt | None:
        """Return where a layer's ztoc is; None if it has none, or if the registry does not tell."""
        with self._lock:
            found = self._ztocs.get(layer)
        return ZtocAt(found.digest, found.size) if found and found.size >= 0 else None

    @cached_property
    def _ztocs(self) -> dict[str, Descriptor]:
        named = self.annotations.get(INDEX_DIGEST, "")
        with suppress(RegistryFailed, BadDocument):
            if named:
                return self._ztocs_in(Digest.parse(named))
            found = referrers(self.repository, self.manifest) if self.manifest else []
            for each in [each.digest for each in found if each.artifact_type == SOCI_V1][:MOST_TRIED]:
                with suppress(LayerscopeError):
                    return self._ztocs_in(each)
        return {}

    def _ztocs_in(self, digest: Digest) -> dict[str, Descriptor]:
        """Return the ztocs in an index, by their layers' digests. Raises BadDocument if it is none, or another image's."""
        raw = self.repository.document(str(digest)).raw
        index = decode(raw, _SociManifest, what=f"the SOCI index {digest.short}")
        kind = index.artifact_type or (index.config.media_type if index.config else "")
        if kind not in SOCI_INDEXES or (index.subject and index.subject.digest != self.manifest):
            raise BadDocument(f"{digest.short} is no SOCI index of this image")
        listed = [each for each in (*index.layers, *index.blobs) if each.media_type == ZTOC]
        return {each.annotations[LAYER_DIGEST]: each for each in listed if LAYER_DIGEST in each.annotations}
