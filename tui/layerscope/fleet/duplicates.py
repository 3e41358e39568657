"""Large files that several layers of different images hold with the same content: candidates for a common base."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.fleet.fleet import Fleet
from layerscope.fleet.run import FleetResults

MOST = 1000


@dataclass(frozen=True, slots=True)
class FleetDuplicate:
    """One content of `size` bytes that the layers `keys` hold, each stored for itself, in `images` (numbers).

    `path` is its shortest path, the first in the alphabet of those.
    """

    id: str
    size: int
    path: bytes
    keys: tuple[str, ...]
    images: tuple[int, ...]

    @property
    def extra_bytes(self) -> int:
        """Return what all copies but one take."""
        return self.size * (len(self.keys) - 1)


def find_fleet_duplicates(fleet: Fleet, results: FleetResults) -> tuple[FleetDuplicate, ...]:
    """Return the contents that layers of several images hold more than once, the most bytes first."""
    holders: dict[tuple[bytes, int], dict[str, bytes]] = {}
    for key, summary in results.layers.items():
        for file in summary.files:
            paths = holders.setdefault((file.id, file.size), {})
            paths[key] = min(paths.get(key, file.path), file.path, key=lambda path: (len(path), path))
    found = []
    for (id_, size), paths in holders.items():
        images = sorted({number for key in paths for number in fleet.layers[key].images})
        if len(paths) > 1 and len(images) > 1:
            shortest = min(paths.values(), key=lambda path: (len(path), path))
            found.append(FleetDuplicate(id_.hex(), size, shortest, tuple(sorted(paths)), tuple(images)))
    return tuple(sorted(found, key=lambda each: (-each.extra_bytes, each.id))[:MOST])
