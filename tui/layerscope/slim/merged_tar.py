"""The tar of a layer that takes the place of several: members of theirs byte for byte, headers and all, but for new names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from layerscope.layers.blob import Blob
from layerscope.layers.tar.headers import BLOCK
from layerscope.slim.fates import EntryFate, Rows
from layerscope.slim.members import Members
from layerscope.slim.merging import MergedLayer
from layerscope.slim.new_headers import empty_file, marker_of, renamed
from layerscope.slim.rewrite import END, Stretches


@dataclass(frozen=True, slots=True, eq=False)
class TarSource:
    """A layer of which members are taken: its stored bytes, and where its members are."""

    blob: Blob
    members: Members


def layers_needed(layer: MergedLayer, first: tuple[int, ...]) -> list[int]:
    """Return the numbers of the layers of which a merged one has members; `first` is that of the image's LayerStack."""
    numbers: list[int] = np.unique(np.searchsorted(first, layer.source, side="right")).tolist()
    return numbers


def merged_tar(layer: MergedLayer, sources: Mapping[int, TarSource], first: tuple[int, ...], scratch: Path) -> Iterator[bytes]:
    """Yield the new tar in pieces of at most 1 MiB: whiteouts, directories, then all else.

    `sources` has the layers that `layers_needed` names. The directories' headers are kept in a file in the directory `scratch`
    until they are in order. Raises CorruptLayer like `unpack`, OSError.
    """
    for path in layer.whiteouts:
        yield empty_file(marker_of(path))
    members = _Members(layer, sources, first)
    with tempfile.TemporaryFile(dir=scratch) as file:
        bounds = np.zeros((layer.directories, 2), np.int64)
        # One after the other: each header has a place of its own.
        for index in np.argsort(layer.source[: layer.directories], kind="stable").tolist():
            start = file.tell()
            file.writelines(members.pieces(index, index + 1))
            bounds[index] = start, file.tell()
        for start, stop in bounds.tolist():
            file.seek(start)
            yield file.read(stop - start)
    members.rewind()
    for start, stop in members.stretches(layer.directories):
        yield from members.pieces(start, stop)
    yield bytes(END)


class _Members:
    """The members of the new tar, by position; each layer is read from its beginning to its end."""

    def __init__(self, layer: MergedLayer, sources: Mapping[int, TarSource], first: tuple[int, ...]) -> None:
        self._layer, self._sources = layer, sources
        self._number = np.searchsorted(first, layer.source, side="right")
        self._row = layer.source - np.array(first)[self._number - 1]
        self._member = np.zeros(len(layer.source), np.int64)
        for number, source in sources.items():
            at = self._number == number
            self._member[at] = _by_entry(source.members)[self._row[at]]
        self._is_odd = layer.fates != EntryFate.KEEP
        self._is_odd[[*layer.paths, *layer.links]] = True
        self._streams: dict[int, Stretches] = {}

    def rewind(self) -> None:
        """Begin again at the beginning of each layer."""
        self._streams.clear()

    def stretches(self, start: int) -> Iterator[tuple[int, int]]:
        """Divide the positions from `start` on into those of members that stay as they are and follow each other."""
        number, member, is_odd = self._number[start:], self._member[start:], self._is_odd[start:]
        is_new = np.ones(len(member) + 1, bool)
        is_new[1:-1] = (number[1:] != number[:-1]) | (member[1:] != member[:-1] + 1) | is_odd[1:] | is_odd[:-1]
        bounds = (start + np.flatnonzero(is_new)).tolist() if len(member) else []
        return pairwise(bounds)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the members of one stretch."""
        number, layer = int(self._number[start]), self._layer
        members = self._sources[number].members
        if layer.fates[start] == EntryFate.EMPTY:
            yield empty_file(layer.paths.get(start, members.table.entries.paths[int(self._row[start])]))
            return
        begin, end = (int(members.starts[self._member[start]]), int(members.ends[self._member[stop - 1]]))
        stream = self._streams.setdefault(number, Stretches(self._sources[number].blob))
        if self._is_odd[start]:
            content = int(members.table.entries.content_offset[int(self._row[start])])
            head = b"".join(stream.pieces(begin, content))
            yield renamed(head, path=layer.paths.get(start), link=layer.links.get(start))
            begin = content
        yield from stream.pieces(begin, end)
        yield bytes(-end % BLOCK)  # a tar may lack the padding of its last member


def _by_entry(members: Members) -> Rows:
    """Return the number of each entry's member."""
    found = np.zeros(len(members.table.entries), np.int64)
    is_entry = np.flatnonzero(members.entry >= 0)
    found[members.entry[is_entry]] = is_entry
    return found
