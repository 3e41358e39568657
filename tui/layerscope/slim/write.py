"""Writes the smaller image, proves that it holds the same files, and only then gives it its name."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from layerscope.errors import CannotSlim, CorruptLayer, OverBudget
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression, compression_of, unpack
from layerscope.layers.packing import library_of, pack
from layerscope.oci.digest import Digest
from layerscope.progress import Progress
from layerscope.reading import ByteCount
from layerscope.slim.least import over_budget_text
from layerscope.slim.members import members_of
from layerscope.slim.merged_tar import TarSource, layers_needed, merged_tar
from layerscope.slim.new_documents import NewLayer, config_of, index_of, manifest_of, saved_manifest_of, what_was_done
from layerscope.slim.output import SHA256, Format, Output, unfinished
from layerscope.slim.plan import Plan, plan_slim, spared, within_budget
from layerscope.slim.proof import Original, Proof, prove
from layerscope.slim.rewrite import rewritten
from layerscope.sources.image import StoredLayer
from layerscope.units import size_text
from layerscope.waiting import result_of

PIECE = 1 << 20
ALGORITHMS = (SHA256, "sha384", "sha512")
"""Of digests that are written; others become SHA256."""
AT_ONCE = 2
"""Layers compressed side by side."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How the image is written: its form, its name in it, and how rewritten layers are compressed.

    `name` None: the original's. `compression` None: each as it was, or gzip where that cannot be written (xz, bzip2); `level`
    None: the usual one. With `packs_all`, plain layers are compressed where a registry would have them so, also those
    that stay. `may_grow` says that merging may make the image larger.
    """

    form: Format = Format.DOCKER_ARCHIVE
    name: str | None = None
    compression: Compression | None = None
    level: int | None = None
    packs_all: bool = False
    may_grow: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Slimmed:
    """The image that was written: as planned in `plan`, its layers, its id, and the proof that it holds the same files."""

    plan: Plan
    layers: tuple[NewLayer, ...]
    image_id: Digest
    manifest_digest: Digest
    proof: Proof

    @property
    def stored_bytes(self) -> int:
        """Return the stored bytes of all layers."""
        return sum(layer.blob.size for layer in self.layers)


class NothingSaved(Exception):
    """No layer gets smaller; `plan` leaves all of them as they are."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("no layer gets smaller")
        self.plan = plan


def write_slim(plan: Plan, place: Path, options: WriteOptions, *, progress: Progress) -> Slimmed:
    """Write the image of `plan` to `place`. After any error, nothing of it stays, and what was at `place` is as it was.

    A layer that would get no smaller stays as it is, unless the user asked for a compression, or for paths to be dropped.

    Raises NothingSaved if that leaves none, CannotWrite, CannotSlim where the proof fails or merging makes the image larger,
    OverBudget, CorruptLayer for damage.
    """
    image = plan.analysis.image
    name = image.name if options.name is None else options.name
    with unfinished(place, options.form) as (output, where), _Work(plan, options, where.parent, progress) as work:
        work.settle()
        if plan.rewritten and not work.plan.rewritten:
            raise NothingSaved(work.plan)
        layers = [work.write(numbers, output) for numbers in work.plan.made_of]
        config = output.blob(iter([config_of(image, layers)]))
        libraries = sorted({library_of(layer.compression) for layer in layers if layer.is_rewritten} - {""})
        done = what_was_done(work.plan, libraries)
        raw_manifest = manifest_of(image, layers, config, done=done)
        manifest = output.blob(iter([raw_manifest]))
        output.document("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        output.document("index.json", index_of(image, manifest, raw_manifest, name))
        if options.form is Format.DOCKER_ARCHIVE:
            output.document("manifest.json", saved_manifest_of(layers, config, name))
        output.finish()
        _check_budget(plan, work.plan, sum(layer.blob.size for layer in layers))
        proof = prove(work.plan, layers, work.originals, where, progress=progress)
        work.check()
    return Slimmed(work.plan, tuple(layers), config.digest, manifest.digest, proof)


def _check_budget(asked: Plan, done: Plan, size: int) -> None:
    """Raise OverBudget for an image of `size` stored bytes that is to have fewer."""
    budget = asked.options.budget
    if budget is not None and size > budget:
        raise OverBudget(over_budget_text(done, budget, size_text(size)))


class _Work:
    """Rewrites layers side by side, before any is written. `originals` are those of rewritten layers, `plan` what is done."""

    def __init__(self, plan: Plan, options: WriteOptions, scratch: Path, progress: Progress) -> None:
        self.originals: dict[int, Original] = {}
        self.plan = plan
        self._options, self._scratch = options, scratch
        stored = sum(layer.reader.stored_bytes for layer in plan.analysis.image.layers)
        tables = plan.analysis.contents.stack.tables
        packed = sum(tables[layer.number - 1].unpacked_bytes - layer.tar_bytes for layer in plan.rewritten)
        self._watch = ByteCount(progress, "writing", stored + packed)
        self._pool = ThreadPoolExecutor(max_workers=AT_ONCE)
        self._ahead: dict[int, Future[_Packed]] = {}
        self._blobs: dict[int, Blob] = {}
        self._sizes: dict[int, int] = {}

    def __enter__(self) -> _Work:
        self._start()
        return self

    def check(self) -> None:
        """Raise what the progress raises if the image is no longer wanted."""
        self._watch.add(0)

    def settle(self) -> None:
        """Wait until all is rewritten, and leave alone the layers that got no smaller; others may then need more to stay.

        With a budget, more are rewritten where the estimates were too good. Raises CannotSlim where merging makes the image
        larger, and OverBudget.
        """
        self._leave_larger()
        self._keep_to_budget()
        grown = self._total() - sum(map(self._stored_bytes, self.plan.analysis.image.layers))
        if self.plan.arrangement.merged and grown > 0 and not self._options.may_grow and self._options.compression is None:
            raise CannotSlim(f"merged, the image would be larger, by {size_text(grown)}; --always writes it all the same")

    def _keep_to_budget(self) -> None:
        options = self.plan.options
        if options.budget is None:
            return
        most = None
        for _ in self.plan.layers:
            if self._total() <= options.budget:
                return
            most = most or plan_slim(self.plan.analysis, replace(options, budget=None))
            before = {layer.number for layer in self.plan.rewritten}
            sizes = self._sizes | {number: result_of(packed).size for number, packed in self._ahead.items()}
            self._turn_to(within_budget(most, options.budget, sizes))
            self._leave_larger()
            if {layer.number for layer in self.plan.rewritten} == before:
                break

    def _total(self) -> int:
        """Return the stored bytes of all layers as they are to be written."""
        stored = {layer.number: self._stored_bytes(layer) for layer in self.plan.analysis.image.layers}
        stored |= {number: result_of(packed).size for number, packed in self._ahead.items()}
        return sum(stored[numbers[-1]] for numbers in self.plan.made_of)

    def _leave_larger(self) -> None:
        while larger := [number for number, packed in self._ahead.items() if not self._is_worth(number, result_of(packed))]:
            self._turn_to(spared(self.plan, larger))

    def _turn_to(self, plan: Plan) -> None:
        """Rewrite what is other in this plan."""
        self._sizes |= {number: result_of(packed).size for number, packed in self._ahead.items()}
        before, self.plan = self.plan, plan
        for number in list(self._ahead):
            if not _is_alike(before, plan, number):
                result_of(self._ahead.pop(number)).file.close()
        self._start()

    def _is_worth(self, number: int, packed: _Packed) -> bool:
        stored = self._stored_bytes(self.plan.analysis.image.layers[number - 1])
        is_asked = self._options.compression is not None or bool(self.plan.asked.any())
        return packed.size < stored or is_asked or self.plan.merged(number) is not None

    def _stored_bytes(self, layer: StoredLayer) -> int:
        """Return how large a layer is; of one that an engine keeps unpacked, its reader knows the files' size alone."""
        original = self.originals.get(layer.number)
        return original.blob.size if original else self.plan.analysis.layer_sizes[layer.number - 1].stored_bytes

    def _start(self) -> None:
        for numbers in self.plan.made_of:
            if self.plan.layers[numbers[-1] - 1].is_rewritten and numbers[-1] not in self._ahead:
                self._ahead[numbers[-1]] = self._pool.submit(self._pack, numbers)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._watch.stop()
            self.plan.analysis.image.stop_reading()
        self._pool.shutdown(cancel_futures=True)
        for future in self._ahead.values():
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().file.close()

    def write(self, numbers: tuple[int, ...], output: Output) -> NewLayer:
        """Write one layer of the new image, which is made of the layers `numbers`: rewritten, or as it is."""
        if packed_ahead := self._ahead.get(numbers[-1]):
            packed = result_of(packed_ahead)
            with packed.file as file:
                file.seek(0)
                written = output.blob(_pieces_of(file))
            return NewLayer(numbers, written, packed.diff_id, packed.compression, is_rewritten=True)
        layer = self.plan.analysis.image.layers[numbers[-1] - 1]
        blob = _all_of(layer, self._watch.add)
        own = compression_of(blob.read(0, 4))
        compression = self._compression(layer, own)
        if self._is_loose(layer, own) and compression is not Compression.NONE:
            pieces = (blob.read(at, min(PIECE, blob.size - at)) for at in range(0, blob.size, PIECE))
            tar = _seen(pieces, lambda _: self.check())
            written = output.blob(pack(tar, compression, self._options.level))
            diff_id = layer.diff_id or _diff_id(blob)
            return NewLayer(numbers, written, diff_id, compression, is_rewritten=False, is_packed=True)
        algorithm = layer.digest.algorithm if layer.digest and layer.digest.algorithm in ALGORITHMS else SHA256
        written = output.blob((blob.read(at, min(PIECE, blob.size - at)) for at in range(0, blob.size, PIECE)), algorithm)
        if layer.digest and layer.digest.algorithm == algorithm and written.digest != layer.digest:
            raise CannotSlim(f"layer {layer.number}: its bytes are not those of its digest {layer.digest.short}")
        return NewLayer(numbers, written, layer.diff_id or _diff_id(blob), own, is_rewritten=False)

    def _is_loose(self, layer: StoredLayer, own: Compression) -> bool:
        """Tell whether a layer is plain only because of where it is kept, and should not be so where it goes."""
        return self._options.packs_all and own is Compression.NONE and not layer.reader.is_as_pulled

    def _compression(self, layer: StoredLayer, own: Compression) -> Compression:
        """Return how a layer of compression `own` is to be compressed."""
        keeps = own in (Compression.NONE, Compression.ZSTD) and not self._is_loose(layer, own)
        return self._options.compression or (own if keeps else Compression.GZIP)

    def _pack(self, numbers: tuple[int, ...]) -> _Packed:
        first = self.plan.analysis.contents.stack.first
        merged = self.plan.merged(numbers[-1])
        needed = layers_needed(merged, first) if merged else list(numbers)
        sources = {number: self._source(number) for number in needed}
        if merged:
            tar = merged_tar(merged, sources, first, self._scratch)
        else:
            (source,) = sources.values()
            tar = rewritten(source.blob, source.members, self.plan.fates_of(numbers[-1]))
        compression = self._usual_compression(numbers)
        diff_id = hashlib.sha256()
        file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - it is closed where it was copied
        try:
            seen = self._watch.counted(_seen(tar, diff_id.update))
            size = sum(map(file.write, pack(seen, compression, self._options.level)))
        except BaseException:
            file.close()
            raise
        return _Packed(file, size, Digest(f"sha256:{diff_id.hexdigest()}"), compression)

    def _source(self, number: int) -> TarSource:
        """Read where the members of a layer are."""
        blob = self._blob(number)
        members = members_of(blob, layer=number, on_bytes=lambda _: self.check())
        expected, found = len(self.plan.fates_of(number)), len(members.table.entries)
        if found != expected:
            raise CannotSlim(f"layer {number}: it was read otherwise before: {expected} entries, not {found}")
        self.originals[number] = Original(blob, members.table)
        return TarSource(blob, members)

    def _blob(self, number: int) -> Blob:
        """Return the stored bytes of a layer that others are made of, fetched once."""
        if number not in self._blobs:
            self._blobs[number] = _all_of(self.plan.analysis.image.layers[number - 1], self._watch.add)
        return self._blobs[number]

    def _usual_compression(self, numbers: tuple[int, ...]) -> Compression:
        """Return how most of these layers are to be compressed: the last of them, if it is as many."""
        usual = Counter[Compression]()
        for number in reversed(numbers):
            own = compression_of(self._blob(number).read(0, 4))
            usual[self._compression(self.plan.analysis.image.layers[number - 1], own)] += 1
        return usual.most_common(1)[0][0]


def _is_alike(before: Plan, after: Plan, number: int) -> bool:
    """Tell whether two plans make the same of a layer, or of the run that ends with it."""
    merged = before.merged(number)
    if merged:
        return merged.is_like(after.merged(number))
    return np.array_equal(before.fates_of(number), after.fates_of(number)) and number not in after.arrangement.gone


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    file: BinaryIO
    size: int
    diff_id: Digest
    compression: Compression


def _all_of(layer: StoredLayer, on_bytes: OnBytes) -> Blob:
    try:
        blob = layer.reader.blob_of_all(on_bytes)
    except CorruptLayer as error:
        raise CorruptLayer(f"layer {layer.number}: {error}") from error
    if blob is None:
        raise CannotSlim(f"layer {layer.number}: {layer.reader.missing_bytes or 'not all of its bytes are there'}")
    if layer.reader.missing_bytes and _diff_id(blob) != layer.diff_id:
        raise CannotSlim(f"layer {layer.number}: what the engine keeps of it in its storage is not what its digest says")
    return blob


def _diff_id(blob: Blob) -> Digest:
    hashed = hashlib.sha256()
    for piece in unpack(blob):
        hashed.update(piece)
    return Digest(f"sha256:{hashed.hexdigest()}")


def _seen(pieces: Iterator[bytes], on_piece: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        on_piece(piece)
        yield piece


def _pieces_of(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
