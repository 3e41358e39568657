"""The tags of a repository over time, for programs: a line of JSON a tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.families.tag_series import TagBase, TagGrowth, TagSeries
from layerscope.report.encode import json_line
from layerscope.sources.listing.sized_tag import SizedTag
from layerscope.text import utf8_text
from layerscope.wording.sentences import clean_instruction


def tag_line(series: TagSeries, number: int) -> bytes:
    """Encode a tag as JSON on one line. Sizes are bytes; null means that it is not known.

    `tag`, `digest` (of its manifest or index), `platform`, `created` and `pushed` (RFC 3339), `wire_bytes`; `layers`, base
    first, each with `digest`, `bytes`, `instruction`; `base_layers`, `base_bytes`, `own_bytes` and `base_known_by` (`stated`,
    `shared`); `compared_with`, the tag before of the same variant; `grown_bytes`; `changed_layers`, the ones that count most
    first, each with `layer`, `old_layer`, `digest`, `bytes`, `grown_bytes`, `instruction`.
    """
    tag, base, growth = series.tags[number], series.bases[number], series.growths[number]
    return json_line(
        {
            "tag": utf8_text(tag.tag),
            "digest": tag.digest,
            "platform": utf8_text(tag.platform) or None,
            "created": utf8_text(tag.created) or None,
            "pushed": utf8_text(tag.pushed) or None,
            "wire_bytes": tag.wire_bytes,
            "layers": _layers(tag),
            **_base_fields(tag, base),
            "compared_with": utf8_text(series.tags[growth.old].tag) if growth else None,
            "grown_bytes": growth.grown if growth else None,
            "changed_layers": _changes(growth, series.tags) if growth else None,
        }
    )


def _layers(tag: SizedTag) -> list[dict[str, Any]] | None:
    if tag.layers is None:
        return None
    return [
        {
            "digest": layer.digest,
            "bytes": layer.size if layer.size >= 0 else None,
            "instruction": utf8_text(clean_instruction(layer.created_by)),
        }
        for layer in tag.layers
    ]


def _base_fields(tag: SizedTag, base: TagBase | None) -> dict[str, Any]:
    own = tag.wire_bytes - base.size if base is not None and tag.wire_bytes is not None else None
    return {
        "base_layers": base.layers if base else None,
        "base_bytes": base.size if base else None,
        "own_bytes": own,
        "base_known_by": base.clue.value if base else None,
    }


def _changes(growth: TagGrowth, tags: Sequence[SizedTag]) -> list[dict[str, Any]] | None:
    if tags[growth.old].layers is None or tags[growth.new].layers is None:
        return None
    return [
        {
            "layer": change.new,
            "old_layer": change.old,
            "digest": change.layer.digest,
            "bytes": change.layer.size if change.layer.size >= 0 else None,
            "grown_bytes": change.grown,
            "instruction": utf8_text(clean_instruction(change.layer.created_by)),
        }
        for change in growth.changes
    ]
