"""What changed since an earlier run, from the JSON that it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from layerscope.errors import BadDocument, NotFound
from layerscope.fleet.fleet import Fleet
from layerscope.text import escape

SCHEMA = "layerscope.fleet/1"
LONGEST = 1 << 30
"""Bytes of a baseline; that of 10,000 images takes 30 MB."""


class _OldImage(msgspec.Struct, frozen=True):
    names: tuple[str, ...] = ()
    name: str = ""
    id: str = ""
    platform: str = ""
    stored_bytes: int = 0


class _OldTotals(msgspec.Struct, frozen=True):
    images: int = 0
    stored_bytes: int = 0
    unique_stored_bytes: int = 0
    wasted_bytes: int | None = None


class FleetBaseline(msgspec.Struct, frozen=True):
    """What of an earlier run's JSON is compared."""

    schema: str = ""
    totals: _OldTotals = _OldTotals()
    images: tuple[_OldImage, ...] = ()


@dataclass(frozen=True, slots=True)
class NameGrowth:
    """One name then and now, in stored bytes; None where there was no such name, or is none any more."""

    name: str
    old: int | None
    new: int | None

    @property
    def bytes(self) -> int:
        """Return by how much it grew."""
        return (self.new or 0) - (self.old or 0)


@dataclass(frozen=True, slots=True)
class FleetGrowth:
    """What changed since a baseline: names, by how much the largest change first, and totals, in stored bytes."""

    changes: tuple[NameGrowth, ...]
    old_images: int
    old_stored_bytes: int
    old_unique_bytes: int
    old_wasted_bytes: int | None


def read_baseline(path: str) -> FleetBaseline:
    """Read what `layerscope fleet --json` wrote. Raises NotFound, BadDocument."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        raise NotFound(f"--baseline {escape(path)}: {getattr(error, 'strerror', None) or error}") from error
    try:
        found = msgspec.json.decode(raw, type=FleetBaseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDocument(
            f"--baseline {escape(path)} is not what layerscope fleet --json wrote: {escape(str(error))[:200]}"
        ) from error
    if found.schema != SCHEMA:
        raise BadDocument(f"--baseline {escape(path)} is not what layerscope fleet --json wrote: it has no schema {SCHEMA}")
    return found


def growth_since(fleet: Fleet, baseline: FleetBaseline) -> FleetGrowth:
    """Compare the names of two runs; an image without one goes by its id, and a name with several platforms by each."""
    old = {key: each.stored_bytes for each in baseline.images for key in _keys(each.names, each.id, each.platform)}
    new = {
        key: fleet.size_of(number)
        for number, image in enumerate(fleet.images)
        for key in _keys(image.names, str(image.facts.id), image.facts.platform.name)
    }
    platforms: dict[str, set[str]] = {}
    keys = old.keys() | new.keys()
    for name, platform in keys:
        platforms.setdefault(name, set()).add(platform)
    changes = [
        NameGrowth(
            escape(f"{name} {platform}" if len(platforms[name]) > 1 else name),
            old.get((name, platform)),
            new.get((name, platform)),
        )
        for name, platform in keys
        if old.get((name, platform)) != new.get((name, platform))
    ]
    changes.sort(key=lambda each: (-abs(each.bytes), each.name))
    totals = baseline.totals
    return FleetGrowth(tuple(changes), totals.images, totals.stored_bytes, totals.unique_stored_bytes, totals.wasted_bytes)


def _keys(names: tuple[str, ...], id: str, platform: str) -> list[tuple[str, str]]:  # noqa: A002 - what it is called
    return [(name, platform) for name in names or (id,)]
