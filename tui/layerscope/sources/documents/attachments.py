"""What a layout or an archive holds about an image beside it: signatures, attestations, indexes of SOCI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from layerscope.errors import BadDocument, LayerscopeError
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Descriptor, decode
from layerscope.sources.documents.files import Files, read_content
from layerscope.sources.documents.layout import INDEX, REFERENCE_TYPE, Leaf, leaves
from layerscope.sources.registry.attached import BY_REFERRER, Attached, kind_of, statements, under_tag


class _Referrer(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest that may be about another one (OCI image-spec `manifest.md`, `subject`)."""

    config: Descriptor | None = None
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


def attached_in(files: Files, image: Digest | None) -> list[Attached]:
    """Return what is attached to the manifest `image`, or to an index that leads to it; what cannot be read is not listed."""
    if image is None or not files.has(INDEX):
        return []
    try:
        found = leaves(files)
    except LayerscopeError:
        return []
    subjects = {image}.union(*(leaf.indexes for leaf in found if leaf.descriptor.digest == image))
    attached = [each for leaf in found if leaf.descriptor.digest != image for each in _attached(files, leaf)]
    return [each for each in attached if each.subject in subjects]


def _attached(files: Files, leaf: Leaf) -> Iterator[Attached]:
    descriptor, raw = leaf.descriptor, None
    for name in leaf.names:
        if found := under_tag(name.rpartition(":")[2], descriptor.digest):
            yield found
            return
    with suppress(LayerscopeError):
        raw = read_content(files, descriptor)
    if REFERENCE_TYPE in descriptor.annotations:
        yield from statements(descriptor, raw)
    elif raw is not None:
        yield from _referring(descriptor, raw)


def _referring(descriptor: Descriptor, raw: bytes) -> Iterator[Attached]:
    with suppress(BadDocument):
        manifest = decode(raw, _Referrer, what="a manifest")
        if manifest.subject is not None:
            kind = manifest.artifact_type or (manifest.config.media_type if manifest.config else "")
            words = kind_of(kind or descriptor.media_type, manifest.annotations)
            yield Attached(
                words, descriptor.digest, manifest.subject.digest, BY_REFERRER, kind, annotations=manifest.annotations
            )
