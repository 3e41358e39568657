"""What is attached to an image in a registry: signatures, attestations, bills of materials, indexes of SOCI.

There are four ways to attach it: as a referrer (distribution-spec, "Listing Referrers"), in the image's own index (BuildKit),
under a tag made of the image's digest (cosign), and by an annotation of the manifest (SOCI, version 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from layerscope.cache.cache import Cache
from layerscope.errors import BadDocument, LayerscopeError
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Descriptor, Manifest, artifact_kind, decode
from layerscope.sources.registry.failures import NoSuchImage
from layerscope.sources.registry.registry_listing import referrers
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.tag_facts import TagFacts, TagImage
from layerscope.text import escape

MOST_SUBJECTS = 32
"""Manifests of one tag of which referrers are asked for."""
BY_REFERRER, BY_INDEX, BY_TAG, BY_ANNOTATION = "referrer", "index", "tag", "annotation"
SIGNATURE, ATTESTATION, BILL, SOCI = "signature", "attestation", "bill of materials", "SOCI index"
SOCI_ANNOTATION = "com.amazon.soci.index-digest"
_PREDICATE, _SIGSTORE_PREDICATE = "in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType"
_SUBJECT = "vnd.docker.reference.digest"
_TAG_KINDS = {".sig": SIGNATURE, ".att": ATTESTATION, ".sbom": BILL}
"""What cosign puts after the digest in the tag of what it attaches."""
_ATTACHING_TAG = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(?:\.\w+)?", re.ASCII)
_WORDS = (
    ("soci.index", SOCI),
    ("spdx", BILL),
    ("cyclonedx", BILL),
    ("sbom", BILL),
    ("syft", BILL),
    ("slsa.dev/provenance", "provenance"),
    ("in-toto", ATTESTATION),
    ("attestation", ATTESTATION),
    ("notary.signature", SIGNATURE),
    ("cosign", SIGNATURE),
    ("sigstore.bundle", SIGNATURE),
    ("signature", SIGNATURE),
)
"""Parts of media types and predicate types, the telling ones first, and what they mean."""


@dataclass(frozen=True, slots=True)
class Attached:
    """One thing attached to an image. `kind` is a word for people, `media_type` what the registry says, untrusted.

    `digest` is its manifest's; `size`, in bytes, is what its manifest says it holds, None where that was not read. `subject` is
    the manifest or index that it is about; `place` is how it is attached, one of the four BY_ words.
    """

    kind: str
    digest: Digest
    subject: Digest
    place: str
    media_type: str = ""
    size: int | None = None
    annotations: dict[str, str] = field(default_factory=dict)


def is_attaching_tag(tag: str) -> bool:
    """Tell whether a tag only attaches something to an image: cosign's, or that of the referrers tag schema."""
    return _ATTACHING_TAG.fullmatch(tag) is not None


def find_attached(repository: Repository, facts: TagFacts, cache: Cache | None) -> list[Attached]:
    """Return all that is attached to a tag's image: to its index, and to the manifest of each platform.

    This takes one request for each manifest, three for cosign's tags, and one for each attestation of BuildKit's that the cache
    does not have. Raises AccessDenied, RegistryFailed.
    """
    if facts.digest is None:
        return []
    subjects = list(dict.fromkeys([facts.digest, *(image.digest for image in facts.images if not image.is_artifact)]))
    tasks = [partial(_referring, repository, subject) for subject in subjects[:MOST_SUBJECTS]]
    tasks += [partial(_under_tag, repository, facts.digest, ending) for ending in _TAG_KINDS]
    tasks += [partial(_in_index, repository, each, cache) for each in facts.attestations]
    found = [each for some in side_by_side(lambda task: task(), tasks, repository.connection.traffic) for each in some]
    stated = [each for image in facts.images for each in _stated(image, facts.digest)]
    return list({(each.digest, each.subject): each for each in [*stated, *found]}.values())


def _referring(repository: Repository, subject: Digest) -> list[Attached]:
    return [
        Attached(
            kind_of(each.artifact_type or each.media_type, each.annotations),
            each.digest,
            subject,
            BY_REFERRER,
            each.artifact_type or each.media_type,
            annotations=each.annotations,
        )
        for each in referrers(repository, subject)
    ]


def _under_tag(repository: Repository, subject: Digest, ending: str) -> list[Attached]:
    with suppress(NoSuchImage):
        digest = repository.resolve(f"{subject.algorithm}-{subject.encoded[:64]}{ending}")
        return [Attached(_TAG_KINDS[ending], digest, subject, BY_TAG)] if digest is not None else []
    return []


def _in_index(repository: Repository, descriptor: Descriptor, cache: Cache | None) -> list[Attached]:
    """Return what an attestation manifest of BuildKit holds."""
    raw = None
    with suppress(LayerscopeError):  # what it holds is said where it can be read
        raw = cache.document(descriptor.digest) if cache is not None else None
        if raw is None:
            raw = repository.document(str(descriptor.digest)).raw
            if cache is not None:
                cache.keep_document(descriptor.digest, raw)
    return statements(descriptor, raw)


def statements(descriptor: Descriptor, raw: bytes | None) -> list[Attached]:
    """Return what an attestation manifest of BuildKit holds: a layer for each statement, with its predicate's type.

    `raw` is the manifest, None where it cannot be read.
    """
    subject = descriptor.digest
    with suppress(BadDocument):
        subject = Digest.parse(descriptor.annotations.get(_SUBJECT, ""))
    layers: tuple[Descriptor, ...] = ()
    with suppress(BadDocument):
        layers = decode(raw, Manifest, what="an attestation").layers if raw is not None else ()
    found = [
        Attached(
            kind_of(each.media_type, each.annotations),
            each.digest,
            subject,
            BY_INDEX,
            each.media_type,
            each.size,
            each.annotations,
        )
        for each in layers
    ]
    return found or [Attached(ATTESTATION, descriptor.digest, subject, BY_INDEX, descriptor.media_type)]


def under_tag(tag: str, digest: Digest) -> Attached | None:
    """Return what cosign put under this tag, which is made of its subject's digest; None for another tag."""
    subject, dot, ending = tag.replace("-", ":", 1).partition(".")
    if not dot or f".{ending}" not in _TAG_KINDS or not is_attaching_tag(tag):
        return None
    return Attached(_TAG_KINDS[f".{ending}"], digest, Digest.parse(subject), BY_TAG)


def _stated(image: TagImage, top: Digest) -> Iterator[Attached]:
    """Yield what an index lists beside its images, and what a manifest's annotation names."""
    if image.is_artifact and image.digest != top:
        yield Attached(SOCI if "SOCI" in image.kind else image.kind, image.digest, top, BY_INDEX)
    with suppress(BadDocument):
        digest = Digest.parse(image.annotations.get(SOCI_ANNOTATION, ""))
        yield Attached(SOCI, digest, image.digest, BY_ANNOTATION)


def kind_of(media_type: str, annotations: dict[str, str]) -> str:
    """Name in words what is attached, by the type of its predicate where it states one, else by its media type. Escaped."""
    for text in (annotations.get(_PREDICATE, ""), annotations.get(_SIGSTORE_PREDICATE, ""), media_type):
        word = next((word for part, word in _WORDS if part in text.lower()), "")
        if word:
            return word
    return escape(artifact_kind(media_type)[:100])
