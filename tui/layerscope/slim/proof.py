"""Proves that the image that was written holds the same files as the original: it is read back and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Contents, read_image
from layerscope.errors import CannotSlim, LayerscopeError
from layerscope.layers.blob import Blob, StoredBytes
from layerscope.layers.compression import compression_of
from layerscope.layers.content import BlobContent, digest_of
from layerscope.layers.table import Kind, LayerTable, Strings
from layerscope.oci.digest import Digest
from layerscope.progress import Progress
from layerscope.slim.fates import EntryFate, Rows, taken_strings
from layerscope.slim.new_documents import NewLayer
from layerscope.slim.plan import Plan
from layerscope.slim.sameness import differences
from layerscope.sources.open import open_image
from layerscope.text import escape

COLUMNS = ("kind", "mode", "uid", "gid", "size", "mtime")


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """A layer before it was rewritten: its stored bytes, and its table as it was just read from them."""

    blob: Blob
    table: LayerTable


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared: paths that a container sees, and the entries of rewritten layers that stay, with their contents.

    `asked_paths` are gone because the user asked for that.

    Layers that were not rewritten have their digest as before, or were just compressed; of all layers digests and diff_ids were
    checked.
    """

    paths: int
    asked_paths: int
    entries: int
    contents: int
    content_bytes: int
    layers_as_before: tuple[Digest, ...]


def prove(
    plan: Plan, layers: Sequence[NewLayer], originals: Mapping[int, Original], place: Path, *, progress: Progress
) -> Proof:
    """Read back the image at `place` and compare it with the original. Raises CannotSlim for any difference.

    `originals` are those of the layers of which rewritten ones are made, by number.
    """
    try:
        image = open_image(str(place), platform=plan.analysis.image.platform, progress=progress)
        new = read_image(image, progress=progress, verify=True)
    except LayerscopeError as error:
        raise CannotSlim(f"what was written cannot be read back: {error}") from error
    doubts = [problem.text for problem in new.problems if problem.is_doubt]
    if doubts or [layer.diff_id for layer in image.layers] != [layer.diff_id for layer in layers]:
        raise CannotSlim(f"what was written is not sound: {doubts[0] if doubts else 'its layers are others'}")
    _compare_trees(plan, new)
    parts = [
        _compare_rows(selection, originals[selection.number], new, position)
        for position, layer in enumerate(layers)
        if layer.is_rewritten
        for selection in _selections(plan, layer, originals, new.stack.tables[position])
    ]
    return Proof(
        paths=int(np.count_nonzero(new.tree.view(new.tree.layers).is_visible)) if layers else 0,
        asked_paths=plan.asked_paths,
        entries=sum(part.entries for part in parts),
        contents=sum(part.contents for part in parts),
        content_bytes=sum(part.content_bytes for part in parts),
        layers_as_before=tuple(layer.blob.digest for layer in layers if not (layer.is_rewritten or layer.is_packed)),
    )


def _compare_trees(plan: Plan, new: Contents) -> None:
    """Raise CannotSlim unless both images show the same at the end."""
    rows = plan.arrangement.rows
    if len(rows) != len(new.tree.entries):
        raise CannotSlim(f"what was written has {len(new.tree.entries)} entries, not {len(rows)}")
    for path in differences(plan.analysis.tree, new.tree, rows, may_lack=plan.asked):
        raise CannotSlim(f"what was written shows another /{escape(path)}")


@dataclass(frozen=True, slots=True)
class _Part:
    entries: int
    contents: int
    content_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """Rows of layer `number` of the original, and those that they have become in a new layer; both int64, in the same order.

    `paths` and `links` are the names and targets of new rows that are not those of the old.
    """

    number: int
    old: Rows
    new: Rows
    paths: dict[int, bytes] = field(default_factory=dict)
    links: dict[int, bytes] = field(default_factory=dict)


def _selections(plan: Plan, layer: NewLayer, originals: Mapping[int, Original], table: LayerTable) -> Iterator[_Selection]:
    """Yield what a rewritten layer has of each layer that it is made of. Raises CannotSlim if its markers are others."""
    merged, number = plan.merged(layer.number), layer.number
    if merged is None:
        fates, was = plan.fates_of(number), originals[number].table
        is_kept, markers = fates == EntryFate.KEEP, (was.whiteouts, was.opaques)
        yield _Selection(number, np.flatnonzero(is_kept), np.flatnonzero(is_kept[fates != EntryFate.DROP]))
    else:
        first, markers = plan.analysis.contents.stack.first, (merged.whiteouts, ())
        numbers = np.searchsorted(first, merged.source, side="right")
        for each in np.unique(numbers).tolist():
            new = np.flatnonzero((numbers == each) & (merged.fates == EntryFate.KEEP))
            yield _Selection(each, merged.source[new] - first[each - 1], new, merged.paths, merged.links)
    if markers != (table.whiteouts, table.opaques):
        raise CannotSlim(f"layer {number}: what was written hides other files")


def _compare_rows(rows: _Selection, original: Original, new: Contents, position: int) -> _Part:
    """Compare entries of a rewritten layer with what they were, and their contents. Raises CannotSlim."""
    table, content = new.stack.tables[position], new.layers[position]
    old, entries = original.table.entries, table.entries
    is_same = np.ones(len(rows.old), bool)
    for column in COLUMNS:
        is_same &= getattr(old, column)[rows.old] == getattr(entries, column)[rows.new]
    for strings, changed, others in ((old.paths, rows.paths, entries.paths), (old.links, rows.links, entries.links)):
        left, right = _expected(strings, rows, changed), taken_strings(others, rows.new)
        is_same &= np.array_equal(left.offsets, right.offsets) and left.buffer == right.buffer
    numbers = list(zip(rows.old.tolist(), rows.new.tolist(), strict=True))
    for rare, others_rare in (
        (original.table.xattrs, table.xattrs),
        (original.table.devices, table.devices),
        (original.table.sparse, table.sparse),
    ):
        if rare or others_rare:
            is_same &= np.fromiter((rare.get(one) == others_rare.get(two) for one, two in numbers), bool, len(numbers))
    is_file = (old.kind[rows.old] == Kind.FILE) & (old.size[rows.old] > 0)
    assert isinstance(content, BlobContent), "what was written is in a file"
    left_ids = _ids(original.table, original.blob, rows.old[is_file])
    right_ids = _ids(table, content.blob, rows.new[is_file])
    is_same[is_file] &= left_ids == right_ids
    if not is_same.all():
        path = old.paths[int(rows.old[np.flatnonzero(~is_same)[0]])]
        raise CannotSlim(f"layer {rows.number}: what was written has another /{escape(path)}")
    return _Part(len(rows.old), int(np.count_nonzero(is_file)), int(old.size[rows.old].sum()))


def _expected(strings: Strings, rows: _Selection, changed: dict[int, bytes]) -> Strings:
    """Return what the new rows should have of a column of strings."""
    found = taken_strings(strings, rows.old)
    if not changed:
        return found
    return Strings.of([changed.get(row, was) for row, was in zip(rows.new.tolist(), found.tolist(), strict=True)])


def _ids(table: LayerTable, blob: StoredBytes, rows: Rows) -> npt.NDArray[np.void]:
    """Return the xxh3_128 of the stored bytes of each file of `rows`: known from reading the layer, or else read now."""
    entries = table.entries
    found = entries.content_id[rows].astype(">u8")
    unknown = np.flatnonzero(~found.any(axis=1))
    bare = BlobContent(blob, compression_of(blob.read(0, 4)), (), {})
    wanted = [(int(row), int(entries.content_offset[row]), _stored_bytes(table, int(row))) for row in rows[unknown].tolist()]
    digests = bare.digests(wanted) if bare.plain else [digest_of(pieces) for _, pieces in bare.many(wanted)]
    found[unknown] = np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2)
    return np.ascontiguousarray(found).view("V16").reshape(-1)


def _stored_bytes(table: LayerTable, row: int) -> int:
    """Return how many bytes the tar has of a file: without its holes, if it is sparse."""
    sparse = table.sparse.get(row)
    return sum(length for _, length in sparse.runs) if sparse else int(table.entries.size[row])
