"""Reads all layers of an image in parallel on the available cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from layerscope.cache.cache import Cache
from layerscope.cache.cached_reader import with_cache
from layerscope.doubt import hash_algorithms, layer_problems
from layerscope.errors import Cancelled, CorruptLayer
from layerscope.forked import ForkedCall, can_fork
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import LayerReader, ReadOptions
from layerscope.limits import LAYERS
from layerscope.progress import Progress, ignore
from layerscope.sources.image import Image, StoredLayer
from layerscope.text import escape
from layerscope.units import size_text
from layerscope.waiting import result_of

WORTH_A_PROCESS = 512 << 20
"""The least work, in bytes of uncompressed layers, that is divided among processes: starting one and fetching its columns
takes 20 ms.
"""

Reads = dict[int, ReadLayer]
"""Layers that were read, by number."""
OnLayer = Callable[[int, ReadLayer], None]
"""Called with each layer that was read: its number and content."""


def read_layers(
    image: Image,
    *,
    progress: Progress = ignore,
    keep_seek_points: bool = False,
    on_layer: OnLayer = ignore,
    cache: Cache | None = None,
    verify: bool = False,
) -> list[ReadLayer]:
    """Read all layers of an image, in parallel, and return them, base first. Damage becomes a fatal problem of its layer.

    Raises CorruptLayer for too many layers.

    The work is divided among processes, because walking over headers holds Python's lock. Seek points cannot be passed between
    processes: if they are wanted, or if this process cannot be forked, decompressors run in threads. `on_layer` is called in
    the thread that read the layer, so by several at once; not if processes read. Layers in `cache` are not read, and have no
    seek points. With `verify`, every stored byte is hashed, and a wrong digest is a problem; layers in the cache were hashed
    when they were stored.
    """
    if len(image.layers) > LAYERS:
        raise CorruptLayer(f"{escape(image.reference)} lists {len(image.layers)} layers; more than {LAYERS} are absurd")
    how = _How(cache, keep_seek_points=keep_seek_points, verify=verify)
    known, spared = _find_known(image.layers, progress, how, on_layer)
    layers = sorted((layer for layer in image.layers if layer.number not in known), key=lambda layer: -layer.reader.work)
    is_plain, work = all(layer.reader.is_plain for layer in layers), sum(layer.reader.work for layer in layers)
    if len(layers) > 1 and work >= WORTH_A_PROCESS and (is_plain or not keep_seek_points) and can_fork():
        reads = _read_in_processes(layers, progress, how)
    elif not is_plain or (verify and len(layers) > 1):
        reads = _read_in_threads(layers, _Counter(progress, layers, spared=spared), how, on_layer, image.stop_reading)
    else:
        reads = _read_all(layers, _Counter(progress, layers), how, on_layer)
    reads |= known
    return [reads[layer.number] for layer in image.layers]


@dataclass(frozen=True, slots=True)
class _How:
    """The options for reading each layer."""

    cache: Cache | None
    keep_seek_points: bool
    verify: bool

    def reader(self, layer: StoredLayer) -> LayerReader:
        """Return the layer's reader, behind the cache if there is one."""
        return layer.reader if self.cache is None else with_cache(layer.reader, self.cache, layer.digest or layer.diff_id)

    def options(self, layer: StoredLayer) -> ReadOptions:
        return ReadOptions(self.keep_seek_points, hash_algorithms(layer) if self.verify else None)


def _find_known(layers: tuple[StoredLayer, ...], progress: Progress, how: _How, on_layer: OnLayer) -> tuple[Reads, int]:
    """Return, by number, the layers that need no reading: those in the cache, and those whose bytes cannot be read; and how
    many bytes need not be fetched from a registry because of that.

    Verifying a cached layer takes a hundredth of the time that reading it does.
    """
    counter, known = _Counter(progress, list(layers)), {}
    for layer in layers:
        number = layer.number
        found = how.reader(layer).known(how.options(layer), layer=number, on_bytes=counter.of(number))
        if found is not None:
            known[number] = _checked(layer, found)
            counter.finish(layer, found)
            on_layer(number, known[number])
    return known, counter.spared


def _read_all(layers: list[StoredLayer], counter: _Counter, how: _How, on_layer: OnLayer = ignore) -> Reads:
    reads = {}
    for layer in layers:
        reads[layer.number] = _read(layer, counter, how)
        on_layer(layer.number, reads[layer.number])
    return reads


def _read_in_threads(
    layers: list[StoredLayer], counter: _Counter, how: _How, on_layer: OnLayer, stop: Callable[[], None]
) -> Reads:
    """Read layers in threads, in the given order: with the most work first, so that no big layer is left at the end."""
    from concurrent.futures import ThreadPoolExecutor

    def read(layer: StoredLayer) -> ReadLayer:
        found = _read(layer, counter, how)
        on_layer(layer.number, found)
        return found

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = {layer.number: pool.submit(read, layer) for layer in layers}
        try:
            return {number: result_of(future) for number, future in futures.items()}
        except BaseException:
            counter.is_cancelled = True
            stop()
            pool.shutdown(cancel_futures=True)
            raise


def _read_in_processes(layers: list[StoredLayer], progress: Progress, how: _How) -> Reads:
    """Read one share of the layers in this process and each other share in a fork; if a fork dies, read its share here."""
    mine, *others = _shares(layers, os.cpu_count() or 1)
    beside = [ForkedCall(partial(_read_all, share, _Counter(ignore, share), how)) for share in others]
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
    """Divide `layers`, most work first, into at most `count` shares: each goes to the share with the least work so far."""
    shares: list[list[StoredLayer]] = [[] for _ in range(min(count, len(layers)))]
    work = [0] * len(shares)
    for layer in layers:
        least = work.index(min(work))
        shares[least].append(layer)
        work[least] += layer.reader.work
    return shares


def _read(layer: StoredLayer, counter: _Counter, how: _How) -> ReadLayer:
    number = layer.number
    read = how.reader(layer).read(how.options(layer), layer=number, on_bytes=counter.of(number))
    counter.finish(layer, read)
    return _checked(layer, read)


def _checked(layer: StoredLayer, read: ReadLayer) -> ReadLayer:
    """Return the same layer with a problem for each wrong digest, if its bytes were hashed."""
    found = layer_problems(layer, read.hashes) if read.hashes else []
    return replace(read, table=replace(read.table, problems=(*read.table.problems, *found))) if found else read


class ByteCount:
    """Adds up the bytes that threads pass, as progress of one `stage`, and stops these threads at their next piece."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self._progress, self._stage, self._total, self._done = progress, stage, total, 0
        self._is_stopped = False
        self._lock = Lock()

    def stop(self) -> None:
        """Have every thread raise Cancelled at its next piece."""
        self._is_stopped = True

    def add(self, length: int) -> None:
        """Count some bytes. Raises Cancelled once it is stopped."""
        if self._is_stopped:
            raise Cancelled
        with self._lock:
            self._done += length
            self._progress(self._stage, min(self._done, self._total), self._total)

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `pieces`, and count their bytes. Raises Cancelled once it is stopped, and what the progress raises."""
        for piece in pieces:
            self.add(len(piece))
            yield piece


class _Counter:
    """Adds up the stored bytes of `layers` that all readers have passed; `is_cancelled` stops them at their next piece.

    `out_of` is all layers that are read, if other processes read some of them: progress is shown as if they kept pace.
    `spared` counts bytes in registries that need not be fetched; they are not among those that are to be passed.
    """

    def __init__(
        self, progress: Progress, layers: list[StoredLayer], *, out_of: list[StoredLayer] | None = None, spared: int = 0
    ) -> None:
        self._progress, self._share = progress, sum(layer.reader.stored_bytes for layer in layers)
        self._total = sum(layer.reader.stored_bytes for layer in out_of or layers)
        self._count = len(out_of or layers)
        self._done = 0
        self._passed = dict.fromkeys((layer.number for layer in layers), 0)
        self._lock = Lock()
        self.spared = spared
        self.is_cancelled = False

    def of(self, number: int) -> Callable[[int], None]:
        """Return a callback that counts the bytes of one layer."""

        def add(length: int) -> None:
            if self.is_cancelled:
                raise Cancelled
            with self._lock:
                self._done += length
                self._passed[number] += length
                self._show(number)

        return add

    def finish(self, layer: StoredLayer, read: ReadLayer) -> None:
        """Note what was spared of a registry's layer, which was read by parts or was known."""
        if read.fetched is None:
            return
        with self._lock:
            spared = layer.reader.stored_bytes - read.fetched.bytes
            self.spared += spared
            self._total -= spared
            self._share -= spared
            self._done += read.fetched.bytes - self._passed[layer.number]
            self._show(layer.number)

    def _show(self, number: int) -> None:
        spared = f", {size_text(self.spared)} spared" if self.spared > 0 else ""
        stage = f"reading layer {number} of {self._count}{spared}"
        self._progress(stage, self._done * self._total // max(self._share, 1), self._total)
