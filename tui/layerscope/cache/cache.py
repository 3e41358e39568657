"""The layer cache as a whole: stored layers, and notes about images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from layerscope import __version__
from layerscope.cache import directory as files
from layerscope.cache.columns import Unusable
from layerscope.cache.directory import DOCUMENT, IMAGE, WINDOWS, CacheKey, IdKind, KeptFile
from layerscope.cache.format import CachedLayer, Fingerprint, OtherFormat, decode, encode, seal, unpacked, unseal
from layerscope.cache.windows import decode_windows, encode_windows
from layerscope.layers.compression import SeekPoint
from layerscope.layers.readers.blob import ReadLayer
from layerscope.oci.digest import Digest
from layerscope.units import parse_size

DIRECTORY = "LAYERSCOPE_CACHE"
SIZE = "LAYERSCOPE_CACHE_SIZE"
DEFAULT_LIMIT = 512_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cache:
    """The layers stored in a directory, `limit` bytes of them at most.

    Unless `makes_room`, what is stored may exceed the limit until `make_room` is called. `trouble` says why nothing is found or
    stored; empty if all is well. Nothing here raises: what cannot be used is absent.
    """

    directory: Path
    limit: int = DEFAULT_LIMIT
    trouble: str = ""
    makes_room: bool = True

    @classmethod
    def open(cls, directory: Path | None = None, limit: int | None = None) -> Cache:
        """Open the user's cache, or one in another directory. Creates no directory before there is something to store.

        LAYERSCOPE_CACHE names another directory, LAYERSCOPE_CACHE_SIZE (`300MB`) another limit.
        """
        directory = directory or _usual_directory()
        stated = os.environ.get(SIZE, "")
        bounded = parse_size(stated) if stated and limit is None else limit
        trouble = files.why_not(directory)
        if stated and limit is None and bounded is None:
            trouble = trouble or f"{SIZE} is not a size such as 300MB"
        return cls(directory, DEFAULT_LIMIT if bounded is None else bounded, trouble)

    def has(self, diff_id: Digest, ids: Iterable[IdKind]) -> bool:
        """Tell whether there is a file of an engine's layer with content ids of a kind in `ids`; `find` may still reject it."""
        names = (CacheKey(diff_id, kind).name for kind in ids)
        return not self.trouble and any(name and (self.directory / name).exists() for name in names)

    def find(self, diff_id: Digest, ids: Iterable[IdKind], *, layer: int) -> ReadLayer | None:
        """Look up an engine's layer, with content ids of the first kind in `ids` that is stored; None if none is.

        Its problems will name layer number `layer`.
        """
        for kind in ids:
            kept = self.load(CacheKey(diff_id, kind), layer)
            if kept is not None:
                return kept.read
        return None

    def keep(self, diff_id: Digest, read: ReadLayer, ids: IdKind) -> None:
        """Store an engine's layer. The caller vouches that the engine has these bytes under this diff_id."""
        self.store(CacheKey(diff_id, ids), read, None)

    def recall(self, image_id: Digest) -> bytes | None:
        """Look up the note (facts that an engine was asked for) on an engine's image; None if there is none."""
        name = CacheKey(image_id, IMAGE).name
        return self._read(name, lambda data: decode_note(data, name=name))

    def note(self, image_id: Digest, text: bytes) -> None:
        """Store a note on an engine's image. The caller has checked that it belongs to this id."""
        name = CacheKey(image_id, IMAGE).name
        if name and not self.trouble:
            self._write(name, lambda: encode_note(text, name=name))

    def document(self, digest: Digest) -> bytes | None:
        """Look up a manifest, index or config of a registry's image. A file that no longer has this digest is removed."""

        def checked(data: bytes) -> bytes:
            if not digest.matches(data):
                raise Unusable
            return data

        return self._read(CacheKey(digest, DOCUMENT).name, checked)

    def keep_document(self, digest: Digest, raw: bytes) -> None:
        """Store a manifest, index or config of a registry's image. The caller has checked it against its digest."""
        name = CacheKey(digest, DOCUMENT).name
        if name and not self.trouble:
            self._write(name, lambda: raw)

    def windows(self, blob: Digest) -> tuple[SeekPoint, ...] | None:
        """Look up the places at which gzip can restart in a registry's blob; None if it was never read to find them."""
        name = CacheKey(blob, WINDOWS).name
        return self._read(name, lambda data: decode_windows(data, name=name))

    def has_windows(self, blob: Digest) -> bool:
        """Tell whether there is a file of such places, without reading it."""
        name = CacheKey(blob, WINDOWS).name
        return bool(name) and not self.trouble and (self.directory / name).exists()

    def keep_windows(self, blob: Digest, points: Sequence[SeekPoint]) -> None:
        """Store places at which gzip can restart in a registry's blob. The caller has checked the blob against its digest."""
        name = CacheKey(blob, WINDOWS).name
        if name and not self.trouble:
            self._write(name, lambda: encode_windows(points, name=name))

    def make_room(self) -> None:
        """Remove what was used least recently, until the rest takes at most `limit` bytes."""
        if not self.trouble:
            files.make_room(self.directory, self.limit)

    def entries(self) -> list[KeptFile]:
        """List every stored file, least recently used first."""
        return files.kept_files(self.directory)

    def clear(self) -> list[KeptFile]:
        """Remove all stored and unfinished files, and nothing else in the directory. Returns what was removed."""
        files.remove_unfinished(self.directory, 0)
        return [file for file in self.entries() if files.remove(self.directory, file.name)]

    def load(self, key: CacheKey, layer: int) -> CachedLayer | None:
        """Look up the layer in the file of `key`; its problems will name layer number `layer`. None if there is none."""
        return self._read(key.name, lambda data: decode(data, name=key.name, layer=layer))

    def store(self, key: CacheKey, read: ReadLayer, fingerprint: Fingerprint | None) -> None:
        """Write a layer to the file of `key`, unless some of its entries could not be read."""
        if key.name and not self.trouble and is_keepable(read):
            self._write(key.name, lambda: encode(read, name=key.name, fingerprint=fingerprint))

    def _read(self, name: str, decoded: Callable[[bytes], T]) -> T | None:
        """Read and decode the file `name`; a damaged one is removed, one of another version of this program is left alone."""
        data = files.read(self.directory, name) if name and not self.trouble else None
        if data is None:
            return None
        try:
            return decoded(data)
        except OtherFormat:
            return None
        except (Unusable, MemoryError):
            files.remove(self.directory, name)
            return None

    def _write(self, name: str, encoded: Callable[[], bytes]) -> None:
        # A full disk, and what msgpack cannot hold.
        with suppress(OSError, MemoryError, ValueError, OverflowError):
            data = encoded()
            if len(data) <= self.limit:
                files.write(self.directory, name, data)
                if self.makes_room:
                    files.make_room(self.directory, self.limit)


def is_keepable(read: ReadLayer) -> bool:
    """Tell whether all entries of a layer could be read, so that it may be stored."""
    return not any(problem.is_fatal for problem in read.table.problems)


def _usual_directory() -> Path:
    if os.environ.get(DIRECTORY):
        return Path(os.environ[DIRECTORY]).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("layerscope", appauthor=False) / "layers"


class _NoteFile(msgspec.Struct, array_like=True, frozen=True):
    made_by: str
    name: str
    text: bytes


def encode_note(text: bytes, *, name: str) -> bytes:
    """Return the bytes of the cache file called `name` that holds the note `text`."""
    return seal(msgspec.msgpack.encode(_NoteFile(__version__, name, text)))


def decode_note(data: bytes, *, name: str) -> bytes:
    """Return the note in the bytes of a cache file called `name`.

    Raises OtherFormat, or Unusable for anything that `encode_note` did not write.
    """
    note = unpacked(unseal(data)[0], _NoteFile)
    if note.made_by != __version__:
        raise OtherFormat
    if note.name != name:
        raise Unusable
    return note.text
