"""An image in an engine's storage, found by name or id: its config, and the record and directory of each layer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.layers.table import Problem
from layerscope.oci.digest import Digest
from layerscope.oci.documents import DOCKER_LAYER, Config
from layerscope.oci.platform import Platform
from layerscope.oci.reference import best_match, familiar, near_matches
from layerscope.sources.documents.assemble import layer_steps
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.storage.unreadable import StorageUnreadable, may_read
from layerscope.text import did_you_mean, escape

MAX_LISTED = 20
_DIGITS = re.compile("[0-9a-f]{2,64}")


@dataclass(frozen=True, slots=True)
class KeptLayer:
    """One layer in an engine's storage. `size` is in bytes as the engine counts them: for Docker the contents of files, for
    containers/storage the tar.
    """

    diff_id: Digest
    chain_id: Digest
    size: int
    record: Path
    directory: Path


@dataclass(frozen=True, slots=True)
class KeptImage:
    """One image in an engine's storage. `name` is the tag that it was found by; empty when that was its id."""

    id: Digest
    name: str
    config: Config
    raw_config: bytes
    layers: tuple[KeptLayer, ...]

    def opened(self, *, reference: str, platform: Platform | None = None) -> Image:
        """Return the image as the engine would save it, with a TarSplitReader for each layer; no layer is read.

        Raises NotFound for another platform, StorageUnreadable when the record of a layer may not be read.
        """
        self._refuse_platform(platform)
        for layer in self.layers:
            if not may_read(layer.record):
                raise StorageUnreadable(f"{escape(str(layer.record))}, the record of a layer, cannot be read")
        return Image(
            reference=reference,
            name=familiar(self.name),
            platform=self.config.platform,
            config_digest=self.id,
            manifest_digest=None,
            config=self.config,
            raw_config=self.raw_config,
            raw_manifest=b"",
            layers=tuple(self._layers()),
            problems=tuple(Problem(0, b"", note) for note in self._notes()),
        )

    def _refuse_platform(self, wanted: Platform | None) -> None:
        own = self.config.platform
        if wanted and not (own.matches(wanted) or (not wanted.normal.variant and own.is_kin_of(wanted))):
            raise NotFound(f"the engine keeps this image for {escape(str(own))}, not for {wanted}")

    def _layers(self) -> Iterable[StoredLayer]:
        steps = layer_steps(self.config)
        for index, layer in enumerate(self.layers):
            yield StoredLayer(
                number=index + 1,
                # What the engine saves is the plain tar, whose hash is the diff_id.
                digest=layer.diff_id,
                diff_id=layer.diff_id,
                chain_id=layer.chain_id,
                media_type=DOCKER_LAYER,
                history=steps[index] if index < len(steps) else None,
                reader=TarSplitReader(layer.record, layer.directory, layer.size),
            )

    def _notes(self) -> Iterable[str]:
        steps, layers = len(layer_steps(self.config)), len(self.layers)
        if not steps and layers:
            yield "the config has no history, so no instructions are known"
        elif steps != layers:
            yield f"the history has {steps} steps for {layers} layers, so instructions may be given to the wrong layer"


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image's id, in hexadecimal, and the name that it was found by (empty when that was its id)."""

    id: str
    name: str = ""


def find_wanted(text: str, names: Mapping[str, str], ids: Iterable[str], *, place: str) -> WantedImage:
    """Find the image that `text` means: one of `names`, which map to ids, or else the first digits of one of `ids`.

    A tag alone is no name here, as for the engines themselves. Raises NotFound, with near names, and AmbiguousImage.
    """
    fits = best_match(text, names, is_tag_enough=False)
    if len({names[name] for name in fits}) > 1:
        raise AmbiguousImage(f"{place} has several images '{escape(text)}': {', '.join(map(escape, sorted(fits)))}")
    if fits:
        return WantedImage(names[min(fits)], min(fits))
    digits = text.removeprefix("sha256:")
    found = sorted(each for each in ids if each.startswith(digits)) if _DIGITS.fullmatch(digits) else []
    if len(found) == 1:
        return WantedImage(found[0])
    if found:
        listed = ", ".join(each[:12] for each in found[:MAX_LISTED])
        raise AmbiguousImage(f"{place} has {len(found)} images whose id begins with {digits}: {listed}")
    question = did_you_mean(near_matches(text, [familiar(name) for name in names]))
    raise NotFound(f"{place} has no image '{escape(text[:200])}'{question}")
