"""The one call that both front ends make: open an image's layers, read them, merge them, find the waste."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from layerscope.layers.compression import Compression
from layerscope.layers.content import LayerContent
from layerscope.layers.read import ReadLayer, read_layer
from layerscope.layers.table import LayerTable, Problem
from layerscope.layers.walk import NO_ENTRIES
from layerscope.sources.image import Image, StoredLayer
from layerscope.tree.merge import merge
from layerscope.tree.tree import Tree
from layerscope.waste.dive import DiveFigures, dive_figures
from layerscope.waste.duplicates import Duplicates, find_duplicates
from layerscope.waste.find import Waste, find
from layerscope.waste.identity import ContentIdentity

Progress = Callable[[str, int, int], None]


def unwatched(_stage: str, _done: int, _total: int) -> None:
    """The default for `progress`."""


@dataclass(frozen=True)
class Contents:
    """An image whose layers were read and merged: its tree, and the way back to each file's bytes.

    `layers[k - 1]` is how layer k was stored, or None when its bytes are not there.
    """

    image: Image
    tables: tuple[LayerTable, ...]
    layers: tuple[LayerContent | None, ...]
    tree: Tree

    @cached_property
    def first_entries(self) -> list[int]:
        """The number of each layer's first entry in `tree.entries`, and the count of all at the end."""
        firsts = [0]
        for table in self.tables:
            firsts.append(firsts[-1] + len(table.entries))
        return firsts

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
    def duplicates(self) -> Duplicates:
        """Identical contents alive at several paths; computed when first asked for."""
        return find_duplicates(self.tree, self.identity)

    @cached_property
    def dive(self) -> DiveFigures:
        """dive's three figures; computed when first asked for."""
        return dive_figures(self.contents.tables)


def read_image(image: Image, *, progress: Progress = unwatched) -> Contents:
    """Read every layer, compressed ones side by side on the cores there are, and merge them. Damage becomes a problem."""
    reads = _read_layers(image, progress)
    tables = tuple(read.table for read in reads)
    layers = tuple(
        LayerContent.of(layer.blob, read) if layer.blob is not None else None for layer, read in zip(image.layers, reads, strict=True)
    )
    progress("merging layers", 0, 0)
    return Contents(image, tables, layers, merge(tables))


def analyse(contents: Contents, *, base_layers: int | None = None, base_name: str = "") -> Analysis:
    """Find the waste of an image that was read. `base_layers` of its layers belong to its base, if that is known."""
    identity = ContentIdentity(contents.tree, contents.layers)
    return Analysis(contents, find(contents.tree, identity), identity, base_layers, base_name)


def _read_layers(image: Image, progress: Progress) -> list[ReadLayer]:
    """The largest first, so that no core is left with a big one at the end."""
    counter = _Counter(progress, sum(layer.wire_bytes for layer in image.layers))
    largest_first = sorted(image.layers, key=lambda layer: -layer.wire_bytes)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = {layer.number: pool.submit(_read, layer, counter) for layer in largest_first}
        try:
            return [futures[layer.number].result() for layer in image.layers]
        except BaseException:
            counter.is_cancelled = True
            pool.shutdown(cancel_futures=True)
            raise


def _read(layer: StoredLayer, counter: _Counter) -> ReadLayer:
    if layer.blob is None:
        text = f"its bytes are not there ({layer.absent})" if layer.absent else "its bytes are not there"
        problem = Problem(layer.number, b"", text, is_fatal=not layer.is_foreign)
        return ReadLayer(LayerTable(NO_ENTRIES, problems=(problem,)), Compression.NONE)
    return read_layer(layer.blob, layer=layer.number, on_bytes=counter.add)


class _Cancelled(BaseException):
    """Ends the readers when the command is stopped."""


class _Counter:
    """Adds up what all readers got through and reports it; `is_cancelled` stops them at their next piece."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._done = 0
        self._lock = Lock()
        self.is_cancelled = False

    def add(self, length: int) -> None:
        if self.is_cancelled:
            raise _Cancelled
        with self._lock:
            self._done += length
            self._progress("reading layers", self._done, self._total)


