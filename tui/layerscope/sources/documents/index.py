"""OCI layouts, in a directory or in a tar: the manifests that `index.json` leads to (OCI image-spec `image-index.md`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from layerscope.errors import BadDocument, LayerscopeError
from layerscope.layers.table import Problem, Severity
from layerscope.oci.ambiguity import ambiguities
from layerscope.oci.digest import Digest
from layerscope.oci.documents import INDEXES, Descriptor, Index, decode
from layerscope.sources.documents.files import Files, decode_document, read_content, read_document
from layerscope.text import escape

INDEX = "index.json"
MAX_DEPTH = 8
"""Indexes within indexes; real ones stop at two."""
MAX_LISTED = 10_000
"""Descriptors looked at; an index may list another one many times over."""
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class _Nested:
    """An index inside another (None: it cannot be read, or is no index), and how it differs from its descriptor."""

    index: Index | None
    problems: tuple[Problem, ...] = ()


_Found = tuple[Descriptor, tuple[str, ...], tuple[Digest, ...], int]
"""A descriptor, the names it was given on the way to it, the indexes on that way, and where in the first it began."""


@dataclass(slots=True)
class Leaf:
    """A manifest that an index lists; `names`, `indexes` and `numbers` keep the order of the document.

    `numbers` are the positions in the topmost index that lead to it, `problems` those of the indexes on the way.
    """

    descriptor: Descriptor
    names: dict[str, None] = field(default_factory=dict)
    indexes: dict[Digest, None] = field(default_factory=dict)
    numbers: dict[int, None] = field(default_factory=dict)
    problems: dict[Problem, None] = field(default_factory=dict)


def leaves(files: Files, document: str = INDEX) -> list[Leaf]:
    """Return every manifest that the index `document` leads to, once, in its order; nested indexes are followed.

    An index that cannot be read is a leaf itself. Raises NotFound or BadDocument for `document`, and BadDocument when indexes
    are nested too deep.
    """
    found: dict[Digest, Leaf] = {}
    known: dict[Digest, _Nested] = {}
    top = decode_document(files, document, Index)
    problems = dict.fromkeys(ambiguity_problems(escape(document), read_document(files, document), Index))
    for descriptor, names, indexes, number in _walk(files, top, known):
        leaf = found.setdefault(descriptor.digest, Leaf(descriptor, problems=dict(problems)))
        leaf.names |= dict.fromkeys(names)
        leaf.indexes |= dict.fromkeys(indexes)
        leaf.numbers |= {number: None}
        leaf.problems |= {problem: None for index in indexes for problem in known[index].problems}
        if descriptor.platform and not leaf.descriptor.platform:
            leaf.descriptor = descriptor
    return list(found.values())


def _walk(files: Files, top: Index, known: dict[Digest, _Nested]) -> Iterator[_Found]:
    """Walk the indexes depth first. Each one is decoded once, however often it is listed, and then kept in `known`."""
    todo: list[_Found] = [(each, _names(each), (), number) for number, each in enumerate(top.manifests)]
    todo.reverse()
    listed = len(todo)
    while todo and listed <= MAX_LISTED:
        descriptor, names, above, number = todo.pop()
        if descriptor.digest in above or len(above) >= MAX_DEPTH:
            raise BadDocument(f"{files.place}: its indexes are nested too deeply, at {descriptor.digest}")
        if descriptor.digest not in known:
            known[descriptor.digest] = _nested(files, descriptor)
        inner = known[descriptor.digest].index
        if inner is None:
            yield descriptor, names, above, number
            continue
        listed += len(inner.manifests)
        inside = (*above, descriptor.digest)
        todo += [(each, (*names, *_names(each)), inside, number) for each in reversed(inner.manifests)]
    if listed > MAX_LISTED:
        raise BadDocument(f"{files.place}: {INDEX} leads to more than {MAX_LISTED} manifests")


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    """Return a descriptor's tags: the full name that containerd and Docker write, or else the standard annotation."""
    name = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(REF_NAME)
    return (name,) if name else ()


def read_index(files: Files, descriptor: Descriptor) -> Index:
    """Read the index behind a descriptor. Raises NotFound and BadDocument with whole sentences."""
    return _decoded(files, descriptor, read_content(files, descriptor))


def _decoded(files: Files, descriptor: Descriptor, raw: bytes) -> Index:
    return decode(raw, Index, what=f"{files.place}: the index {descriptor.digest.short}")


def size_problem(what: str, descriptor: Descriptor, content: bytes) -> list[Problem]:
    """Report a document whose length differs from its descriptor's `size`; nothing where that states none."""
    if descriptor.size in (-1, len(content)):
        return []
    text = f"the {what} has {len(content)} bytes where its descriptor says {descriptor.size}"
    return [Problem(0, b"", text, Severity.REFUSED)]


def ambiguity_problems(what: str, raw: bytes, document: Any) -> list[Problem]:
    """Report what engines read differently from this program in a document's bytes."""
    return [Problem(0, b"", f"the {what} {text}", Severity.REFUSED) for text in ambiguities(raw, document)]


def _nested(files: Files, descriptor: Descriptor) -> _Nested:
    if descriptor.media_type not in INDEXES:
        return _Nested(None)
    try:
        raw = read_content(files, descriptor)
        index = _decoded(files, descriptor, raw)
    except LayerscopeError:
        return _Nested(None)
    problems = size_problem("index", descriptor, raw) + ambiguity_problems("index", raw, Index)
    if not descriptor.digest.matches(raw):
        text = f"the index does not match its digest {descriptor.digest}"
        problems.append(Problem(0, b"", text, Severity.REFUSED))
    return _Nested(index, tuple(problems))
