"""What is about the original's bytes and so does not fit the new image: signatures, attestations, tables of contents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from layerscope.errors import LayerscopeError
from layerscope.layers.readers.toc.locate import CHUNKED_PREFIXES, STARGZ_CHECKSUM
from layerscope.layers.table import LayerTable
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Manifest, decode
from layerscope.slim.plan import Plan
from layerscope.sources.image import Image
from layerscope.sources.registry.attached import BY_ANNOTATION, SOCI, SOCI_ANNOTATION
from layerscope.waste.find import ESTARGZ_TABLE

ESTARGZ, CHUNKED = "eStargz table", "zstd:chunked table"
IN_LAYER = "layer"
CHECKSUM = "manifest-checksum"


@dataclass(frozen=True, slots=True)
class Unmatched:
    """One thing that does not fit: `kind` in words, and `place`, how it is attached: `layer`, `index`, `tag`, ...

    `digest` is its own, None where it has none that is known; `layer` is the number of the layer that it is in, 0 for none.
    """

    kind: str
    place: str
    digest: Digest | None = None
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Unmatching:
    """All that was found; `problem` says why what is attached could not be asked for, empty if it could."""

    found: tuple[Unmatched, ...] = ()
    problem: str = ""


def find_unmatched(plan: Plan, numbers: Collection[int]) -> Unmatching:
    """List what does not fit once the layers `numbers` are rewritten; where the image is in a registry, that is asked."""
    image, problem = plan.analysis.image, ""
    if not numbers:
        return Unmatching()
    tables = plan.analysis.contents.stack.tables
    found = [each for number in sorted(numbers) for each in _tables_of(image, number, tables[number - 1])]
    try:
        found += [Unmatched(each.kind, each.place, each.digest) for each in image.find_attached()]
    except LayerscopeError as error:
        problem = str(error)
    if (stated := image.annotations.get(SOCI_ANNOTATION)) and not any(each.place == BY_ANNOTATION for each in found):
        found.append(Unmatched(SOCI, BY_ANNOTATION, _digest(stated)))
    return Unmatching(tuple(found), problem)


def _tables_of(image: Image, number: int, table: LayerTable) -> list[Unmatched]:
    """Return the tables of contents that a layer has: of eStargz in its tar, of zstd:chunked beside it."""
    stated = decode(image.raw_manifest, Manifest, what="the manifest").layers if image.raw_manifest else ()
    annotations = stated[number - 1].annotations if number <= len(stated) else {}
    paths, found = table.entries.paths, []
    if STARGZ_CHECKSUM in annotations or (len(paths) and paths[len(paths) - 1] == ESTARGZ_TABLE):
        found.append(Unmatched(ESTARGZ, IN_LAYER, _digest(annotations.get(STARGZ_CHECKSUM, "")), number))
    if chunked := next((each for each in CHUNKED_PREFIXES if f"{each}{CHECKSUM}" in annotations), None):
        found.append(Unmatched(CHUNKED, IN_LAYER, _digest(annotations[f"{chunked}{CHECKSUM}"]), number))
    return found


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except LayerscopeError:
        return None
