"""An opened image: its documents, and a reader for each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerscope.layers.compression import Compression
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import LayerReader
from layerscope.layers.table import Problem
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Config, HistoryStep
from layerscope.oci.platform import Platform
from layerscope.progress import ignore

if TYPE_CHECKING:
    from layerscope.sources.registry.attached import Attached


@dataclass(frozen=True, slots=True)
class WrittenInstruction:
    """An instruction as it is written in a Dockerfile: its lines, from 1, and its `text` on one line, unescaped."""

    line: int
    end_line: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class StoredLayer:
    """One layer as it is stored, before any of its bytes are read.

    `number` counts from 1, base first. `digest` is of the stored bytes and None where the archive does not say (classic `docker
    save`). Everything that depends on where its bytes are is asked of its `reader`. `written` is the instruction that made it,
    where a Dockerfile of the image is known.
    """

    number: int
    digest: Digest | None
    diff_id: Digest | None
    chain_id: Digest | None
    media_type: str
    reader: LayerReader
    history: HistoryStep | None = None
    written: WrittenInstruction | None = None

    @property
    def created_by(self) -> str:
        """Return the instruction that made the layer, as in the history; empty when the history does not say."""
        return self.history.created_by if self.history else ""


@dataclass(frozen=True, slots=True)
class PullSize:
    """The stored bytes of one or several layers, and what a pull of them moves (None: unknown), in bytes.

    The two are the same unless `is_estimate`, for uncompressed layers: registries store them compressed.
    """

    stored_bytes: int
    pull_bytes: int | None
    is_estimate: bool

    @classmethod
    def of(cls, layer: StoredLayer, read: ReadLayer | None) -> PullSize:
        """Return the size of one layer; `read` is None if it was not read.

        Of a layer that an engine keeps unpacked, only reading tells how much a pull moves.
        """
        stored = layer.reader.stored_bytes
        if read is None or read.compression is not Compression.NONE or layer.reader.is_as_pulled:
            return cls(stored, stored, is_estimate=False)
        return cls(read.table.unpacked_bytes, read.compressed_estimate, is_estimate=True)

    @classmethod
    def sum(cls, sizes: Iterable[PullSize]) -> PullSize:
        """Return the size of several layers together."""
        sizes = tuple(sizes)
        known = [size.pull_bytes for size in sizes if size.pull_bytes is not None]
        total = sum(known) if len(known) == len(sizes) else None
        return cls(sum(size.stored_bytes for size in sizes), total, any(size.is_estimate for size in sizes))


@dataclass(frozen=True, slots=True, eq=False)
class BuildStep:
    """One step of the build and the layer that it made, None if it made none; `history` is None if there is none."""

    history: HistoryStep | None
    layer: StoredLayer | None

    @property
    def created_by(self) -> str:
        """Return the step's instruction; empty when the history does not say."""
        return self.history.created_by if self.history else ""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An opened image. `reference` is what the user typed; `name` the tag that was chosen, or empty.

    `config_digest` is the image's id, `manifest_digest` is None, and `raw_manifest` empty, for archives without an OCI
    manifest. `states_id` is False where `config_digest` is not the hash of `raw_config`, as before Docker 1.10. `noun` names
    what is shown as an image of one layer without being an image (`a root filesystem`), and is empty for an image; `is_guessed`
    says that the user did not ask for that. `problems` are about the documents (odd history, wrong sizes, ...), none of them
    about an entry. `stop_reading` makes every thread that reads a layer fail at once, where reading waits for a network, and
    `count_fetched` returns how many bytes were fetched so far, None where nothing is. `find_attached` lists the signatures and
    the like that are where the image is; it may ask a registry, and raise LayerscopeError.
    """

    reference: str
    name: str
    platform: Platform
    config_digest: Digest
    manifest_digest: Digest | None
    config: Config
    raw_config: bytes
    raw_manifest: bytes
    layers: tuple[StoredLayer, ...]
    annotations: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    states_id: bool = True
    noun: str = ""
    is_guessed: bool = False
    stop_reading: Callable[[], None] = ignore
    count_fetched: Callable[[], int] | None = None
    find_attached: Callable[[], Sequence[Attached]] = tuple

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the problems as sentences."""
        return tuple(problem.text for problem in self.problems)

    @property
    def id(self) -> Digest | None:
        """Return the image's id; None for what has no config to compute it from."""
        return None if self.noun else self.config_digest

    @property
    def short_id(self) -> str:
        """Return what a title calls the image: the first digits of its id, or else what it is."""
        return self.noun or self.config_digest.short

    @property
    def steps(self) -> list[BuildStep]:
        """Return every step of the history, including empty ones, with its layer; layers that no step made come last."""
        layers = iter(self.layers)
        steps = [BuildStep(step, None if step.empty_layer else next(layers, None)) for step in self.config.history]
        return [*steps, *(BuildStep(layer.history, layer) for layer in layers)]
