"""The analysis as one JSON document, schema `layerscope.analysis/1`: a contract that scripts rely on."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from layerscope.analysis import Analysis
from layerscope.masking import masked, masked_document, without_build_arguments
from layerscope.report.encode import estimate_field, fetched_fields, json_line, path_fields
from layerscope.text import utf8_text
from layerscope.tree.tree import Change, Tree
from layerscope.waste.find import Cause
from layerscope.wording.sentences import history_fields

SCHEMA = "layerscope.analysis/1"


def analysis_json(analysis: Analysis) -> bytes:
    """Encode an analysis as one document, with a newline at the end. Sizes are in bytes, layers count from 1, base first."""
    document = {
        "schema": SCHEMA,
        "image": image_fields(analysis),
        "layers": layer_fields(analysis),
        "waste": {
            "by_cause": {cause.word: size for cause, size in analysis.waste.by_cause().items()},
            "items": _items(analysis),
        },
        "duplicates": _duplicates(analysis),
        "duplicates_compared_from_bytes": analysis.duplicates.compared_from,
        "base": _base(analysis),
        "dive": _dive(analysis),
        "problems": _problems(analysis),
    }
    return json_line(document)


def image_fields(analysis: Analysis) -> dict[str, Any]:
    """Return the fields of the image as a whole."""
    image, waste = analysis.image, analysis.waste
    return {
        "reference": utf8_text(image.reference),
        "name": utf8_text(image.name),
        "id": image.id,
        "manifest_digest": image.manifest_digest,
        "platform": image.platform.name,
        "os_version": utf8_text(image.platform.os_version) or None,
        "created": utf8_text(image.config.created) or None,
        "layers": len(image.layers),
        "entries": len(analysis.tree.entries),
        "files": int(analysis.tree.view(len(image.layers)).subtree_files[0]) if image.layers else 0,
        "content_bytes": waste.content_bytes,
        "live_bytes": waste.live_bytes,
        "wasted_bytes": waste.wasted_bytes,
        "estargz_bytes": waste.estargz_bytes,
        "wire_bytes": analysis.pull_size.stored_bytes,
        **estimate_field(analysis.pull_size),
        "wire_bytes_wasted_estimate": sum(analysis.wire_bytes_wasted),
        **({} if image.count_fetched is None else {"fetched_bytes": image.count_fetched()}),
        "efficiency": waste.efficiency,
        "is_complete": analysis.contents.is_complete,
        "annotations": masked_document(image.annotations),
        # On one line: programs that read it must not depend on its layout.
        "config": msgspec.Raw(msgspec.json.encode(masked_document(msgspec.json.decode(image.raw_config)))),
    }


def layer_fields(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the fields of each layer, base first."""
    tree, waste, image = analysis.tree, analysis.waste, analysis.image
    wasted = waste.by_layer(tree.layers).tolist()
    buried = waste.by_layer(tree.layers, column="buried_by").tolist()
    content, sizes = analysis.layer_content_bytes, analysis.layer_sizes
    return [
        {
            "number": layer.number,
            "digest": layer.digest,
            "diff_id": layer.diff_id,
            "chain_id": layer.chain_id,
            "media_type": utf8_text(layer.media_type),
            "compression": analysis.contents.compression(layer.number),
            "created_by": utf8_text(masked(without_build_arguments(layer.created_by))),
            "comment": history_fields(layer.history)["comment"],
            "author": history_fields(layer.history)["author"],
            "content_bytes": content[layer.number - 1],
            "unpacked_bytes": analysis.contents.stack.tables[layer.number - 1].unpacked_bytes,
            "wire_bytes": sizes[layer.number - 1].stored_bytes,
            **estimate_field(sizes[layer.number - 1]),
            "wasted_bytes": wasted[layer.number - 1],
            "buries_bytes": buried[layer.number - 1],
            "wire_bytes_wasted_estimate": analysis.wire_bytes_wasted[layer.number - 1],
            **fetched_fields(analysis.contents.fetched_by(layer.number)),
            **_change_counts(tree, layer.number),
        }
        for layer in image.layers
    ]


def _change_counts(tree: Tree, layer: int) -> dict[str, int]:
    counts = np.bincount(tree.view(layer).change, minlength=len(Change)).tolist()
    return {change.name.lower(): counts[change] for change in (Change.ADDED, Change.MODIFIED, Change.REMOVED)}


def _items(analysis: Analysis) -> list[dict[str, Any]]:
    waste, paths = analysis.waste, analysis.tree.nodes.paths
    words = {int(cause): cause.word for cause in Cause}
    columns = (waste.node, waste.size, waste.cause, waste.written_by, waste.buried_by)
    base = analysis.base_layers
    marks = [None] * len(waste) if base is None else waste.is_base(base).tolist()
    return [
        {
            **path_fields(paths[node]),
            "bytes": size,
            "cause": words[cause],
            "written_by": written_by,
            "buried_by": buried_by,
            "is_base": is_base,
        }
        for node, size, cause, written_by, buried_by, is_base in zip(
            *(column.tolist() for column in columns), marks, strict=True
        )
    ]


def _duplicates(analysis: Analysis) -> list[dict[str, Any]]:
    paths = analysis.tree.nodes.paths
    return [
        {
            "bytes": group.size,
            "copies": len(group.nodes),
            "extra_bytes": group.extra_bytes,
            "paths": [path_fields(paths[node])["path"] for node in group.nodes],
        }
        for group in analysis.duplicates.groups
    ]


def _base(analysis: Analysis) -> dict[str, Any]:
    own, base = analysis.own_and_base_waste
    return {
        "layers": analysis.base_layers,
        "name": utf8_text(analysis.base_name) or None,
        "wasted_bytes": base,
        "own_wasted_bytes": own,
    }


def _dive(analysis: Analysis) -> dict[str, Any]:
    """Return dive's figures under dive's names, and a `note` on what is odd about them.

    NaN and infinity are null, because JSON has no such numbers; the note then says so.
    """
    figures = analysis.dive
    return {
        "efficiencyScore": figures.efficiency_score,
        "inefficientBytes": figures.inefficient_bytes,
        "userWastedPercent": figures.user_wasted_percent,
        "sizeBytes": figures.size_bytes,
        "note": figures.note,
    }


def _problems(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {
            "layer": problem.layer or None,
            **(path_fields(problem.path) if problem.path else {"path": None}),
            "problem": utf8_text(problem.text),
            "severity": problem.severity.name.lower(),
            "is_fatal": problem.is_fatal,
        }
        for problem in analysis.problems
    ]
