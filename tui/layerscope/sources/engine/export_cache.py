"""Cached exports of engines' images: documents and layers are read from the cache, so that nothing is exported again.

Documents are stored under the image's id and layers under their diff_ids; each only where the bytes that arrived have that
hash, so that an engine that lies about one image spoils no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from layerscope.errors import LayerscopeError
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest, chain_ids
from layerscope.oci.documents import Config, decode
from layerscope.oci.platform import Platform, host_platform
from layerscope.sources.documents.assemble import layer_steps
from layerscope.sources.documents.files import Files, blob_name, read_document
from layerscope.sources.engine.find_engine import EngineImage
from layerscope.sources.engine.received import ExportedReader, RefetchedImage
from layerscope.sources.image import Image, StoredLayer

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache


class _Layer(msgspec.Struct, array_like=True, frozen=True):
    diff_id: str
    digest: str | None
    media_type: str
    stored_bytes: int


class _Note(msgspec.Struct, array_like=True, frozen=True):
    """An exported image's documents, and what is known of its layers, as the cache keeps them.

    `saved_by` is the engine and its version, because another version may save the same image in another form.
    """

    saved_by: str
    platform: tuple[str, str, str]
    config_digest: str
    manifest_digest: str | None
    raw_config: bytes
    raw_manifest: bytes
    annotations: dict[str, str]
    problems: tuple[tuple[str, Severity], ...]
    layers: tuple[_Layer, ...]


def remember(image: Image, diff_ids: Sequence[Digest | None], files: Files, found: EngineImage, cache: Cache | None) -> None:
    """Cache the parts of a received image whose hashes are right; `diff_ids` are the hashes of the layers' bytes as received,
    None where unknown.
    """
    from layerscope.cache.directory import IdKind

    if cache is None or cache.trouble:
        return
    sound = [layer for layer, actual in zip(image.layers, diff_ids, strict=True) if actual and actual == layer.diff_id]
    for layer in sound:
        if layer.diff_id and isinstance(layer.reader, ExportedReader) and not cache.has(layer.diff_id, (IdKind.XXH3,)):
            cache.keep(layer.diff_id, layer.reader.passed, IdKind.XXH3)
    if len(sound) == len(image.layers) and _is_proved(image, Digest(found.image.id), files):
        cache.note(Digest(found.image.id), msgspec.msgpack.encode(_note(image, found)))


def recall(
    found: EngineImage, *, reference: str, platform: Platform | None, cache: Cache | None, refetched: RefetchedImage
) -> Image | None:
    """Return an image whose documents and layers are all cached, else None. Contents of files come from `refetched`."""
    text = cache.recall(Digest(found.image.id)) if cache is not None else None
    if cache is None or text is None:
        return None
    try:
        note = msgspec.msgpack.decode(text, type=_Note)
        if note.saved_by != found.engine.version or not _is_meant(note, found.image.id, platform):
            return None
        return _opened(note, cache, refetched, reference=reference, name=found.tag)
    except (msgspec.MsgspecError, UnicodeDecodeError, LayerscopeError):
        return None


def _is_proved(image: Image, image_id: Digest, files: Files) -> bool:
    """Tell whether an image's id is the hash of its config, of its manifest, or of an index that contains the manifest."""
    if not image.config_digest.matches(image.raw_config):
        return False
    if image_id == image.config_digest:
        return True
    manifest = image.manifest_digest
    if manifest is None or not manifest.matches(image.raw_manifest) or image.config_digest.encode() not in image.raw_manifest:
        return False
    if image_id == manifest:
        return True
    try:
        index = read_document(files, blob_name(image_id))
    except LayerscopeError:
        return False
    return image_id.matches(index) is True and manifest.encode() in index


def _note(image: Image, found: EngineImage) -> _Note:
    return _Note(
        saved_by=found.engine.version,
        platform=(image.platform.os, image.platform.architecture, image.platform.variant),
        config_digest=str(image.config_digest),
        manifest_digest=str(image.manifest_digest) if image.manifest_digest else None,
        raw_config=image.raw_config,
        raw_manifest=image.raw_manifest,
        annotations=image.annotations,
        problems=tuple((problem.text, problem.severity) for problem in image.problems),
        layers=tuple(map(_layer_note, image.layers)),
    )


def _layer_note(layer: StoredLayer) -> _Layer:
    return _Layer(str(layer.diff_id), str(layer.digest) if layer.digest else None, layer.media_type, layer.reader.stored_bytes)


def _is_meant(note: _Note, image_id: str, platform: Platform | None) -> bool:
    """Tell whether a cached image is for the platform that was asked for; only the id of an index stands for several."""
    is_only = image_id in (note.config_digest, note.manifest_digest)
    return Platform(*note.platform).matches(platform or host_platform()) or (is_only and platform is None)


def _opened(note: _Note, cache: Cache, refetched: RefetchedImage, *, reference: str, name: str) -> Image | None:
    from layerscope.cache.directory import IdKind

    reads: list[ReadLayer] = []
    for number, layer in enumerate(note.layers, 1):
        read = cache.find(Digest.parse(layer.diff_id), (IdKind.XXH3,), layer=number)
        if read is None:
            return None
        reads.append(read)
    config = decode(note.raw_config, Config, what="the config")
    return Image(
        reference=reference,
        name=name,
        platform=Platform(*note.platform),
        config_digest=Digest.parse(note.config_digest),
        manifest_digest=Digest.parse(note.manifest_digest) if note.manifest_digest else None,
        config=config,
        raw_config=note.raw_config,
        raw_manifest=note.raw_manifest,
        layers=_layers(note, config, reads, refetched),
        annotations=note.annotations,
        problems=tuple(Problem(0, b"", *each) for each in note.problems),
    )


def _layers(note: _Note, config: Config, reads: list[ReadLayer], refetched: RefetchedImage) -> tuple[StoredLayer, ...]:
    diff_ids = [Digest.parse(layer.diff_id) for layer in note.layers]
    chain, steps = chain_ids(diff_ids), layer_steps(config)
    return tuple(
        StoredLayer(
            number=index + 1,
            digest=Digest.parse(layer.digest) if layer.digest else None,
            diff_id=diff_ids[index],
            chain_id=chain[index],
            media_type=layer.media_type,
            history=steps[index] if index < len(steps) else None,
            reader=ExportedReader(reads[index], index + 1, diff_ids[index], layer.stored_bytes, refetched),
        )
        for index, layer in enumerate(note.layers)
    )
