"""Opening an image from a reference: a file, a directory, standard input, or an image in an engine or a registry."""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from layerscope.errors import CorruptLayer, LayerscopeError, NotAnImage, NotFound
from layerscope.layers.blob import Blob
from layerscope.oci.platform import Platform
from layerscope.progress import Progress, ignore
from layerscope.sources.documents.assemble import assemble, looks_like_layer, single_layer_image
from layerscope.sources.documents.catalog import stored_images
from layerscope.sources.documents.choose import choose
from layerscope.sources.documents.files import Archive, Directory, Files
from layerscope.sources.documents.inside import ImagePlace, place_inside
from layerscope.sources.documents.zipped import ZipArchive
from layerscope.sources.file_type import HEAD, ZIP_MAGIC, describe_directory, describe_head, describe_tar, describe_zip, is_tar
from layerscope.sources.image import Image
from layerscope.sources.location import DEFAULT_ENGINE_OPTIONS, EngineName, EngineOptions, Location, locate
from layerscope.sources.spool import head_of, spool_stream, unpack_archive


def open_image(
    reference: str,
    *,
    platform: Platform | None = None,
    stdin: BinaryIO | None = None,
    progress: Progress = ignore,
    engine_options: EngineOptions = DEFAULT_ENGINE_OPTIONS,
    may_change: bool = False,
) -> Image:
    """Open the image that `reference` names; no byte of a layer is read, unless it has to come from an engine.

    `reference` is PATH[:TAG] or -[:TAG], perhaps after skopeo's `docker-archive:`, `oci-archive:`, `oci:` or `dir:`, or an
    image in an engine (`locate` has the rules). PATH is an archive (plain or compressed, perhaps inside a tar or zip), a pipe,
    a layout of OCI or skopeo, or an unpacked `docker save`. A root filesystem or a layer is an image of one layer, and
    `layer:PATH` makes any tar one. `platform` chooses among several (default: the host's, else the only one). `stdin` is read
    for `-` (default: this process's). An archive that `may_change` is copied first: when a mapped file shrinks because it is
    written again, the kernel kills the process that reads from the map.

    Raises NotFound (no such path, tag, platform), NotAnImage, AmbiguousImage, BadDocument, CorruptLayer (a damaged archive
    without a readable manifest), CannotWrite (no room to unpack), EngineFailed and UsageError, each with a sentence.
    """
    location = locate(reference)
    if location.registry is not None:
        from layerscope.sources.registry.open import open_registry_image

        return open_registry_image(
            location.registry, reference=reference, platform=platform, options=engine_options, progress=progress
        )
    if location.engine is not None:
        return _open_named(location.engine, reference, platform, engine_options, progress)
    if location.is_layer:
        blob = _layer_blob(location, stdin, progress, may_change=may_change)
        return single_layer_image(location.place, blob, reference=reference)
    place = open_place(location, stdin, progress, may_change=may_change)
    return open_files(place.files, place.location, reference=reference, platform=platform)


def _open_named(
    wanted: EngineName, reference: str, platform: Platform | None, options: EngineOptions, progress: Progress
) -> Image:
    """Open an engine's image; if no engine has it and `options` allow it, open the registry's image of that name."""
    from layerscope.sources.engine.find_engine import NotInEngine
    from layerscope.sources.engine.open_engine import open_engine_image

    try:
        return open_engine_image(wanted, reference=reference, platform=platform, engine_options=options, progress=progress)
    except NotInEngine as error:
        # An engine that does not answer may have a different image of that name.
        if not (options.or_registry and error.is_sure and wanted.may_be_in_registry):
            raise
        from layerscope.sources.registry.open import open_instead_of_engine

        return open_instead_of_engine(wanted.name, error, platform=platform, options=options, progress=progress)


def open_files(files: Files, location: Location, *, reference: str, platform: Platform | None) -> Image:
    """Open the image among `files` that `location.tag` and `platform` choose. Raises like `open_image`."""
    stored = stored_images(files)
    if not stored:
        noun = "" if location.tag else looks_like_layer(files)
        if not noun or not isinstance(files, Archive):
            raise refusal(files)
        return single_layer_image(files.place, files.stored, reference=reference, noun=noun, is_guessed=True)
    candidate, name = choose(stored, location, platform)
    return assemble(files, candidate, reference=reference, name=name)


def open_place(location: Location, stdin: BinaryIO | None, progress: Progress, *, may_change: bool = False) -> ImagePlace:
    """Open the files at a location outside engines and registries, or of an image archive in it. Raises like `open_image`."""
    files = _read_files(location, stdin, progress, may_change=may_change)
    return place_inside(ImagePlace(files, location), progress)


def _read_files(location: Location, stdin: BinaryIO | None, progress: Progress, *, may_change: bool) -> Files:
    if location.is_containerd:
        from layerscope.sources.storage.containerd import containerd_files

        return containerd_files(location.tag)
    if location.path is not None and location.path.is_dir():
        return Directory(location.path, location.place)
    place = location.place
    blob = _blob(location, stdin, progress, may_change=may_change)
    if blob.read(0, len(ZIP_MAGIC)) == ZIP_MAGIC:
        return ZipArchive(place, blob, progress)
    unpacked = unpack_archive(blob, place, progress)
    head = unpacked.read(0, HEAD)
    if not is_tar(head):
        raise NotAnImage(f"{place} is not a container image: {describe_head(head)}")
    return Archive.of(place, unpacked, stored=blob)


def _layer_blob(location: Location, stdin: BinaryIO | None, progress: Progress, *, may_change: bool) -> Blob:
    """Return a single layer's bytes as they are stored. Raises NotAnImage when they are no tar, compressed or not."""
    place = location.place
    if location.path is not None and location.path.is_dir():
        raise NotAnImage(f"{place} is a directory; a layer is a tar: tar -C {place} -c . | layerscope layer:-")
    blob = _blob(location, stdin, progress, may_change=may_change)
    head = head_of(blob, place)
    if not is_tar(head) and (head.strip(b"\0") or not head):
        raise NotAnImage(f"{place} is not a layer, which is a tar: {describe_head(head)}")
    return blob


def _blob(location: Location, stdin: BinaryIO | None, progress: Progress, *, may_change: bool) -> Blob:
    """Return the bytes of a file, or of standard input."""
    if location.path is None:
        return _blob_of_stream(stdin or sys.stdin.buffer, location.place, progress)
    try:
        with location.path.open("rb") as file:
            return _blob_of_stream(file, location.place, progress, may_change=may_change)
    except OSError as error:
        raise NotFound(f"{location.place} cannot be read: {error.strerror}") from error


def _blob_of_stream(stream: BinaryIO, place: str, progress: Progress, *, may_change: bool = False) -> Blob:
    """Return the bytes of an open file, read where it is if possible, otherwise copied first."""
    if stream.isatty():
        raise NotFound(f"{place} is a terminal; pipe an image into it, such as: docker save IMAGE | layerscope -")
    mode = _mode(stream)
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise NotFound(f"{place} is a device, not an image; give a file, a directory or a pipe")
    is_regular = stat.S_ISREG(mode) and stream.tell() == 0 and not may_change
    return Blob.of_open_file(stream, place) if is_regular else spool_stream(stream, place, progress)


def _mode(stream: BinaryIO) -> int:
    """Return the type of file behind a stream; 0 when there is none, as behind io.BytesIO."""
    try:
        return os.fstat(stream.fileno()).st_mode
    except OSError:
        return 0


def refusal(files: Files) -> LayerscopeError:
    """Return the error that says why there is no image among `files`."""
    if files.damage:
        return CorruptLayer(f"{files.place} is a damaged archive, and what can be read of it has no manifest: {files.damage}")
    names = files.names()
    if isinstance(files, Archive):
        words = describe_tar(names, is_layer=files.has_whiteouts)
    else:
        words = describe_zip(names) if isinstance(files, ZipArchive) else describe_directory(names)
    return NotAnImage(f"{files.place} is not a container image: {words}")
