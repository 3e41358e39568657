"""The one call that both front ends make: open an image's layers, read them, merge them, find the waste."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING

from layerscope.layers.beside import Beside, can_fork
from layerscope.layers.compression import Compression, compression_of
from layerscope.layers.content import LayerContent
from layerscope.layers.memory import release_memory
from layerscope.layers.read import ReadLayer, read_layer
from layerscope.layers.table import Entries, LayerStack, LayerTable, Problem
from layerscope.sources.image import Image, StoredLayer
from layerscope.tree.merge import merge
from layerscope.tree.tree import Tree
from layerscope.waste.duplicates import Duplicates, find_duplicates
from layerscope.waste.find import Waste, find
from layerscope.waste.identity import ContentIdentity

if TYPE_CHECKING:
    from layerscope.waste.dive import DiveFigures

WORTH_A_PROCESS = 64 << 20
"""Stored bytes from which a second process pays: it takes 10 ms to start, and a walk gets through 4 GB/s."""

Progress = Callable[[str, int, int], None]


def unwatched(_stage: str, _done: int, _total: int) -> None:
    """The default for `progress`."""


@dataclass(frozen=True)
class Contents:
    """An image whose layers were read and merged: its tree, and the way back to each file's bytes.

    `layers[k - 1]` is how layer k was stored, or None when its bytes are not there.
    """

    image: Image
    stack: LayerStack
    layers: tuple[LayerContent | None, ...]
    tree: Tree

    def compression(self, number: int) -> Compression | None:
        """How layer `number` is stored; None when its bytes are not there."""
        layer = self.layers[number - 1]
        return layer.compression if layer else None

    @property
    def is_complete(self) -> bool:
        """False when entries are missing: a layer is damaged or not there."""
        return not any(problem.is_fatal for problem in self.tree.problems)


@dataclass(frozen=True)
class Analysis:
    """All that is known of an image. `base_layers` of its layers are its base's (None: unknown), as `base_name` says."""

    contents: Contents
    waste: Waste
    identity: ContentIdentity
    base_layers: int | None = None
    base_name: str = ""

    @property
    def image(self) -> Image:
        """The image itself."""
        return self.contents.image

    @property
    def tree(self) -> Tree:
        """The merged tree."""
        return self.contents.tree

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems so far, those of contents that could not be compared among them."""
        return (*self.tree.problems, *self.identity.problems)

    @cached_property
    def layer_content_bytes(self) -> list[int]:
        """Content bytes of each layer's regular-file entries (index 0 is layer 1)."""
        first = self.contents.stack.first
        return [int(self.tree.entries.size[start:stop].sum()) for start, stop in pairwise(first)]

    @cached_property
    def wire_bytes_wasted(self) -> list[int]:
        """Each layer's wasted bytes as they go over the wire, estimated (≈) by the layer's own ratio of stored to
        unpacked bytes.
        """
        wasted = self.waste.by_layer(self.tree.layers).tolist()
        tables = self.contents.stack.tables
        return [
            round(size * layer.wire_bytes / table.unpacked_bytes) if table.unpacked_bytes else 0
            for size, layer, table in zip(wasted, self.image.layers, tables, strict=True)
        ]

    @property
    def own_and_base_waste(self) -> tuple[int, int | None]:
        """Wasted bytes that the user's layers and the base's buried; all are the user's, and the base's None, where it
        is unknown.
        """
        if self.base_layers is None:
            return self.waste.wasted_bytes, None
        base = int(self.waste.size[self.waste.buried_by <= self.base_layers].sum())
        return self.waste.wasted_bytes - base, base

    @cached_property
    def duplicates(self) -> Duplicates:
        """Identical contents alive at several paths; computed when first asked for."""
        return find_duplicates(self.tree, self.identity)

    @cached_property
    def dive(self) -> DiveFigures:
        """dive's three figures; computed when first asked for."""
        from layerscope.waste.dive import dive_figures

        return dive_figures(self.contents.stack.tables)


def read_image(image: Image, *, progress: Progress = unwatched) -> Contents:
    """Read every layer, compressed ones side by side on the cores there are, and merge them. Damage becomes a problem."""
    stack, layers = _stack_layers(image, _read_layers(image, progress))
    progress("merging layers", 0, 0)
    return Contents(image, stack, layers, merge(stack))


def _stack_layers(image: Image, reads: list[ReadLayer]) -> tuple[LayerStack, tuple[LayerContent | None, ...]]:
    """Empties `reads`, so that the tables' own columns can be let go."""
    layers = (
        LayerContent.of(layer.blob, read) if layer.blob else None for layer, read in zip(image.layers, reads, strict=True)
    )
    contents = tuple(layers)
    count = sum(len(read.table.entries) for read in reads)
    release_memory(count)
    reads.reverse()
    stack = LayerStack.of(reads.pop().table for _ in contents)
    release_memory(count)
    return stack, contents


def analyse(contents: Contents, *, base_layers: int | None = None, base_name: str = "") -> Analysis:
    """Find the waste of an image that was read. `base_layers` of its layers belong to its base, if that is known."""
    identity = ContentIdentity(contents.tree, contents.layers)
    return Analysis(contents, find(contents.tree, identity), identity, base_layers, base_name)


def _read_layers(image: Image, progress: Progress) -> list[ReadLayer]:
    """Layers side by side on the cores there are, the largest first, so that no core is left with a big one at the end."""
    counter = _Counter(progress, sum(layer.wire_bytes for layer in image.layers))
    largest_first = sorted(image.layers, key=lambda layer: -layer.wire_bytes)
    if not all(_is_plain(layer) for layer in image.layers):
        reads = _read_in_threads(largest_first, counter)
    elif len(image.layers) > 1 and counter.total >= WORTH_A_PROCESS and can_fork():
        reads = _read_in_processes(largest_first, counter)
    else:
        reads = _read_all(largest_first, counter)
    return [reads[layer.number] for layer in image.layers]


def _read_all(layers: list[StoredLayer], counter: _Counter) -> dict[int, ReadLayer]:
    return {layer.number: _read(layer, counter) for layer in layers}


def _read_in_threads(layers: list[StoredLayer], counter: _Counter) -> dict[int, ReadLayer]:
    """Decompressors let other threads run, so threads are enough."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = {layer.number: pool.submit(_read, layer, counter) for layer in layers}
        try:
            return {number: future.result() for number, future in futures.items()}
        except BaseException:
            counter.is_cancelled = True
            pool.shutdown(cancel_futures=True)
            raise


def _read_in_processes(layers: list[StoredLayer], counter: _Counter) -> dict[int, ReadLayer]:
    """A walk over headers is Python's own work: half of the bytes go to a second process, and come back as columns."""
    mine, others = _halves(layers)
    beside = Beside(lambda: _read_all(others, _Counter(unwatched, 0)))
    try:
        reads = _read_all(mine, counter)
    except BaseException:
        beside.cancel()
        raise
    found = beside.result()
    return reads | (_read_all(others, counter) if found is None else found)


def _halves(layers: list[StoredLayer]) -> tuple[list[StoredLayer], list[StoredLayer]]:
    """Each layer, largest first, to the side that has fewer bytes; the first side is never empty."""
    sides: tuple[list[StoredLayer], list[StoredLayer]] = ([], [])
    sizes = [0, 0]
    for layer in layers:
        side = int(sizes[1] < sizes[0])
        sides[side].append(layer)
        sizes[side] += layer.wire_bytes
    return sides


def _is_plain(layer: StoredLayer) -> bool:
    return layer.blob is None or compression_of(layer.blob.read(0, 4)) is Compression.NONE


def _read(layer: StoredLayer, counter: _Counter) -> ReadLayer:
    if layer.blob is None:
        text = f"its bytes are not there ({layer.absent})" if layer.absent else "its bytes are not there"
        problem = Problem(layer.number, b"", text, is_fatal=not layer.is_foreign)
        return ReadLayer(LayerTable(Entries.none(), problems=(problem,)), Compression.NONE)
    return read_layer(layer.blob, layer=layer.number, on_bytes=counter.add)


class _Cancelled(BaseException):
    """Ends the readers when the command is stopped."""


class _Counter:
    """Adds up what all readers got through and reports it; `is_cancelled` stops them at their next piece."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self.total = progress, total
        self._done = 0
        self._lock = Lock()
        self.is_cancelled = False

    def add(self, length: int) -> None:
        if self.is_cancelled:
            raise _Cancelled
        with self._lock:
            self._done += length
            self._progress("reading layers", self._done, self.total)
