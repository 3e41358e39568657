"""The gate's verdict as one JSON document, schema `layerscope.gate/1`: a contract that scripts rely on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from layerscope.advice.advice import DockerfileLine, Fix
from layerscope.errors import CannotSlim
from layerscope.gate.verdict import Finding, RuleResult
from layerscope.report.encode import estimate_field, json_line, path_fields
from layerscope.report.fix_lines import holds_secret
from layerscope.report.image_json import analysis_json
from layerscope.report.verdict.gate_run import GateRun
from layerscope.slim.plan import SlimOptions, plan_slim
from layerscope.text import utf8_text
from layerscope.wording.sentences import history_fields

SCHEMA = "layerscope.gate/1"
MANY_SCHEMA = "layerscope.gates/1"
PATHS = 20
"""How many paths of a fix are named; `layerscope fix --json` has all."""


def json_report(run: GateRun) -> bytes:
    """Encode the verdict, with a newline at the end.

    Sizes are in bytes, shares go from 0 to 1, layers count from 1, base first.
    """
    return json_line(verdict_document(run))


def json_of(documents: Iterable[dict[str, Any]]) -> bytes:
    """Encode the verdicts on several images; the exit code is the highest of theirs."""
    images = list(documents)
    return json_line({"schema": MANY_SCHEMA, "exit_code": max(each["exit_code"] for each in images), "images": images})


def unread_document(reference: str, reason: str) -> dict[str, Any]:
    """Return what is told of an image that could not be read: the keys of a verdict that can be told."""
    return {
        "schema": SCHEMA,
        "outcome": "unjudged",
        "exit_code": 2,
        "image": {"reference": utf8_text(reference)},
        "rules": [],
        "doubts": [utf8_text(reason)],
    }


def verdict_document(run: GateRun) -> dict[str, Any]:
    """Return the verdict on one image, as JSON has it."""
    verdict = run.verdict
    return {
        "schema": SCHEMA,
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "image": _image(run),
        "rules": [_rule(result) for result in verdict.results],
        "doubts": [utf8_text(doubt) for doubt in verdict.doubts],
        "notes": [utf8_text(note) for note in verdict.notes],
        "layers": _layers(run),
        "dockerfile": utf8_text(run.advice.dockerfile) or None,
        "fixes": [_fix(fix) for fix in run.advice.fixes],
        "slim": _slim(run),
    }


def analysis_report(run: GateRun) -> bytes:
    """Encode the analysis: the output of `layerscope IMAGE --json`."""
    return analysis_json(run.analysis)


def _image(run: GateRun) -> dict[str, Any]:
    image, waste = run.analysis.image, run.analysis.waste
    own, base = run.analysis.own_and_base_waste
    return {
        "reference": utf8_text(image.reference),
        "name": utf8_text(image.name),
        "id": image.id,
        "manifest_digest": image.manifest_digest,
        "platform": image.platform.name,
        "content_bytes": waste.content_bytes,
        "wire_bytes": run.analysis.pull_size.stored_bytes,
        **estimate_field(run.analysis.pull_size),
        "wasted_bytes": waste.wasted_bytes,
        "own_wasted_bytes": own,
        "base_wasted_bytes": base,
        "base_layers": run.analysis.base_layers,
        "efficiency": waste.efficiency,
    }


def _rule(result: RuleResult) -> dict[str, Any]:
    return {
        "key": result.key,
        "name": utf8_text(result.name),
        "outcome": result.outcome,
        "severity": result.severity,
        "unit": result.unit,
        "measured": result.measured,
        "is_estimate": result.is_estimate,
        "limit": result.limit,
        "is_floor": result.is_floor,
        "margin": result.margin,
        "origin": utf8_text(result.origin),
        "sentence": utf8_text(result.sentence),
        "waivers": [utf8_text(waiver) for waiver in result.waivers],
        "findings": [_finding(finding) for finding in result.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        **({"path": None} if finding.path is None else path_fields(finding.path)),
        "layer": finding.layer,
        "buried_by": finding.buried_by,
        "cause": None if finding.cause is None else finding.cause.word,
        "bytes": finding.size,
        "is_base": finding.is_base,
        "note": utf8_text(finding.note),
    }


def _layers(run: GateRun) -> list[dict[str, Any]]:
    contents, sizes = run.analysis.layer_content_bytes, run.analysis.layer_sizes
    return [
        {
            "number": layer.number,
            "diff_id": layer.diff_id,
            **history_fields(layer.history),
            "content_bytes": contents[layer.number - 1],
            "wire_bytes": sizes[layer.number - 1].stored_bytes,
            **estimate_field(sizes[layer.number - 1]),
            **_line(run.advice.lines.get(layer.number)),
        }
        for layer in run.analysis.image.layers
    ]


def _line(line: DockerfileLine | None) -> dict[str, Any]:
    if line is None:
        return {"line": None, "line_confidence": None}
    return {"line": line.line, "line_confidence": line.confidence}


def _fix(fix: Fix) -> dict[str, Any]:
    """Encode a fix. An edit that would show a secret is left to `layerscope fix`."""
    edit = "" if holds_secret(fix) else utf8_text(fix.patch)
    by_hand = "Its lines hold what looks like a secret; `layerscope fix` makes the edit." if fix.patch else fix.by_hand
    return {
        "kind": fix.kind,
        "layers": list(fix.layers),
        "line": fix.line,
        "bytes": fix.size,
        "sentence": utf8_text(fix.sentence),
        "id": utf8_text(fix.id),
        "edit": edit or None,
        "by_hand": None if edit else utf8_text(by_hand) or None,
        "paths": [path_fields(path)["path"] for path in fix.paths[:PATHS]],
    }


def _slim(run: GateRun) -> dict[str, Any]:
    """Encode what `layerscope slim` can leave out, which takes a fifth of the time that reading layers takes, or more.

    The base's layers stay. All is null for an image that is not slimmed.
    """
    analysis = run.analysis
    try:
        plan = plan_slim(analysis, SlimOptions(spared_layers=analysis.base_layers or 0))
    except CannotSlim:
        return {"possible_bytes": None, "push_bytes_estimate": None, "rewritten_layers": None}
    return {
        "possible_bytes": plan.content_bytes,
        "push_bytes_estimate": plan.push_bytes,
        "rewritten_layers": [layer.number for layer in plan.rewritten],
    }
