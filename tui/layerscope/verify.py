"""Checks an image's bytes: each blob against its digest, its unpacked bytes against its diff_id."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from layerscope.doubt import Check, document_checks, hash_algorithms, layer_checks
from layerscope.progress import Progress
from layerscope.reading import ByteCount
from layerscope.sources.image import Image, StoredLayer

AT_ONCE = 2
"""Layers hashed side by side."""


def verify(image: Image, *, progress: Progress) -> list[Check]:
    """Check the manifest, the config and every layer, in order, against their digests.

    A damaged or absent layer is a failed check; an absent foreign layer, which registries need not have, passes with a note.

    Each blob is read once, in bounded memory, two layers at a time.
    """
    watch = ByteCount(progress, "verifying", sum(layer.reader.stored_bytes for layer in image.layers))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        try:
            found = list(pool.map(lambda layer: _layer_checks(layer, watch), image.layers))
        except BaseException:
            watch.stop()
            image.stop_reading()
            pool.shutdown(cancel_futures=True)
            raise
    return [*document_checks(image), *_stated_checks(image), *(check for checks in found for check in checks)]


def exit_code(checks: Iterable[Check]) -> int:
    """Return 1 when a check failed, else 2 when anything could not be read, else 0."""
    failed = [check for check in checks if not check.ok]
    return 1 if any(not check.is_unread for check in failed) else 2 if failed else 0


def _stated_checks(image: Image) -> list[Check]:
    """Return a failed check for each doubt found when the image was opened: about counts, sizes or the indexes above it."""
    found = [problem for problem in image.problems if problem.is_doubt]
    return [Check("image", "", "", ok=False, note=problem.text, is_unread=problem.is_fatal) for problem in found]


def _layer_checks(layer: StoredLayer, watch: ByteCount) -> list[Check]:
    reader = layer.reader
    if reader.missing_bytes:
        note, ok = reader.missing_bytes, reader.may_be_missing
        return [Check(f"layer {layer.number}", layer.digest or layer.diff_id or "", "", ok=ok, note=note, is_unread=True)]
    hashes, damage = reader.hashes(hash_algorithms(layer), watch.add)
    return layer_checks(layer, hashes, damage)
