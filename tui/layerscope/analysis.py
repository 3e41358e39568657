"""Reads and merges the layers of an opened image and finds its wasted bytes: the steps that the screen and reports share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from layerscope.cache.cache import Cache
from layerscope.doubt import document_problems
from layerscope.layers.compression import Compression
from layerscope.layers.content import LayerContent
from layerscope.layers.fetched import Fetched
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.table import Entries, LayerStack, LayerTable, Problem, release_memory
from layerscope.progress import Progress, ignore
from layerscope.reading import OnLayer, read_layers
from layerscope.sources.image import Image, PullSize
from layerscope.tree.merge import merge
from layerscope.tree.tree import Tree
from layerscope.waste.find import Waste, find
from layerscope.waste.identity import ContentIdentity

if TYPE_CHECKING:
    from layerscope.dive.scores import DiveFigures
    from layerscope.waste.identity import Duplicates


@dataclass(frozen=True, eq=False)
class Contents:
    """An image whose layers were read and merged: its tree, and access to each file's bytes.

    `layers[k - 1]` is layer k as it was read, or None when its bytes are missing, and `sizes[k - 1]` how many bytes it takes as
    stored and in a pull, which may be unknown before it was read. `fetched[k - 1]` says how it was fetched from a registry.
    `unverified` are the numbers of the layers whose stated digest was not checked.
    """

    image: Image
    stack: LayerStack
    layers: tuple[LayerContent | None, ...]
    tree: Tree
    sizes: tuple[PullSize, ...]
    unverified: tuple[int, ...] = ()
    fetched: tuple[Fetched | None, ...] = ()

    def fetched_by(self, number: int) -> Fetched | None:
        """Return how layer `number` was fetched from a registry; None where it is on this machine, or was not read."""
        return self.fetched[number - 1] if self.fetched else None

    def compression(self, number: int) -> Compression | None:
        """Return how layer `number` is stored; None when its bytes are missing."""
        layer = self.layers[number - 1]
        return layer.compression if layer else None

    @cached_property
    def layer_content_bytes(self) -> list[int]:
        """Return the content bytes of each layer's regular-file entries (index 0 is layer 1)."""
        return [int(self.tree.entries.size[start:stop].sum()) for start, stop in pairwise(self.stack.first)]

    @property
    def is_complete(self) -> bool:
        """Tell whether all layers could be read; False when one is damaged or absent, so that entries may be missing."""
        return not any(problem.is_fatal for problem in self.problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return all problems: first those of the image's JSON documents, then those of its layers."""
        return (*self.image.problems, *document_problems(self.image), *self.tree.problems)


@dataclass(frozen=True, eq=False)
class Analysis:
    """A merged image with its waste. The first `base_layers` layers belong to the base image `base_name` (None: unknown).

    `base_known_by` says how that was found, and is empty where the user said so.
    """

    contents: Contents
    waste: Waste
    identity: ContentIdentity
    base_layers: int | None = None
    base_name: str = ""
    base_known_by: str = ""

    @property
    def image(self) -> Image:
        return self.contents.image

    @property
    def tree(self) -> Tree:
        return self.contents.tree

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return all problems so far, including contents that could not be compared."""
        return (*self.contents.problems, *self.identity.problems)

    @property
    def layer_content_bytes(self) -> list[int]:
        """Return the content bytes of each layer's regular-file entries (index 0 is layer 1)."""
        return self.contents.layer_content_bytes

    @cached_property
    def wire_bytes_wasted(self) -> list[int]:
        """Estimate (≈) how many stored, usually compressed, bytes of each layer are wasted (index 0 is layer 1).

        Each layer's own ratio of stored to unpacked bytes is applied.
        """
        return self._wasted_of([size.stored_bytes for size in self.layer_sizes])

    @property
    def layer_sizes(self) -> tuple[PullSize, ...]:
        """Return how many bytes each layer takes as stored, and how many a pull of it transfers (index 0 is layer 1)."""
        return self.contents.sizes

    @property
    def pull_size(self) -> PullSize:
        """Return how many bytes all layers together take as stored, and how many a pull of them transfers."""
        return PullSize.sum(self.layer_sizes)

    @cached_property
    def pull_bytes_wasted(self) -> int | None:
        """Estimate (≈) how many bytes a pull transfers for wasted content, by each layer's ratio of pulled to unpacked bytes.

        None where the pulled size of a layer is not known.
        """
        sizes = [size.pull_bytes for size in self.layer_sizes]
        known = [size for size in sizes if size is not None]
        return sum(self._wasted_of(known)) if len(known) == len(sizes) else None

    def _wasted_of(self, sizes: list[int]) -> list[int]:
        """Return how much of each layer's size in `sizes` is wasted: the same share as of the layer's unpacked bytes."""
        wasted = self.waste.by_layer(self.tree.layers).tolist()
        return [
            round(lost * size / table.unpacked_bytes) if table.unpacked_bytes else 0
            for lost, size, table in zip(wasted, sizes, self.contents.stack.tables, strict=True)
        ]

    @property
    def own_and_base_waste(self) -> tuple[int, int | None]:
        """Return the bytes wasted by the user's own layers, and by the layers of the base image.

        If the base is unknown, all waste counts as the user's, and the second is None.
        """
        if self.base_layers is None:
            return self.waste.wasted_bytes, None
        base = int(self.waste.size[self.waste.is_base(self.base_layers)].sum())
        return self.waste.wasted_bytes - base, base

    @cached_property
    def duplicates(self) -> Duplicates:
        """Return identical contents that are visible at several paths; computed when first asked for."""
        from layerscope.waste.identity import find_duplicates

        return find_duplicates(self.tree, self.identity)

    @cached_property
    def dive(self) -> DiveFigures:
        """Return the figures that the image explorer dive prints for these layers; computed when first asked for."""
        from layerscope.dive.scores import dive_figures

        return dive_figures(self.contents.stack.tables)


def read_image(
    image: Image,
    *,
    progress: Progress = ignore,
    keep_seek_points: bool = False,
    on_layer: OnLayer = ignore,
    cache: Cache | None = None,
    verify: bool = False,
) -> Contents:
    """Read every layer of an image and merge them into one tree. Damage does not raise: it becomes a `Problem`.

    `keep_seek_points` is for callers that then read contents of compressed layers; reading the layers takes longer. `on_layer`
    is called with each finished layer (`read_layers`). `cache` has layers read before, and new ones are stored in it. With
    `verify`, all available bytes are hashed, and a wrong digest is a problem.
    """
    reads = read_layers(
        image, progress=progress, keep_seek_points=keep_seek_points, on_layer=on_layer, cache=cache, verify=verify
    )
    unverified = tuple(
        layer.number
        for layer, read in zip(image.layers, reads, strict=True)
        if read.hashes is None and (layer.digest or layer.diff_id) and not layer.reader.unreadable
    )
    sizes = tuple(map(PullSize.of, image.layers, reads))
    fetched = tuple(read.fetched for read in reads)
    stack, layers = _stack_layers(image, reads)
    progress("merging layers", 0, 0)
    return Contents(image, stack, layers, merge(stack), sizes, unverified, fetched)


def partial_contents(image: Image, reads: dict[int, ReadLayer]) -> Contents:
    """Return the image as far as it was read: layers whose number is not in `reads` count as empty."""
    nothing = ReadLayer(LayerTable(Entries.none()), Compression.NONE)
    sizes = tuple(PullSize.of(layer, reads.get(layer.number)) for layer in image.layers)
    stack, layers = _stack_layers(image, [reads.get(layer.number, nothing) for layer in image.layers])
    fetched = tuple(each.fetched if each else None for each in (reads.get(layer.number) for layer in image.layers))
    return Contents(image, stack, layers, merge(stack), sizes, fetched=fetched)


def _stack_layers(image: Image, reads: list[ReadLayer]) -> tuple[LayerStack, tuple[LayerContent | None, ...]]:
    """Join the tables of all layers into one stack, emptying `reads` so that the memory of their own columns is freed."""
    contents = tuple(layer.reader.content(read) for layer, read in zip(image.layers, reads, strict=True))
    count = sum(len(read.table.entries) for read in reads)
    release_memory(count)
    reads.reverse()
    stack = LayerStack.of(reads.pop().table for _ in contents)
    release_memory(count)
    return stack, contents


def analyze(contents: Contents, *, base_layers: int | None = None, base_name: str = "", base_known_by: str = "") -> Analysis:
    """Find the waste of an image that was read. The first `base_layers` layers belong to its base (None: unknown)."""
    identity = ContentIdentity(contents.tree, contents.layers)
    return Analysis(contents, find(contents.tree, identity), identity, base_layers, base_name, base_known_by)
