"""What one command has already asked of registries, for the other images that it opens there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock

from layerscope.layers.hashing import Algorithms
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.stream import numbered
from layerscope.oci.digest import Digest
from layerscope.sources.registry.credentials import parts_with_own_credentials
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.repository import Document, Repository
from layerscope.sources.registry.traffic import HostLimit, Traffic, no_limit
from layerscope.sources.registry.transport import Connection


@dataclass(eq=False)
class RegistryVisit:
    """Connections, documents and layers that the images which one command opens have in common: none is fetched twice.

    Open all images before the layers of the first are read: only layers that several images have are kept in memory, and none
    unless it `keeps_layers`. `shared_limit` is that of all workers of a command that has several.
    """

    keeps_layers: bool = True
    shared_limit: HostLimit = no_limit
    _traffic: Traffic | None = None
    _connections: dict[tuple[str, str, RegistryEndpoint], Connection] = field(default_factory=dict)
    _parts: dict[str, list[str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _found: dict[str, tuple[Repository, Document]] = field(default_factory=dict)
    _expected: Counter[Digest] = field(default_factory=Counter)
    _layers: dict[tuple[Digest, str], ReadLayer] = field(default_factory=dict)

    def traffic(self, bytes_per_second: int) -> Traffic:
        """Return the one limiter of all images."""
        if self._traffic is None:
            self._traffic = Traffic(bytes_per_second, self.shared_limit)
        return self._traffic

    def connection(self, host: str, endpoint: RegistryEndpoint, opened: Callable[[], Connection]) -> Connection:
        """Return the connection to an endpoint with the credentials for `host`; `opened` makes the first one.

        Repositories at one address share it, unless other credentials are stored for one of them.
        """
        with self._lock:
            if host not in self._parts:
                self._parts[host] = sorted(parts_with_own_credentials(host), key=len, reverse=True)
            part = next((part for part in self._parts[host] if f"{endpoint.repository}/".startswith(f"{part}/")), "")
            key = (host, part, replace(endpoint, repository=""))
            if key not in self._connections:
                self._connections[key] = opened()
            known = self._connections[key]
        return known if known.endpoint == endpoint else known.for_repository(endpoint)

    def found(self, name: str, find: Callable[[], tuple[Repository, Document]]) -> tuple[Repository, Document]:
        """Return what a full name leads to; a tag that moves meanwhile is the same image for the whole command."""
        if name not in self._found:
            self._found[name] = find()
        return self._found[name]

    def expect(self, layer: Digest) -> None:
        """Note that an image has this layer."""
        if self.keeps_layers:
            self._expected[layer] += 1

    def keep(self, layer: Digest, read: ReadLayer, place: str = "") -> None:
        """Keep a layer that was read, if another image has it as well; for images of the same `place` alone, unless all of it
        was hashed and has its digest.
        """
        if self._expected[layer] > 1:
            is_proved = read.hashes is not None and read.hashes.stored == layer
            self._layers[layer, "" if is_proved else place] = read

    def take(self, layer: Digest, number: int, hash_with: Algorithms | None, place: str = "") -> ReadLayer | None:
        """Return a layer that was read for another image, for layer `number` of this one; None if there is none, or if hashes
        are needed (`hash_with`) that were not made.
        """
        read = self._layers.get((layer, "")) or self._layers.get((layer, place))
        if read is None or (hash_with is not None and (read.hashes is None or not read.hashes.are_of(hash_with))):
            return None
        fetched = replace(read.fetched, bytes=0) if read.fetched else None
        return replace(numbered(read, number), fetched=fetched)
