"""Builds an Image from a chosen candidate: its layers with their history, diff_ids, chain ids and bytes; or from a single tar
that could be one layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from layerscope.errors import NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression
from layerscope.layers.readers.protocol import LayerReader
from layerscope.layers.readers.stored import AbsentReader, BlobReader, SealedReader
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest, chain_ids
from layerscope.oci.documents import DOCKER_LAYER, Config, HistoryStep
from layerscope.oci.platform import Platform
from layerscope.sources.documents.candidate import Candidate, StatedLayer, is_foreign
from layerscope.sources.documents.files import Archive, Files, because
from layerscope.sources.file_type import is_root_filesystem
from layerscope.sources.image import Image, StoredLayer
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.sources.registry.attached import Attached

_SUFFIX = {
    Compression.NONE: "",
    Compression.GZIP: ".gzip",
    Compression.ZSTD: ".zstd",
    Compression.XZ: ".xz",
    Compression.BZIP2: ".bzip2",
}
ReaderOf = Callable[[Files, StatedLayer], LayerReader]
"""Returns the reader of a layer that a manifest names."""
NO_CONFIG = b"{}"
ROOT_FILESYSTEM, LAYER = "a root filesystem", "a single layer"


@dataclass(frozen=True, slots=True)
class _Row:
    """One layer as the image's documents (manifest and config) describe it."""

    number: int
    part: StatedLayer
    diff_id: Digest | None
    chain_id: Digest | None
    history: HistoryStep | None


def stored_reader(files: Files, part: StatedLayer) -> BlobReader | SealedReader | AbsentReader:
    """Return a reader for a layer that is stored as one of `files`; for a missing layer, a reader that says why."""
    try:
        if part.unread:
            return SealedReader(files.blob(part.file), part.unread) if files.has(part.file) else AbsentReader(part.unread)
        return BlobReader(files.blob(part.file), part.size)
    except NotFound as error:
        if not is_foreign(part):
            return AbsentReader(f"{error}{because(files)}")
        source = f" from {escape(part.urls[0][:500])}" if part.urls else ""
        why = f"it is a foreign layer, which is fetched{source} and never saved with the image"
        return AbsentReader(why, may_be_missing=True)


def assemble(files: Files, candidate: Candidate, *, reference: str, name: str, reader_of: ReaderOf = stored_reader) -> Image:
    """Build an Image from a candidate. A layer whose bytes are missing does not raise: its reader says why."""
    rows = _rows(candidate)
    layers = tuple(_layer(row, reader_of(files, row.part)) for row in rows)
    problems = [*candidate.problems, *_count_problems(candidate), *_size_problems(rows, layers)]
    if files.damage:
        problems.append(Problem(0, b"", f"the archive is damaged: {files.damage}", Severity.DAMAGE))
    return Image(
        reference=reference,
        name=name,
        platform=candidate.platform,
        config_digest=candidate.config_digest,
        manifest_digest=candidate.manifest_digest,
        config=candidate.config,
        raw_config=candidate.raw_config,
        raw_manifest=candidate.raw_manifest,
        layers=layers,
        annotations=dict(candidate.annotations),
        problems=tuple(problems),
        states_id=candidate.states_id,
        noun=candidate.noun,
        is_guessed=candidate.is_guessed,
        find_attached=partial(_find_attached, files, candidate),
    )


def _find_attached(files: Files, candidate: Candidate) -> Sequence[Attached]:
    from layerscope.sources.documents.attachments import attached_in

    return attached_in(files, candidate.manifest_digest)


def _rows(candidate: Candidate) -> list[_Row]:
    count = len(candidate.parts)
    diff_ids = candidate.config.rootfs.diff_ids[:count]
    chain = chain_ids(diff_ids)
    steps = layer_steps(candidate.config)
    return [
        _Row(
            number=index + 1,
            part=part,
            diff_id=diff_ids[index] if index < len(diff_ids) else None,
            chain_id=chain[index] if index < len(chain) else None,
            history=steps[index] if index < len(steps) else None,
        )
        for index, part in enumerate(candidate.parts)
    ]


def layer_steps(config: Config) -> list[HistoryStep]:
    """Return the history steps that made a layer, base first (OCI image-spec `config.md`, `empty_layer`)."""
    return [step for step in config.history if not step.empty_layer]


def _layer(row: _Row, reader: LayerReader) -> StoredLayer:
    part = row.part
    compression = reader.compression if isinstance(reader, BlobReader) else None
    return StoredLayer(
        number=row.number,
        # Bytes that are stored as they were unpacked have the same hash both times.
        digest=part.digest or (row.diff_id if compression is Compression.NONE else None),
        diff_id=row.diff_id,
        chain_id=row.chain_id,
        media_type=part.media_type or (DOCKER_LAYER + _SUFFIX[compression] if compression else ""),
        reader=reader,
        history=row.history,
    )


def _count_problems(candidate: Candidate) -> list[Problem]:
    """Return a problem for each number that differs from that of the layers: of diff_ids and of history steps.

    Both lists are matched to layers from the base up. Docker, containerd and Podman refuse an image without a diff_id for each
    layer; history is for people.
    """
    layers, diff_ids, steps = len(candidate.parts), len(candidate.config.rootfs.diff_ids), len(layer_steps(candidate.config))
    problems = []
    if diff_ids != layers and candidate.states_id:
        text = f"the config has {diff_ids} diff_ids for {layers} layers"
        problems.append(Problem(0, b"", text, Severity.REFUSED))
    if not steps and layers and not candidate.noun:
        problems.append(Problem(0, b"", "the config has no history, so no instructions are known"))
    elif steps != layers and not candidate.noun:
        text = f"the history has {steps} steps for {layers} layers, so instructions may be given to the wrong layer"
        problems.append(Problem(0, b"", text))
    return problems


def _size_problems(rows: list[_Row], layers: tuple[StoredLayer, ...]) -> list[Problem]:
    return [
        Problem(
            0,
            b"",
            f"layer {row.number} is stored in {layer.reader.stored_bytes} bytes where the manifest says {row.part.size}",
            Severity.REFUSED,
        )
        for row, layer in zip(rows, layers, strict=True)
        if not layer.reader.missing_bytes and row.part.size not in (-1, layer.reader.stored_bytes)
    ]


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
    """Implements `Files` with a single file, which is found under every name."""

    def __init__(self, place: str, blob: Blob) -> None:
        self.place, self.damage = place, ""
        self._blob = blob

    def has(self, name: str) -> bool:  # noqa: ARG002
        return True

    def blob(self, name: str) -> Blob:  # noqa: ARG002
        return self._blob

    def names(self) -> list[bytes]:
        return []
