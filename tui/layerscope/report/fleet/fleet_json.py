"""A fleet as JSON: one document, or a line an image."""

from __future__ import annotations

from typing import Any

from layerscope.fleet.answers import FleetAnswers, FleetTotals
from layerscope.fleet.bases import FleetBase, FleetBases
from layerscope.fleet.fixes import FleetFix
from layerscope.fleet.fleet import Fleet, FleetLayer
from layerscope.fleet.growth import SCHEMA, FleetGrowth
from layerscope.fleet.reclaim import Reclaimable
from layerscope.fleet.summaries import ImageResult
from layerscope.report.encode import json_line, path_fields
from layerscope.text import utf8_text
from layerscope.wording.sentences import clean_instruction


def fleet_json(answers: FleetAnswers) -> bytes:
    """Encode everything about a fleet as one document, with a newline at its end. docs/fleet.md describes it. Sizes are bytes.

    `schema` is `layerscope.fleet/1`; keys may be added to it, none is taken away or means something else.
    """
    fleet = answers.fleet
    document = {
        "schema": SCHEMA,
        "totals": totals_fields(answers.totals),
        "images": [_image(answers, number) for number in range(len(fleet.images))],
        "bases": [_base(answers, number, base) for number, base in enumerate(answers.bases.bases)],
        "layers": [_layer(answers, layer) for layer in fleet.layers.values()],
        "teams": [
            {
                "team": each.team,
                "images": len(each.images),
                "stored_bytes": each.stored_bytes,
                "freed_bytes": each.freed_bytes,
                "wasted_bytes": each.wasted_bytes,
                "base_wasted_bytes": each.base_wasted_bytes,
            }
            for each in answers.teams
        ],
        "reclaimable": _reclaimable(fleet, answers.reclaimable),
        "fixes": [_fix(answers, fix) for fix in answers.fixes],
        "duplicates": [
            {
                **path_fields(each.path),
                "bytes": each.size,
                "extra_bytes": each.extra_bytes,
                "layers": [_digest(key) for key in each.keys],
                "images": [fleet.images[number].name for number in each.images],
            }
            for each in answers.duplicates
        ],
        "outliers": [
            {"image": fleet.images[each.image].name, "bytes": each.bytes, "text": each.text} for each in answers.outliers
        ],
        "growth": _growth(answers.growth, answers.totals),
        "failed": [utf8_text(each) for each in answers.failed],
        "skipped": [utf8_text(each) for each in fleet.skipped],
    }
    return json_line(document)


def image_line(fleet: Fleet, bases: FleetBases, number: int, summary: ImageResult | None) -> bytes:
    """Encode one image on a line of its own."""
    return json_line(image_fields(fleet, bases, number, summary))


def totals_fields(totals: FleetTotals) -> dict[str, Any]:
    """Return the totals by the names of their fields."""
    return {name: getattr(totals, name) for name in totals.__slots__}


def _image(answers: FleetAnswers, number: int) -> dict[str, Any]:
    return image_fields(answers.fleet, answers.bases, number, answers.results.images[number] if answers.results else None)


def image_fields(fleet: Fleet, bases: FleetBases, number: int, summary: ImageResult | None) -> dict[str, Any]:
    """Return what is said of one image; `summary` is None if it was not read."""
    image, base = fleet.images[number], bases.of_image(number)
    stored, own = fleet.size_of(number), fleet.freed_by((number,))
    return {
        "name": utf8_text(image.name),
        "names": [utf8_text(name) for name in image.names],
        "reference": utf8_text(image.reference),
        "exact_reference": utf8_text(image.exact),
        "id": image.facts.id,
        "platform": image.facts.platform.name,
        "created": utf8_text(image.facts.created) or None,
        "pushed": utf8_text(image.facts.pushed) or None,
        "uses": image.uses,
        "base": base.title if base else None,
        "stated_base": utf8_text(image.facts.base_name) or None,
        "stored_bytes": stored,
        "own_bytes": own,
        "shared_bytes": stored - own,
        "layers": [_digest(layer.key) for layer in image.facts.layers],
        **_summary_fields(summary),
    }


def _summary_fields(summary: ImageResult | None) -> dict[str, Any]:
    """Return what reading an image told: null where it was not read, or could not be judged."""
    if summary is None or summary.problem:
        return {
            "content_bytes": None,
            "live_bytes": None,
            "wasted_bytes": None,
            "efficiency": None,
            "problem": utf8_text(summary.problem) if summary else None,
        }
    return {
        "content_bytes": summary.content_bytes,
        "live_bytes": summary.live_bytes,
        "wasted_bytes": summary.wasted_bytes,
        "efficiency": summary.live_bytes / summary.content_bytes if summary.content_bytes else 1.0,
        "problem": None,
    }


def _digest(key: str) -> str:
    """Return the digest at the end of a layer's key: a chain id for an engine's layer, a blob's digest for any other."""
    return key.rpartition(" ")[2]


def _layer(answers: FleetAnswers, layer: FleetLayer) -> dict[str, Any]:
    read = answers.results.layers[layer.key] if answers.results else None
    return {
        "digest": _digest(layer.key),
        "stored_bytes": layer.size,
        "content_bytes": read.content_bytes if read and not read.problem else None,
        "images": len(layer.images),
        "problem": utf8_text(read.problem) if read and read.problem else None,
    }


def _base(answers: FleetAnswers, number: int, base: FleetBase) -> dict[str, Any]:
    wasted, on_pulls = answers.wasted_by_base, answers.wasted_on_pulls_by_base
    return {
        "name": utf8_text(base.name) or None,
        "chain_id": base.chain_id,
        "layers": base.depth,
        "images": len(base.images),
        "stored_bytes": base.stored_bytes,
        "spared_bytes": base.spared_bytes,
        "wasted_bytes": wasted and wasted[number],
        "wasted_bytes_on_pulls": on_pulls and on_pulls[number],
    }


def _reclaimable(fleet: Fleet, found: Reclaimable) -> dict[str, Any]:
    return {
        "images": len(found.images),
        "freed_bytes": found.freed_bytes,
        "reasons": [
            {
                "reason": each.reason,
                "freed_bytes": each.freed_bytes,
                "images": [
                    {"name": utf8_text(fleet.images[number].name), "freed_bytes": freed}
                    for number, freed in zip(each.images, each.freed_alone, strict=True)
                ],
            }
            for each in found.by_reason
        ],
    }


def _fix(answers: FleetAnswers, fix: FleetFix) -> dict[str, Any]:
    fleet = answers.fleet
    return {
        "layer": fix.layer,
        "chain_id": fix.identity,
        "base": answers.bases.bases[fix.base].title if fix.base is not None else None,
        "instruction": clean_instruction(fix.instruction),
        "causes": fix.causes,
        **path_fields(fix.path, field="largest_path"),
        "content_bytes": fix.content_bytes,
        "disk_bytes_estimate": fix.disk_bytes,
        "pull_bytes_estimate": fix.pull_bytes,
        "images": [utf8_text(fleet.images[number].name) for number in fix.images],
    }


def _growth(growth: FleetGrowth | None, totals: FleetTotals) -> dict[str, Any] | None:
    if growth is None:
        return None
    lost = growth.old_wasted_bytes
    return {
        "images": totals.images - growth.old_images,
        "stored_bytes": totals.stored_bytes - growth.old_stored_bytes,
        "unique_stored_bytes": totals.unique_stored_bytes - growth.old_unique_bytes,
        "wasted_bytes": None if lost is None or totals.wasted_bytes is None else totals.wasted_bytes - lost,
        "changes": [
            {"name": utf8_text(each.name), "old_stored_bytes": each.old, "stored_bytes": each.new} for each in growth.changes
        ],
    }
