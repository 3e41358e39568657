"""Pushes the smaller image: blobs that the registry does not have, and last, when all are there, its manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from layerscope.analysis import Analysis
from layerscope.errors import CannotSlim, NotFound, UsageError, WouldOverwrite
from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.oci.documents import INDEXES, OCI_MANIFEST, Index, decode
from layerscope.progress import Progress, ignore
from layerscope.reading import ByteCount
from layerscope.slim.plan import Plan
from layerscope.slim.write import Slimmed
from layerscope.sources.image import Image
from layerscope.sources.location import registry_name
from layerscope.sources.open import open_image
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed, RequestRefused
from layerscope.sources.registry.open import is_beside_images
from layerscope.sources.registry.registry_name import RegistryName, parse_image_name
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.upload import RepositoryWriter
from layerscope.text import escape
from layerscope.units import count_text
from layerscope.waiting import as_they_end

AT_ONCE = 3
"""Blobs sent side by side."""
MOST_ORIGINS = 4
"""Other repositories of the registry that are asked for a layer."""
BASE_NAME = "org.opencontainers.image.base.name"
"""The annotation, or label, that names an image's base (OCI image-spec `annotations.md`)."""


class BlobWay(StrEnum):
    """How a blob comes to be in the repository: it was there, the registry took it over from another one, or it is sent."""

    THERE = "there"
    MOUNTED = "mounted"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class PushedBlob:
    """A layer, or the config (`number` 0), of `size` bytes, and how it came there; if it was mounted, from repository `origin`.

    `digest` is None for a layer that is not made yet; its size is then an estimate.
    """

    number: int
    digest: Digest | None
    size: int
    way: BlobWay
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did, or would do (`digest` is None): `digest` is the manifest's, `blobs` the config and the layers."""

    name: RegistryName
    blobs: tuple[PushedBlob, ...]
    digest: Digest | None = None
    media_type: str = ""

    def bytes_of(self, way: BlobWay) -> int:
        return sum(blob.size for blob in self.blobs if blob.way is way)


class NotTagged(Exception):
    """Wraps what ended a push: `is_certain` says that nothing has the tag, else it may; `has_sent`, whether blobs were sent."""

    def __init__(self, *, is_certain: bool, has_sent: bool) -> None:
        super().__init__()
        self.is_certain, self.has_sent = is_certain, has_sent


def origins_of(analysis: Analysis, target: RegistryName) -> tuple[str, ...]:
    """Return other repositories of the target's registry that may have layers of an image: its own and its base's."""
    image = analysis.image
    labels = image.config.config.labels if image.config.config else {}
    base = (analysis.base_name, image.annotations.get(BASE_NAME, ""), labels.get(BASE_NAME, ""))
    names = [name for name in (registry_name(image.reference), *map(parsed_name, (image.name, *base))) if name is not None]
    found = dict.fromkeys(each.repository for each in names if each.host == target.host)
    return tuple(each for each in found if each != target.repository)[:MOST_ORIGINS]


def parsed_name(text: str) -> RegistryName | None:
    """Return the image in a registry that a name means; None for what is no such name."""
    with suppress(NotFound, UsageError):
        return parse_image_name(text)
    return None


def spare_the_tag(writer: RepositoryWriter, image: Image) -> None:
    """Raise WouldOverwrite where the tag is the original's, or that of an index which would lose images of other platforms."""
    there = writer.tagged()
    name = escape(str(writer.name))
    if there is None:
        return
    listed = decode(there.raw, Index, what=f"the index {name}").manifests if there.media_type in INDEXES else ()
    is_listed = image.manifest_digest in (there.digest, *(each.digest for each in listed))
    if is_listed or str(parsed_name(image.name)) == str(writer.name):
        raise WouldOverwrite(f"{name} is the image itself; push to another tag, or give --force")
    images = [each for each in listed if not is_beside_images(each)]
    if len(images) > 1:
        platforms = sorted({escape(str(each.platform.platform)) for each in images if each.platform})
        lost = f" ({', '.join(platforms)})" if platforms else ""
        raise WouldOverwrite(
            f"{name} is an index of {count_text(len(images), 'image')}{lost}, and this one alone would take its place; "
            "push to another tag, or give --force"
        )


def look_before_push(plan: Plan, writer: RepositoryWriter) -> Pushed:
    """Tell what a push would do, without writing: layers that stay are looked for in the registry. Raises RegistryFailed.

    Plain layers of archives and engines are compressed first: nothing can tell yet whether they are there.
    """
    image, origins = plan.analysis.image, origins_of(plan.analysis, writer.name)

    def looked(numbers: tuple[int, ...]) -> PushedBlob:
        layer, size = image.layers[numbers[-1] - 1], plan.analysis.layer_sizes[numbers[-1] - 1]
        if plan.layers[numbers[-1] - 1].is_rewritten or size.is_estimate or layer.digest is None:
            return PushedBlob(numbers[-1], None, sum(_size_after(plan, number) for number in numbers), BlobWay.SENT)
        return _found(writer, PushedBlob(numbers[-1], layer.digest, size.stored_bytes, BlobWay.SENT), origins, is_dry=True)

    return Pushed(writer.name, tuple(side_by_side(looked, plan.made_of, writer.connection.traffic)))


def _size_after(plan: Plan, number: int) -> int:
    """Return about how many bytes of a layer are pushed, compressed."""
    size, planned = plan.analysis.layer_sizes[number - 1], plan.layers[number - 1]
    share = planned.wire_bytes / size.stored_bytes if size.stored_bytes else 0.0
    pushed = size.stored_bytes if size.pull_bytes is None else size.pull_bytes
    return max(round(pushed * (1 - share)), 0)


def push_slim(slimmed: Slimmed, place: Path, writer: RepositoryWriter, *, progress: Progress) -> Pushed:
    """Push the image that was written to `place`; its tag is set last, when the registry has all of it.

    What the repository has is not sent; layers that stayed are mounted where another repository of the registry has them.
    Raises NotTagged from whatever ends it early, an interruption, too.
    """
    push = _Push(slimmed, place, writer, progress)
    try:
        return push.run()
    except BaseException as error:
        writer.connection.traffic.cancel()
        is_refused = isinstance(error, AccessDenied | NoSuchImage) or (isinstance(error, RequestRefused) and error.status < 500)
        is_certain = is_refused or not push.is_tagging
        raise NotTagged(is_certain=is_certain, has_sent=push.has_sent) from error


class _Push:
    def __init__(self, slimmed: Slimmed, place: Path, writer: RepositoryWriter, progress: Progress) -> None:
        self._slimmed, self._writer, self._progress = slimmed, writer, progress
        self._image = open_image(str(place), platform=slimmed.plan.analysis.image.platform, progress=ignore)
        if self._image.manifest_digest != slimmed.manifest_digest:
            raise CannotSlim(f"{escape(str(place))} is not what was proved; nothing was pushed")
        layers = zip(slimmed.layers, self._image.layers, strict=True)
        self._readers = {new.blob.digest: stored.reader for new, stored in layers}
        self.is_tagging = self.has_sent = False

    def run(self) -> Pushed:
        found = self._find()
        self._send([each for each in found if each.way is BlobWay.SENT], [each for each in found if each.number])
        raw = self._image.raw_manifest
        media_type = msgspec.json.decode(raw).get("mediaType") or OCI_MANIFEST
        self.is_tagging = True
        return Pushed(self._writer.name, tuple(found), self._writer.put_manifest(raw, media_type), media_type)

    def _find(self) -> list[PushedBlob]:
        """Return all blobs, each once, with what was mounted, was there, or is to be sent."""
        origins, image = origins_of(self._slimmed.plan.analysis, self._writer.name), self._image
        blobs = [PushedBlob(each.number, each.blob.digest, each.blob.size, BlobWay.SENT) for each in self._slimmed.layers]
        blobs.append(PushedBlob(0, image.config_digest, len(image.raw_config), BlobWay.SENT))
        first = {each.digest: each for each in reversed(blobs)}
        stays = {each.blob.digest for each in self._slimmed.layers if not each.is_rewritten}

        def looked(blob: PushedBlob) -> PushedBlob:
            return _found(self._writer, blob, origins if blob.digest in stays else ())

        self._progress("asking what is there", 0, 0)
        unique = [each for each in blobs if first[each.digest] is each]
        return list(side_by_side(looked, unique, self._writer.connection.traffic))

    def _send(self, blobs: Sequence[PushedBlob], layers: Sequence[PushedBlob]) -> None:
        there = sum(each.way is not BlobWay.SENT for each in layers)
        stage = f"sending ({there} of {count_text(len(layers), 'layer')} there already)" if there else "sending"
        watch = ByteCount(self._progress, stage, sum(each.size for each in blobs))

        def send(each: PushedBlob) -> None:
            assert each.digest is not None
            self._writer.send_blob(each.digest, self._blob(each), watch.add)
            self.has_sent = True

        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            for done in as_they_end([pool.submit(send, each) for each in blobs]):
                done.result()
        except BaseException:
            watch.stop()
            self._writer.connection.traffic.cancel()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _blob(self, each: PushedBlob) -> Blob:
        if not each.number or each.digest is None:
            return Blob.of_bytes(self._image.raw_config)
        blob = self._readers[each.digest].blob_of_all(ignore)
        if blob is None or blob.size != each.size:
            raise CannotSlim(f"layer {each.number}: it is not as it was proved; nothing was tagged")
        return blob


def _found(writer: RepositoryWriter, blob: PushedBlob, origins: Iterable[str], *, is_dry: bool = False) -> PushedBlob:
    """Return `blob` with how it comes to be in the repository: there, mounted (or could be, if `is_dry`), or to be sent."""
    assert blob.digest is not None
    if writer.has(blob.digest):
        return replace(blob, way=BlobWay.THERE)
    mount: Callable[[Digest, str], bool] = _is_readable(writer) if is_dry else writer.mount
    for origin in origins:
        if mount(blob.digest, origin):
            return replace(blob, way=BlobWay.MOUNTED, origin=origin)
    return blob


def _is_readable(writer: RepositoryWriter) -> Callable[[Digest, str], bool]:
    def is_readable(digest: Digest, origin: str) -> bool:
        with suppress(RegistryFailed):
            return writer.has(digest, origin)
        return False

    return is_readable
