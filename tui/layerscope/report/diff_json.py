"""The comparison of two images as one JSON document, schema `layerscope.diff/1`: a contract that scripts rely on."""

from __future__ import annotations

from typing import Any

from layerscope.analysis import Analysis
from layerscope.compare.architecture_names import NameRule
from layerscope.compare.comparison import Aspect, Comparison
from layerscope.compare.documents import document_difference, has_same_layers
from layerscope.compare.layers import LayerDifference, LayerState, PairedLayer, layer_difference, pair_layers
from layerscope.report.encode import estimate_field, json_line, path_fields
from layerscope.report.layer_changes import why_changed
from layerscope.text import utf8_text
from layerscope.tree.tree import Change
from layerscope.wording.sentences import history_fields

SCHEMA = "layerscope.diff/1"


def diff_json(comparison: Comparison) -> bytes:
    """Encode the comparison of two images, with a newline at the end. Sizes are in bytes, layers count from 1, base first.

    Of two platforms, a path may have another `old_path`; `paired_by` has the rules by which the two are a pair (`NameRule`).
    No layer has a `difference` there: all of them differ in their binaries.
    """
    old, new = comparison.old, comparison.new
    document = {
        "schema": SCHEMA,
        "old": _image(old),
        "new": _image(new),
        "waste_by_cause": {
            cause.word: {"old": before, "new": new.waste.by_cause()[cause]} for cause, before in old.waste.by_cause().items()
        },
        "layers": [_layer(comparison, pair) for pair in pair_layers(old, new)],
        "documents": _documents(old, new) if has_same_layers(old, new) else None,
        "mapped_paths": comparison.mapped_paths,
        "directory_times": comparison.directory_times,
        "uncompared": comparison.uncompared,
        "paths": [_path(comparison, row) for row in range(len(comparison))],
    }
    return json_line(document)


def _image(analysis: Analysis) -> dict[str, Any]:
    image, waste = analysis.image, analysis.waste
    return {
        "reference": utf8_text(image.reference),
        "name": utf8_text(image.name),
        "id": image.id,
        "platform": image.platform.name,
        "layers": len(image.layers),
        "content_bytes": waste.content_bytes,
        "live_bytes": waste.live_bytes,
        "wasted_bytes": waste.wasted_bytes,
        "wire_bytes": analysis.pull_size.stored_bytes,
        **estimate_field(analysis.pull_size),
        "efficiency": waste.efficiency,
        "is_complete": analysis.contents.is_complete,
    }


def _layer(comparison: Comparison, pair: PairedLayer) -> dict[str, Any]:
    return {
        "state": pair.state,
        "old": _side(comparison.old, pair.old),
        "new": _side(comparison.new, pair.new),
        "difference": _difference(layer_difference(comparison.old, comparison.new, pair))
        if pair.state is LayerState.CHANGED and not comparison.is_of_platforms
        else None,
    }


def _side(analysis: Analysis, number: int | None) -> dict[str, Any] | None:
    if number is None:
        return None
    layer, size = analysis.image.layers[number - 1], analysis.layer_sizes[number - 1]
    waste = analysis.waste.by_layer(analysis.tree.layers)
    return {
        "number": number,
        "digest": layer.digest,
        "diff_id": layer.diff_id,
        **history_fields(layer.history),
        "content_bytes": analysis.layer_content_bytes[number - 1],
        "wire_bytes": size.stored_bytes,
        **estimate_field(size),
        "wasted_bytes": int(waste[number - 1]),
    }


def _difference(difference: LayerDifference) -> dict[str, Any]:
    names = ("added", "removed", "content", "metadata", "times", "unknown", "links", "hidden", "markers")
    return {
        "sentence": why_changed(difference),
        "only_times": difference.is_only_times,
        **{name: [path_fields(path)["path"] for path in getattr(difference, name)] for name in names},
    }


def _documents(old: Analysis, new: Analysis) -> dict[str, Any]:
    """Return the JSON fields that say how config, history, manifest and stored layers of two images differ."""
    found = document_difference(old, new)
    return {
        "config_fields": [utf8_text(field) for field in found.fields],
        "history_steps": found.history,
        "is_history_longer": found.is_history_longer,
        "stored_otherwise": [{"layer": each.number, "old": each.old, "new": each.new} for each in found.stored],
        "same_config": found.has_same_config,
        "same_manifest": found.has_same_manifest,
    }


def _path(comparison: Comparison, row: int) -> dict[str, Any]:
    old, new = int(comparison.old_size[row]), int(comparison.new_size[row])
    return {
        **path_fields(comparison.path(row)),
        **(_pairing(comparison, row) if comparison.is_of_platforms else {}),
        "change": Change(comparison.change[row]).name.lower(),
        "differs": Aspect(int(comparison.aspects[row])).words,
        "old_bytes": old if comparison.old_node[row] >= 0 else None,
        "new_bytes": new if comparison.new_node[row] >= 0 else None,
        "grown_bytes": new - old,
    }


def _pairing(comparison: Comparison, row: int) -> dict[str, Any]:
    """Return the JSON fields that say which path of the old platform a path of the new one was compared with, and why."""
    rules = NameRule(int(comparison.rules[row]))
    old_path = path_fields(comparison.old_path(row), field="old_path") if rules else {"old_path": None}
    return {**old_path, "paired_by": rules.words}
