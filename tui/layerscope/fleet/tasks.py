"""The tasks of a fleet: read one layer, and merge one image. Each is small to send, and runs on any worker.

A task names what it reads, and a worker finds credentials for that by itself. Results go to the shared place and come back as
summaries; whoever does a task twice gets the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from threading import Lock

import numpy as np
import numpy.typing as npt

from layerscope import __version__
from layerscope.analysis import Analysis, analyze, read_image
from layerscope.cache.cache import Cache
from layerscope.doubt import doubts, hash_algorithms, layer_problems
from layerscope.errors import CorruptLayer, LayerscopeError, UsageError
from layerscope.fleet.host_limits import lease_of, semaphore_of
from layerscope.fleet.shared_reader import is_what_it_is_called, with_shared_layers
from layerscope.fleet.store import ResultStore, open_store
from layerscope.fleet.summaries import (
    ImageResult,
    LargeFile,
    LayerOfImage,
    LayerResult,
    WastedPart,
    decode_summary,
    encode_summary,
)
from layerscope.layers.content import LayerContent
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import ReadOptions
from layerscope.layers.table import Entries, Kind, Problem
from layerscope.oci.platform import Platform
from layerscope.progress import ignore
from layerscope.sources.image import Image
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from layerscope.sources.registry.visit import RegistryVisit
from layerscope.text import escape
from layerscope.waste.find import by_layer_pair

LARGE = 1 << 20
"""The least bytes of a file that is looked for in other images."""
MOST_LARGE = 200
"""The most such files of a layer, the largest first."""
LONGEST_INSTRUCTION = 300
MAKES_ROOM_EVERY = 200
"""Tasks after which a worker looks whether its cache has outgrown its limit."""
KEPT_OPEN = 8
"""Images that a worker keeps open, for the next task about one of them; each may hold an engine's export."""


@dataclass(frozen=True, slots=True)
class HowToRead:
    """How workers open images, and the `place` of the results.

    With `is_cached`, they use their own cache, too; with `is_on_dask`, they ask dask's scheduler before a registry. `run` tells
    a run from others, of which a worker that outlives it keeps nothing open; `version` is the client's.
    """

    place: str
    insecure: tuple[str, ...] = ()
    bytes_per_second: int = 0
    trust_toc: bool = False
    is_cached: bool = True
    is_on_dask: bool = False
    run: str = ""
    version: str = __version__

    def name_of(self, key: str) -> str:
        """Return what a layer's results are called by: what its table of contents claims is no result for those who read it."""
        return f"{key} (as its table of contents says)" if self.trust_toc else key


@dataclass(frozen=True, slots=True)
class ImageTask:
    """Merge one image. `exact` opens it, `keys` identify its layers, base first, and `id` its config."""

    exact: str
    platform: Platform
    id: str
    keys: tuple[str, ...]
    how: HowToRead

    @property
    def name(self) -> str:
        """Return the name of its result's file."""
        return f"images/{_hashed(self.id, str(self.platform), *(self.how.name_of(key) for key in self.keys))}"


@dataclass(frozen=True, slots=True)
class LayerTask:
    """Read layer `number` of the image that `exact` opens; `key` identifies it, `size` is in stored bytes."""

    exact: str
    platform: Platform
    number: int
    key: str
    size: int
    how: HowToRead

    @property
    def name(self) -> str:
        """Return the name of its result's file."""
        return f"layers/{_hashed(self.how.name_of(self.key))}"


def _trouble(error: MemoryError | OSError) -> str:
    return escape(error.strerror or str(error)) if isinstance(error, OSError) else "this machine has not the memory to read it"


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _table_name(how: HowToRead, key: str) -> str:
    return f"tables/{_hashed(how.name_of(key))}"


def read_layer_task(task: LayerTask) -> LayerResult:
    """Read one layer, unless that was done. Never fails for the layer's sake: a summary has a `problem` then.

    Raises CannotWrite if the result cannot be kept, UsageError where this worker has another version of layerscope.
    """
    store = _store(task.how)
    known = decode_summary(store.read(task.name), task.name, LayerResult)
    if known is not None:
        return known
    try:
        image = _opened(task.exact, task.platform, task.how)
        layer = image.layers[task.number - 1]
        shared = with_shared_layers(image, (_table_name(task.how, task.key),) * len(image.layers), store, _cache(task.how))
        reader = shared.layers[task.number - 1].reader
        read = reader.read(ReadOptions(hash_with=hash_algorithms(layer)), layer=task.number, on_bytes=ignore)
        wrong = layer_problems(layer, read.hashes) if read.hashes and not is_what_it_is_called(layer, read.hashes) else []
        found = doubts([*read.table.problems, *wrong])
        if found:
            return LayerResult(problem=found[0].text)
        summary = _of_layer(read, None if read.fetched else reader.content(read))
    except (LayerscopeError, IndexError) as error:
        return LayerResult(problem=str(error))
    except (MemoryError, OSError) as error:
        return LayerResult(problem=_trouble(error))
    store.write(task.name, encode_summary(summary, task.name))
    _make_room_at_times(task.how)
    return summary


def read_image_task(task: ImageTask) -> ImageResult:
    """Merge one image whose layers were read, and read those that were not. See `read_layer_task`."""
    store = _store(task.how)
    known = decode_summary(store.read(task.name), task.name, ImageResult)
    if known is not None:
        return known
    try:
        image = _opened(task.exact, task.platform, task.how)
        if len(image.layers) != len(task.keys):
            return ImageResult(problem="it has changed since it was listed")
        shared = with_shared_layers(image, tuple(_table_name(task.how, key) for key in task.keys), store, _cache(task.how))
        summary = _of_image(analyze(read_image(shared, verify=True)))
    except LayerscopeError as error:
        return ImageResult(problem=str(error))
    except (MemoryError, OSError) as error:
        return ImageResult(problem=_trouble(error))
    if not summary.problem:
        store.write(task.name, encode_summary(summary, task.name))
    return summary


def _store(how: HowToRead) -> ResultStore:
    if how.version != __version__:
        raise UsageError(f"a worker has layerscope {__version__} and not {how.version}: install the same on all of them")
    return open_store(how.place)


@lru_cache(maxsize=KEPT_OPEN)
def _opened(exact: str, platform: Platform, how: HowToRead) -> Image:
    options = EngineOptions(
        cache=_cache(how),
        insecure=how.insecure,
        bytes_per_second=how.bytes_per_second,
        trust_toc=how.trust_toc,
        visit=_visit(how),
    )
    return open_image(exact, platform=platform, engine_options=options)


_visiting = Lock()


def _visit(how: HowToRead) -> RegistryVisit:
    with _visiting:  # two threads that come first at once would make one each, with a limit of its own
        return _made_visit(how)


@lru_cache(maxsize=4)
def _made_visit(how: HowToRead) -> RegistryVisit:
    return RegistryVisit(keeps_layers=False, shared_limit=lease_of if how.is_on_dask else semaphore_of)


@lru_cache(maxsize=4)
def _cache(how: HowToRead) -> Cache | None:
    # A look at all of the cache takes longer than to write one file.
    return replace(Cache.open(), makes_room=False) if how.is_cached else None


_done = count(1)


def _make_room_at_times(how: HowToRead) -> None:
    cache = _cache(how)
    if cache is not None and next(_done) % MAKES_ROOM_EVERY == 0:
        cache.make_room()


# Summaries.


def _of_layer(read: ReadLayer, content: LayerContent | None) -> LayerResult:
    entries = read.table.entries
    is_file = entries.kind == Kind.FILE
    rows = np.flatnonzero(is_file & (entries.size >= LARGE))
    rows = np.sort(rows[np.argsort(-entries.size[rows], kind="stable")][:MOST_LARGE])
    files = tuple(
        LargeFile(each, int(entries.size[row]), entries.paths[row])
        for each, row in zip(_ids(entries, rows, content), rows.tolist(), strict=True)
        if any(each)
    )
    return LayerResult(int(entries.size[is_file].sum()), files)


def _ids(entries: Entries, rows: npt.NDArray[np.intp], content: LayerContent | None) -> list[bytes]:
    """Return the content ids of entries, 16 bytes each; zeros, or nothing, for contents that were not hashed and cannot be."""
    ids = entries.content_id[rows].astype(">u8")
    unhashed = ~ids.any(axis=1)
    found = [row.tobytes() for row in ids]
    if content is None or not unhashed.any():
        return found
    columns = (rows[unhashed], entries.content_offset[rows[unhashed]], entries.size[rows[unhashed]])
    with suppress(CorruptLayer):
        digests = content.digests(list(zip(*(column.tolist() for column in columns), strict=True)))
        for index, digest in zip(np.flatnonzero(unhashed).tolist(), digests, strict=True):
            found[index] = digest
    return found


def _of_image(analysis: Analysis) -> ImageResult:
    waste, found = analysis.waste, doubts(analysis.problems)
    layers = zip(_identities(analysis.image), analysis.layer_content_bytes, analysis.image.layers, strict=True)
    return ImageResult(
        waste.content_bytes,
        waste.live_bytes,
        tuple(LayerOfImage(identity, content, layer.created_by[:LONGEST_INSTRUCTION]) for identity, content, layer in layers),
        tuple(_wasted_parts(analysis)),
        _told(found[0]) if found else "",
    )


def _told(problem: Problem) -> str:
    return f"layer {problem.layer}: {problem.text}" if problem.layer else problem.text


def _identities(image: Image) -> list[str]:
    """Return what identifies each layer together with all below it."""
    names, found = [str(layer.digest or layer.diff_id or layer.number) for layer in image.layers], []
    for number, layer in enumerate(image.layers, 1):
        found.append(str(layer.chain_id or f"sha256:{_hashed(*names[:number])}"))
    return found


def _wasted_parts(analysis: Analysis) -> Iterator[WastedPart]:
    waste, nodes = analysis.waste, analysis.tree.nodes
    pull_sizes = [size.stored_bytes if size.pull_bytes is None else size.pull_bytes for size in analysis.layer_sizes]
    for pair in by_layer_pair(waste):
        unpacked = analysis.contents.stack.tables[pair.written_by - 1].unpacked_bytes
        pulled = round(pair.size * pull_sizes[pair.written_by - 1] / unpacked) if unpacked else 0
        path = nodes.paths[int(waste.node[pair.largest])]
        yield WastedPart(pair.written_by, pair.buried_by, pair.cause.word, pair.size, pulled, pair.count, path)
