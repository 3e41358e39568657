"""Reading an engine's image from an export, the slowest way: all of it is indexed as it arrives, and written to a file for
`--keep DIR`.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from layerscope.errors import CannotWrite, NotFound, WouldOverwrite
from layerscope.layers.blob import Blob
from layerscope.layers.readers.stream import read_passing
from layerscope.oci.platform import Platform
from layerscope.progress import Progress, ignore
from layerscope.sources.documents.assemble import assemble
from layerscope.sources.documents.candidate import Candidate
from layerscope.sources.documents.catalog import stored_images
from layerscope.sources.documents.choose import choose
from layerscope.sources.documents.files import Archive, Files
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.export_cache import recall, remember
from layerscope.sources.engine.find_engine import EngineImage
from layerscope.sources.engine.receive import Call, OnPiece, Receiving
from layerscope.sources.engine.received import ExportedReader, Received, ReceivedMember, RefetchedImage, receive
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.location import EngineName, EngineOptions, Location
from layerscope.sources.spool import spool_stream
from layerscope.text import escape


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What the user asked for, with the progress callback."""

    reference: str
    platform: Platform | None
    engine_options: EngineOptions
    progress: Progress


def exported(found: EngineImage, asked: OpenRequest) -> Image:
    """Have the engine export an image, and index it while it arrives; with `--keep DIR`, also write it to a file there.

    The cache receives its documents and the tables of its layers; nothing else is stored.
    """
    directory = asked.engine_options.keep
    if directory is None:
        return _opened(_received(found, asked, ignore), _refetched(found, asked), found, asked)
    with Keeper(directory, asked.reference) as keeper:
        received = _received(found, asked, keeper.write)
        image = _opened(
            received, RefetchedImage(lambda: _stored(_kept(keeper.path), found, asked), asked.progress), found, asked
        )
        keeper.finish()
    return _stored(_kept(keeper.path), found, asked) if asked.engine_options.needs_archive else image


def known(found: EngineImage, asked: OpenRequest) -> Image | None:
    """Return an image that was exported before, from the cache; None if any part is missing."""
    again = _refetched(found, asked)
    return recall(found, reference=asked.reference, platform=asked.platform, cache=asked.engine_options.cache, refetched=again)


def stored(found: EngineImage, asked: OpenRequest) -> Image:
    """Export an image to an unnamed temporary file and open it there: callers that read contents need only one export."""
    return _stored(_copy(found, asked), found, asked)


def _refetched(found: EngineImage, asked: OpenRequest) -> RefetchedImage:
    """Return an image that is exported again on demand, by its id: the tag may belong to another image by then."""
    same = replace(found, name=found.image.id)
    return RefetchedImage(lambda: _stored(_copy(same, asked), same, asked), asked.progress)


def _stored(files: Files, found: EngineImage, asked: OpenRequest) -> Image:
    candidate, name = _chosen(files, found, asked)
    return assemble(files, candidate, reference=asked.reference, name=name)


def _opened(received: Received, refetched: RefetchedImage, found: EngineImage, asked: OpenRequest) -> Image:
    """Build the image from a received archive, with the tables of its layers, and cache it."""
    candidate, name = _chosen(received, found, asked)
    image = assemble(received, candidate, reference=asked.reference, name=name)
    pairs = list(zip(image.layers, candidate.parts, strict=True))
    parts = [None if layer.reader.unreadable else received.part(part.file) for layer, part in pairs]
    layers = [_passed(layer, part, refetched) for layer, part in zip(image.layers, parts, strict=True)]
    opened = replace(image, layers=tuple(layers))
    remember(opened, [part.diff_id if part else None for part in parts], received, found, asked.engine_options.cache)
    return opened


def _passed(layer: StoredLayer, part: ReceivedMember | None, refetched: RefetchedImage) -> StoredLayer:
    """Return a layer with a reader of what was indexed while it arrived; a layer without a `part` is returned unchanged."""
    if part is None:
        return layer
    passed = part.layer or read_passing(BytesIO(part.first), size=part.size)
    return replace(layer, reader=ExportedReader(passed, layer.number, layer.diff_id, part.size, refetched))


def _chosen(files: Files, found: EngineImage, asked: OpenRequest) -> tuple[Candidate, str]:
    images = stored_images(files)
    if not images:
        raise NotFound(f"{files.place} saved {escape(found.name)} without any document that says what it is")
    kind = found.engine.endpoint.kind
    location = Location(f"{kind}:{found.name}", None, engine=EngineName(kind, found.name))
    return choose(images, location, asked.platform)


def _received(found: EngineImage, asked: OpenRequest, on_piece: OnPiece) -> Received:
    with _receiving(found.engine, found, asked, on_piece) as stream:
        received = receive(stream, str(found.engine.endpoint))
        stream.finish()
    return received


def _copy(found: EngineImage, asked: OpenRequest) -> Archive:
    """Fetch the archive into an unnamed temporary file. Connects to the engine again: the first connection may be closed."""
    place = str(found.engine.endpoint)
    with Engine.connect(found.engine.endpoint) as engine, _receiving(engine, found, asked, ignore) as stream:
        return Archive.of(place, spool_stream(cast("BinaryIO", stream), place, asked.progress))


def _kept(path: Path) -> Archive:
    return Archive.of(escape(str(path)), Blob.of_file(path))


def _receiving(engine: Engine, found: EngineImage, asked: OpenRequest, on_piece: OnPiece) -> Receiving:
    label = engine.endpoint.kind.label
    call = Call(
        name=str(engine.endpoint),
        stage=f"reading {escape(asked.reference)} from {label}",
        waiting=f"{label} prepares {escape(asked.reference)}",
        request=lambda: engine.save(found.name, asked.platform),
        ping=engine.ping,
    )
    return Receiving(call, expected=found.image.size, progress=asked.progress, on_piece=on_piece)


class Keeper:
    """Writes an archive to DIR/NAME.tar. As a context manager, it removes an unfinished file.

    Raises WouldOverwrite before anything is written if the file exists, and CannotWrite.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / file_name(name)
        if os.path.lexists(self.path):
            raise WouldOverwrite(f"{escape(str(self.path))} already exists; move it away, or open it instead: it is an archive")
        try:
            number, unfinished = tempfile.mkstemp(prefix=f".{self.path.name[:100]}.", suffix=".part", dir=directory)
        except OSError as error:
            raise self._cannot(error) from error
        self._unfinished = Path(unfinished)
        self._file = os.fdopen(number, "wb", buffering=0)

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        with suppress(OSError):
            self._unfinished.unlink()

    def write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._cannot(error) from error

    def finish(self) -> None:
        """Give the complete archive its name. A file of that name that was created meanwhile is not replaced."""
        try:
            os.fchmod(self._file.fileno(), 0o666 & ~_umask())
            os.link(self._unfinished, self.path)
        except FileExistsError as error:
            raise WouldOverwrite(
                f"{escape(str(self.path))} was created meanwhile by another program; it was not overwritten"
            ) from error
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> CannotWrite:
        return CannotWrite(f"{escape(str(self.path))} cannot be written: {error.strerror or error}")


def file_name(name: str) -> str:
    """Return the file name for an image: `demo_node_1.tar` for `demo/node:1`."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name) + ".tar"


def _umask() -> int:
    """Return the user's umask; it can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
