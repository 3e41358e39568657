"""Differences between images with the same layers: in their configs, histories, and how the layers are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from layerscope.analysis import Analysis
from layerscope.compare.layers import LayerState, pair_layers
from layerscope.layers.compression import Compression

_HISTORY = "history"
_SETTINGS = ("config", "container_config")
"""Objects whose fields are compared one by one: the settings that start a container."""
_PAIRS = frozenset({"Env", "Labels", "ExposedPorts", "Volumes"})
"""Fields of the container's settings that are mappings or lists: of these, the keys that differ are named, too."""


@dataclass(frozen=True, slots=True)
class StoredOtherwise:
    """A layer of both images, by number, whose stored bytes differ although its tar is the same."""

    number: int
    old: Compression | None
    new: Compression | None


@dataclass(frozen=True, slots=True)
class DocumentDifference:
    """The differences between two images whose layers' tars are the same. Texts are not escaped yet.

    `fields` name fields of the config such as `created` or `config.Env (PATH, HOME)`; `history` the steps, from 1, in which any
    text differs; `is_history_longer` whether one has more steps; `stored` the layers that are stored in another way.
    `has_same_config` and `has_same_manifest` say whether the digests are the same; the latter also where neither is known.
    """

    fields: tuple[str, ...]
    history: tuple[int, ...]
    is_history_longer: bool
    stored: tuple[StoredOtherwise, ...]
    has_same_config: bool
    has_same_manifest: bool


def has_same_layers(old: Analysis, new: Analysis) -> bool:
    """Tell whether both images have the same layers, by diff_id."""
    return all(pair.state is LayerState.SHARED for pair in pair_layers(old, new))


def document_difference(old: Analysis, new: Analysis) -> DocumentDifference:
    """Compare two images that have the same layers."""
    mine, theirs = (msgspec.json.decode(each.image.raw_config) for each in (old, new))
    before, after = _steps(mine), _steps(theirs)
    return DocumentDifference(
        fields=tuple(sorted(_fields(mine, theirs))),
        history=tuple(number for number, (one, other) in enumerate(zip(before, after, strict=False), 1) if one != other),
        is_history_longer=len(before) != len(after),
        stored=tuple(_stored_otherwise(old, new)),
        has_same_config=old.image.config_digest == new.image.config_digest,
        has_same_manifest=old.image.manifest_digest == new.image.manifest_digest,
    )


def _steps(config: Any) -> list[Any]:
    return config.get(_HISTORY) or [] if isinstance(config, dict) else []


def _fields(old: Any, new: Any) -> Iterator[str]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    for key in _differing(old, new) - {_HISTORY}:
        left, right = old.get(key), new.get(key)
        if key in _SETTINGS and isinstance(left, dict) and isinstance(right, dict):
            yield from (f"{key}.{_named(name, left.get(name), right.get(name))}" for name in _differing(left, right))
        else:
            yield key


def _differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _named(field: str, old: Any, new: Any) -> str:
    """Name a field that differs, with the keys that differ in it if it is one of _PAIRS."""
    if field not in _PAIRS:
        return field
    keys = sorted(_differing(_settings(old), _settings(new)))
    return f"{field} ({', '.join(keys)})" if keys else f"{field} (in another order)"


def _settings(value: Any) -> dict[str, Any]:
    """Return an object as it is, and a list of `NAME=value` texts as a mapping."""
    if isinstance(value, dict):
        return value
    pairs = (str(item).partition("=") for item in value or ())
    return {name: text for name, _, text in pairs}


def _stored_otherwise(old: Analysis, new: Analysis) -> Iterator[StoredOtherwise]:
    for mine, theirs in zip(old.image.layers, new.image.layers, strict=True):
        ways = old.contents.compression(mine.number), new.contents.compression(theirs.number)
        is_other_blob = mine.digest is not None and theirs.digest is not None and mine.digest != theirs.digest
        if None not in ways and (ways[0] != ways[1] or is_other_blob):
            yield StoredOtherwise(mine.number, *ways)
