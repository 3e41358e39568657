"""The bytes of an image's files, across layers, with damage named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from layerscope.analysis import Contents
from layerscope.errors import CorruptLayer
from layerscope.text import escape


def content_pieces(contents: Contents, entry: int) -> Iterator[bytes]:
    """Yield the content of a regular-file entry. Raises CorruptLayer, which names image, layer and path."""
    for _, pieces in many_contents(contents, [entry]):
        yield from pieces


def many_contents(contents: Contents, entries: Iterable[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield each regular-file entry with its `content_pieces`; read these before asking for the next.

    In ascending order they are read in one pass a layer, for entries are numbered by layer, then by place in its tar.
    """
    tree = contents.tree
    for layer, group in groupby(entries, key=lambda entry: int(tree.entry_layer[entry])):
        content, first = contents.layers[layer - 1], contents.stack.first[layer - 1]
        if content is None:
            raise CorruptLayer(f"{escape(contents.image.reference)}: the bytes of layer {layer} are not there")
        wanted = ((entry - first, int(tree.entries.content_offset[entry]), int(tree.entries.size[entry])) for entry in group)
        for entry, pieces in content.many(wanted):
            yield first + entry, _named(contents, first + entry, pieces)


def _named(contents: Contents, entry: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except CorruptLayer as error:
        tree = contents.tree
        place = f"{escape(contents.image.reference)}: layer {tree.entry_layer[entry]}: /{escape(tree.entries.paths[entry])}"
        raise CorruptLayer(f"{place}: {error}") from error
