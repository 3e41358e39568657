"""A container's own layer through the API: the list of changed paths, and an export of all files to read them from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import OnBytes
from layerscope.layers.compression import PIECE, Compression
from layerscope.layers.content import LayerContent, Stretch, UnmappedContent
from layerscope.layers.readers.blob import ReadLayer, read_pieces
from layerscope.layers.readers.protocol import NO_DIGEST_OF_ITS_OWN, KeptUnpacked, ReadOptions
from layerscope.layers.readers.stream import numbered
from layerscope.layers.table import Entries, Kind, LayerTable, Strings
from layerscope.layers.tar.headers import BLOCK
from layerscope.layers.tar.names import normalize
from layerscope.progress import Progress, ignore
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import taking_apart
from layerscope.sources.engine.receive import Call, Receiving
from layerscope.sources.engine.received import ArrivingTar
from layerscope.sources.storage.container import Container
from layerscope.text import escape


def read_container_diff(engine: Engine, container: Container, progress: Progress) -> ContainerDiffReader:
    """Request the paths that a container changed, then index an export of it while it arrives. Raises EngineFailed."""
    answer = engine.ask(f"/containers/{container.id}/changes") or ()
    with taking_apart(engine.endpoint):
        changes = [_change(each) for each in answer]
    label, title = engine.endpoint.kind.label, f"container {container.title}"
    call = Call(
        name=str(engine.endpoint),
        stage=f"reading {title} from {label}",
        waiting=f"{label} prepares {title}",
        request=lambda: engine.export(container.id),
        ping=engine.ping,
    )
    with Receiving(call, expected=0, progress=progress) as stream:
        table = read_pieces(iter(stream.some, b""))
    return ContainerDiffReader(ReadLayer(changed_part(table, changes), Compression.NONE), engine.endpoint, container)


def _change(answer: dict[str, Any]) -> ContainerChange:
    """Convert one entry of the engine's list of changes. Kind 2 is a removed path (Engine API, ContainerChanges)."""
    path = normalize(str(answer.get("Path") or "").encode("utf-8", "surrogateescape"))
    return ContainerChange(path, is_removal=answer.get("Kind") == 2)


@dataclass(frozen=True, slots=True, eq=False)
class ContainerDiffReader(KeptUnpacked):
    """Reads what a container had written when the engine was asked."""

    passed: ReadLayer
    endpoint: Endpoint
    container: Container

    stored_bytes = 0
    missing_bytes = NO_DIGEST_OF_ITS_OWN
    may_be_missing = True

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002 - nothing is left to count
        return numbered(self.passed, layer)

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Return content that asks the engine for each file."""
        return ContainerDiffContent(self.endpoint, self.container, read.table.entries.paths)


@dataclass(frozen=True, slots=True, eq=False)
class ContainerDiffContent(UnmappedContent):
    """The files of a container's own layer, requested from its engine one by one.

    Raises EngineFailed besides what LayerContent raises.
    """

    endpoint: Endpoint
    container: Container
    paths: Strings

    @property
    def compression(self) -> Compression:
        return Compression.NONE

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:  # noqa: ARG002 - a file begins at its beginning
        """Yield a file's content. Raises CorruptLayer when the container has changed the file meanwhile."""
        with Engine.connect(self.endpoint) as engine:
            yield from self._pieces(engine, self.paths[entry], size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        with Engine.connect(self.endpoint) as engine:
            for entry, _offset, size in wanted:
                yield entry, self._pieces(engine, self.paths[entry], size)

    def _pieces(self, engine: Engine, path: bytes, size: int) -> Iterator[bytes]:
        if not size:  # where a file is mounted, the engine would give that
            return
        stage, place = f"reading {escape(path)}", str(engine.endpoint)
        call = Call(place, stage, stage, lambda: engine.file(self.container.id, b"/" + path), engine.ping)
        with Receiving(call, expected=size, progress=ignore) as stream:
            for member in ArrivingTar(stream, place).members():
                if member.size != size:
                    raise CorruptLayer(f"{escape(path)}: it has {member.size} bytes now where it had {size}; open it again")
                while piece := member.read(PIECE):
                    yield piece
                return
        raise CorruptLayer(f"{escape(path)}: it is no longer a file; open the container again")


@dataclass(frozen=True, slots=True)
class ContainerChange:
    """A path (normalized) that was written or, with `is_removal`, removed."""

    path: bytes
    is_removal: bool = False


def changed_part(whole: LayerTable, changes: Sequence[ContainerChange]) -> LayerTable:
    """Return the table of the layer that `changes` made: the changed paths in the file system `whole`, and the removed ones.

    A path that was removed and exists again was replaced: the layer hides the old one and contains the new one. A hard link to
    an unchanged file is taken for a file of its own.
    """
    removed = {change.path for change in changes if change.is_removal}
    changed = {change.path for change in changes}
    paths = whole.entries.paths.tolist()
    rows = [row for row, path in enumerate(paths) if path in changed]
    numbers = {row: number for number, row in enumerate(rows)}
    entries = _entries(whole.entries, rows, paths)
    there = {paths[row] for row in rows}
    whiteouts, opaques = tuple(sorted(removed - there)), tuple(sorted(removed & there))
    return replace(
        whole,
        entries=entries,
        whiteouts=whiteouts,
        opaques=opaques,
        whiteout_rows=(0,) * len(whiteouts),
        opaque_rows=(0,) * len(opaques),
        omitted=(),
        sparse={numbers[row]: sparse for row, sparse in whole.sparse.items() if row in numbers},
        devices={numbers[row]: found for row, found in whole.devices.items() if row in numbers},
        xattrs={numbers[row]: found for row, found in whole.xattrs.items() if row in numbers},
        unpacked_bytes=int((BLOCK - (-entries.size // BLOCK) * BLOCK).sum()) + (len(removed) + 2) * BLOCK,
    )


def _entries(whole: Entries, rows: list[int], paths: list[bytes]) -> Entries:
    links = [whole.links[row] for row in rows]
    kind, source = whole.kind[rows].copy(), np.array(rows, np.int64)
    first = {path: number for number, path in enumerate(paths[row] for row in rows)}
    for number in np.flatnonzero(kind == Kind.HARDLINK).tolist():
        target = links[number]
        if target in first:
            links[number] = paths[rows[first[target]]]
        else:
            first[target] = number
            kind[number], links[number], source[number] = Kind.FILE, b"", paths.index(target)
    return Entries(
        paths=Strings.of([paths[row] for row in rows]),
        kind=kind,
        mode=whole.mode[rows],
        uid=whole.uid[rows],
        gid=whole.gid[rows],
        size=whole.size[source],
        mtime=whole.mtime[rows],
        content_offset=whole.content_offset[source],
        content_id=whole.content_id[source],
        links=Strings.of(links),
    )
