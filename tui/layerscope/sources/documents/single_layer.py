"""A tar that is not an image but could be one layer of it, shown as an image of one layer."""

from __future__ import annotations

from layerscope.layers.blob import Blob
from layerscope.layers.table import Problem
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Config
from layerscope.oci.platform import Platform
from layerscope.sources.documents.archive import Archive
from layerscope.sources.documents.assemble import assemble
from layerscope.sources.documents.candidate import Candidate, StatedLayer
from layerscope.sources.documents.files import Files
from layerscope.sources.file_type import is_root_filesystem
from layerscope.sources.image import Image

NO_CONFIG = b"{}"
ROOT_FILESYSTEM, LAYER = "a root filesystem", "a single layer"


def looks_like_layer(files: Files) -> str:
    """Return `a root filesystem` or `a single layer` for a tar that looks like one, else an empty string."""
    if not isinstance(files, Archive):
        return ""
    if files.has_whiteouts:
        return LAYER
    return ROOT_FILESYSTEM if is_root_filesystem(files.names()) else ""


def single_layer_image(place: str, blob: Blob, *, reference: str, noun: str = LAYER, is_guessed: bool = False) -> Image:
    """Return an image whose only layer is `blob`, compressed or not; it has no config, history or digests."""
    spelled = f"; `layer:{place}` opens it as one layer without guessing" if is_guessed else ""
    text = f"not an image but {noun}: there is no config, no history and no digest to check it by{spelled}"
    candidate = Candidate(
        platform=Platform("linux", ""),
        config_digest=Digest.of(NO_CONFIG),
        config=Config(),
        raw_config=NO_CONFIG,
        parts=(StatedLayer(place),),
        problems=(Problem(0, b"", text),),
        states_id=False,
        noun=noun,
        is_guessed=is_guessed,
    )
    return assemble(_OneFile(place, blob), candidate, reference=reference, name="")


class _OneFile:
    """One file as `Files`, found under every name."""

    def __init__(self, place: str, blob: Blob) -> None:
        self.place, self.damage = place, ""
        self._blob = blob

    def has(self, name: str) -> bool:  # noqa: ARG002
        return True

    def blob(self, name: str) -> Blob:  # noqa: ARG002
        return self._blob

    def names(self) -> list[bytes]:
        return []
