"""Reading all layers of an image, side by side on the cores there are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from layerscope.cache.cache import Cache
from layerscope.cache.cached_reader import CachedReader
from layerscope.cache.stored import find_stored, keep_stored
from layerscope.doubt import hash_algorithms, layer_problems
from layerscope.errors import Cancelled, CorruptLayer
from layerscope.forked import ForkedCall, can_fork
from layerscope.layers.compression.streams import Compression, compression_of, unpacked_guess
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.table import Entries, LayerTable, Problem, Severity
from layerscope.limits import LAYERS
from layerscope.progress import Progress, unwatched
from layerscope.sources.image import Image, StoredLayer
from layerscope.text import escape

SLOWER = 5
"""How much longer a byte takes to be inflated, in and out, than to be hopped over (measured: 0.9 GB/s and 4 GB/s)."""
WORTH_A_PROCESS = 512 << 20
"""Work, in bytes of plain layers, from which another process pays: starting it and fetching its columns takes 20 ms."""

Reads = dict[int, ReadLayer]
"""Layers that were read, by number."""
OnLayer = Callable[[int, ReadLayer], None]
"""Called with each layer that was read: its number and content."""


def untold(_number: int, _read: ReadLayer) -> None:
    """The default for `on_layer`: nobody looks at layers before all are read."""


def read_layers(
    image: Image,
    *,
    progress: Progress = unwatched,
    keep_seek_points: bool = False,
    on_layer: OnLayer = untold,
    cache: Cache | None = None,
    verify: bool = False,
) -> list[ReadLayer]:
    """The tables of all layers, base first. Damage and absent layers become fatal problems. Raises CorruptLayer for too many.

    The work is shared out to processes, for a walk over headers holds Python's lock. Seek points do not pass from one
    process to another: where they are wanted, and where this process cannot be copied, decompressors run in threads.
    `on_layer` is called in the thread that read the layer, so by several at once; in processes it is not. What `cache` knows
    is not read, and has no seek points. With `verify`, every byte that is stored is hashed, and a digest that it should have
    and does not is a problem; what the cache knows was hashed when it was kept.
    """
    if len(image.layers) > LAYERS:
        raise CorruptLayer(f"{escape(image.reference)} lists {len(image.layers)} layers; more than {LAYERS} are absurd")
    how = _How(cache, keep_seek_points=keep_seek_points, verify=verify)
    known = _find_known(image.layers, progress, how, on_layer)
    layers = sorted((layer for layer in image.layers if layer.number not in known), key=lambda layer: -_work(layer))
    is_plain = all(_is_plain(layer) for layer in layers)
    if len(layers) > 1 and sum(map(_work, layers)) >= WORTH_A_PROCESS and (is_plain or not keep_seek_points) and can_fork():
        reads = _read_in_processes(layers, progress, how)
    elif not is_plain or (verify and len(layers) > 1):
        reads = _read_in_threads(layers, progress, how, on_layer)
    else:
        reads = _read_all(layers, _Counter(progress, layers), how, on_layer)
    reads |= known
    return [reads[layer.number] for layer in image.layers]


@dataclass(frozen=True, slots=True)
class _How:
    """What was asked of the reading of each layer."""

    cache: Cache | None
    keep_seek_points: bool
    verify: bool


def _find_known(layers: tuple[StoredLayer, ...], progress: Progress, how: _How, on_layer: OnLayer) -> Reads:
    """The layers that the cache knows: proving one in a file takes a hundredth of the time that reading it does."""
    counter, known = _Counter(progress, list(layers)), {}
    for layer in layers if how.cache else ():
        found = _known(layer, how, counter)
        if found is not None:
            known[layer.number] = found
            on_layer(layer.number, found)
    return known


def _known(layer: StoredLayer, how: _How, counter: _Counter) -> ReadLayer | None:
    number, on_bytes = layer.number, counter.of(layer.number)
    if isinstance(layer.reader, CachedReader) and layer.reader.is_known:
        return layer.reader.read(layer=number, on_bytes=on_bytes)
    if layer.blob is None or layer.reader is not None or how.cache is None:
        return None
    stated, hash_with = layer.digest or layer.diff_id, hash_algorithms(layer) if how.verify else None
    found = find_stored(how.cache, layer.blob, stated, layer=number, on_bytes=on_bytes, hash_with=hash_with)
    return None if found is None else _checked(layer, found)


def _read_all(layers: list[StoredLayer], counter: _Counter, how: _How, on_layer: OnLayer = untold) -> Reads:
    reads = {}
    for layer in layers:
        reads[layer.number] = _read(layer, counter, how)
        on_layer(layer.number, reads[layer.number])
    return reads


def _read_in_threads(layers: list[StoredLayer], progress: Progress, how: _How, on_layer: OnLayer) -> Reads:
    """The largest layers start first, so that no core is left with a big one at the end."""
    from concurrent.futures import ThreadPoolExecutor

    counter = _Counter(progress, layers)

    def read(layer: StoredLayer) -> ReadLayer:
        found = _read(layer, counter, how)
        on_layer(layer.number, found)
        return found

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = {layer.number: pool.submit(read, layer) for layer in layers}
        try:
            return {number: future.result() for number, future in futures.items()}
        except BaseException:
            counter.is_cancelled = True
            pool.shutdown(cancel_futures=True)
            raise


def _read_in_processes(layers: list[StoredLayer], progress: Progress, how: _How) -> Reads:
    """This process takes one share and copies of it the others; what a copy that died had to read is read here."""
    mine, *others = _shares(layers, os.cpu_count() or 1)
    beside = [ForkedCall(partial(_read_all, share, _Counter(unwatched, share), how)) for share in others]
    try:
        reads = _read_all(mine, _Counter(progress, mine, out_of=layers), how)
        for share, copy in zip(others, beside, strict=True):
            found = copy.result()
            reads |= _read_all(share, _Counter(progress, share), how) if found is None else found
    except BaseException:
        for copy in beside:
            copy.cancel()
        raise
    return reads


def _shares(layers: list[StoredLayer], count: int) -> list[list[StoredLayer]]:
    """Each layer, those with most work first, to the share that has least so far."""
    shares: list[list[StoredLayer]] = [[] for _ in range(min(count, len(layers)))]
    work = [0] * len(shares)
    for layer in layers:
        least = work.index(min(work))
        shares[least].append(layer)
        work[least] += _work(layer)
    return shares


def _work(layer: StoredLayer) -> int:
    """How long a layer takes, in bytes of plain layers."""
    if layer.blob is None or layer.reader is not None or _is_plain(layer):
        return layer.wire_bytes
    return SLOWER * (layer.wire_bytes + unpacked_guess(layer.blob))


def _is_plain(layer: StoredLayer) -> bool:
    return layer.blob is None or layer.reader is not None or compression_of(layer.blob.read(0, 4)) is Compression.NONE


def _read(layer: StoredLayer, counter: _Counter, how: _How) -> ReadLayer:
    number, on_bytes = layer.number, counter.of(layer.number)
    if layer.reader is not None:
        return _checked(layer, layer.reader.read(layer=number, on_bytes=on_bytes))
    if layer.blob is None:
        why = f" ({layer.absent})" if layer.absent else ""
        text = f"its files cannot be read{why}" if layer.sealed else f"its bytes are not there{why}"
        problem = Problem(number, b"", text, Severity.REFUSED if layer.is_foreign else Severity.DAMAGE)
        return ReadLayer(LayerTable(Entries.none(), problems=(problem,)), Compression.NONE)
    stated = layer.digest or layer.diff_id
    reader = partial(read_layer, layer.blob, layer=number, keep_seek_points=how.keep_seek_points)
    if how.verify:
        reader = partial(reader, hash_with=hash_algorithms(layer))
    read = keep_stored(how.cache, layer.blob, stated, reader, on_bytes) if how.cache else reader(on_bytes=on_bytes)
    return _checked(layer, read)


def _checked(layer: StoredLayer, read: ReadLayer) -> ReadLayer:
    """The same layer, with a problem where bytes of it are missing or are not what they should be."""
    found = layer_problems(layer, read.hashes) if read.hashes else []
    if layer.is_cut and layer.blob is not None:
        found.append(Problem(layer.number, b"", f"only {layer.blob.size} of its bytes are there", Severity.DAMAGE))
    return replace(read, table=replace(read.table, problems=(*read.table.problems, *found))) if found else read


class _Counter:
    """Adds up the stored bytes of `layers` that all readers got through; `is_cancelled` stops them at their next piece.

    `out_of` are all layers when others are read elsewhere: progress is shown as if those kept pace.
    """

    def __init__(self, progress: Progress, layers: list[StoredLayer], *, out_of: list[StoredLayer] | None = None) -> None:
        self._progress, self._share = progress, sum(layer.wire_bytes for layer in layers)
        self._total = sum(layer.wire_bytes for layer in out_of or layers)
        self._count = len(out_of or layers)
        self._done = 0
        self._lock = Lock()
        self.is_cancelled = False

    def of(self, number: int) -> Callable[[int], None]:
        """Counts the bytes of one layer."""
        stage = f"reading layer {number} of {self._count}"

        def add(length: int) -> None:
            if self.is_cancelled:
                raise Cancelled
            with self._lock:
                self._done += length
                self._progress(stage, self._done * self._total // max(self._share, 1), self._total)

        return add
