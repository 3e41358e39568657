"""SARIF 2.1.0 (OASIS), within GitHub code scanning's subset: every result has a location and a stable fingerprint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from layerscope import __version__
from layerscope.advice.editing.patch import Replacement, replacements
from layerscope.masking import masked
from layerscope.report.encode import json_line
from layerscope.report.verdict.alerts import DOUBT, TRIFLES, Alert, Place, alerts
from layerscope.report.verdict.gate_run import GateRun, image_title, lasting_name
from layerscope.text import escape, utf8_text
from layerscope.wording.style import cut_end

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LONGEST = 4000
"""Characters of a message: with 1,000 alerts at most, a report stays far below GitHub's 10 MB."""

_RULES = {
    DOUBT: "The image could not be judged",
    "min-efficiency": "Too little of what the layers carry is seen in a container",
    "max-wasted": "The image wastes too many bytes",
    "max-wasted-percent": "The image wastes too large a share of its own bytes",
    "max-size": "The image is too big",
    "max-wire-size": "The image is too big to pull",
    "max-own-size": "The layers above the base are too big",
    "max-layers": "The image has too many layers",
    "max-layer-size": "A layer is too big",
    "max-file-size": "A file is too big",
    "forbid": "The image contains forbidden paths",
    "budget": "A directory or pattern exceeds its budget",
    "max-cause": "Too much is wasted for one cause",
    "fix-join-runs": "One RUN removes what another added",
    "fix-copy-chown": "Changing owners or modes copies files into another layer",
    TRIFLES: "Small changes would make the image a little smaller",
    "fix-duplicate": "The image holds the same content several times",
}


@dataclass(frozen=True, slots=True)
class SarifPart:
    """What a log has of one image: its alerts, their results without the index of the rule, its invocation and its figures."""

    alerts: tuple[Alert, ...]
    results: tuple[dict[str, Any], ...]
    invocation: dict[str, Any]
    figures: dict[str, Any]


def sarif_report(run: GateRun) -> bytes:
    """Encode a SARIF log with one run. Locations are relative to the repository's root."""
    part = sarif_part(run, alerts(run))
    return _log([part], name=lasting_name(run.analysis.image), properties=part.figures)


def sarif_of(parts: Iterable[SarifPart]) -> bytes:
    """Encode a SARIF log of several images: one run with an invocation each, for code scanning takes but 20 runs of a file."""
    parts = list(parts)
    return _log(parts, name="images", properties={"images": [part.figures for part in parts]})


def sarif_part(run: GateRun, found: Iterable[Alert], image: str = "") -> SarifPart:
    """Return what a log has of a judged image and its alerts; with `image` each message begins with its name."""
    found = tuple(found)
    results = tuple({**_result(alert, image), **_edits(run, alert)} for alert in found)
    return SarifPart(found, results, _invocation(run), _figures(run))


def unread_part(image: str, alert: Alert) -> SarifPart:
    """Return what a log has of an image that could not be read."""
    notice = {"level": "error", "message": _message(f"{image}: {alert.message}")}
    invocation = {"executionSuccessful": False, "exitCode": 2, "toolExecutionNotifications": [notice]}
    return SarifPart((alert,), (_result(alert, image),), invocation, {"image": utf8_text(image)})


def _log(parts: list[SarifPart], *, name: str, properties: dict[str, Any]) -> bytes:
    levels: dict[str, str] = {}
    for part in parts:
        for alert in part.alerts:
            levels.setdefault(alert.rule, alert.level)
    index = {rule: number for number, rule in enumerate(levels)}
    log = {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {"driver": _driver(levels)},
                "automationDetails": {"id": f"layerscope/{utf8_text(name)}/"},
                "invocations": [part.invocation for part in parts],
                "columnKind": "unicodeCodePoints",
                "results": [
                    {"ruleId": result["ruleId"], "ruleIndex": index[result["ruleId"]], **result}
                    for part in parts
                    for result in part.results
                ],
                "properties": properties,
            }
        ],
    }
    return json_line(log)


def _driver(levels: dict[str, str]) -> dict[str, Any]:
    return {
        "name": "layerscope",
        "semanticVersion": __version__,
        "rules": [_rule(rule, level) for rule, level in levels.items()],
    }


def _rule(rule: str, level: str) -> dict[str, Any]:
    title = _RULES.get(rule, f"The image could be smaller: {rule.removeprefix('fix-').replace('-', ' ')}")
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in rule.split("-")),
        "shortDescription": {"text": f"{title}."},
        "fullDescription": {"text": f"{title}. Configured in layerscope as '{rule}'."},
        "help": {
            "text": f"{title}. The result names the layers, the paths and the bytes; `layerscope IMAGE` shows all of them."
        },
        "defaultConfiguration": {"level": str(level)},
        "properties": {"tags": ["container-image", "size"]},
    }


def _invocation(run: GateRun) -> dict[str, Any]:
    verdict = run.verdict
    told = [(doubt, "error") for doubt in verdict.doubts] + [(note, "note") for note in (*verdict.notes, *run.advice.notes)]
    return {
        "executionSuccessful": not verdict.doubts,
        "exitCode": verdict.exit_code,
        "toolExecutionNotifications": [{"level": level, "message": _message(text)} for text, level in told],
    }


def _result(alert: Alert, image: str) -> dict[str, Any]:
    places = [
        {"id": number, **_location(place), "message": {"text": words}} for number, (place, words) in enumerate(alert.related, 1)
    ]
    related = {"relatedLocations": places} if places else {}
    return {
        "ruleId": alert.rule,
        "level": str(alert.level),
        "message": _message(f"{image}: {alert.title}: {alert.message}" if image else f"{alert.title}: {alert.message}"),
        "locations": [_location(alert.place)],
        **related,
        "partialFingerprints": {"primaryLocationLineHash": f"{alert.fingerprint}:1"},
        "properties": {"bytes": alert.size, "isMapped": alert.place.is_known},
    }


def _edits(run: GateRun, alert: Alert) -> dict[str, Any]:
    """Return the fix of a result (section 3.55): the lines to replace, with the edits of other fixes that it needs.

    An edit outside of the repository, or one that would show a secret, is left out.
    """
    plan = run.advice.plan
    if plan is None or not alert.fix:
        return {}
    changes = []
    for file in plan.changed([alert.fix]):
        path, lines = _from_repository(file.path, run.advice.dockerfile, plan.path), replacements(file)
        if path is None or any(masked(each.text) != each.text for each in lines):
            return {}
        location = {"uri": _uri(path), "uriBaseId": "%SRCROOT%"}
        changes.append({"artifactLocation": location, "replacements": [_replacement(each) for each in lines]})
    return {"fixes": [{"description": _message(alert.message), "artifactChanges": changes}]}


def _from_repository(path: str, dockerfile: str, patched: str) -> str | None:
    """Name a file of a patch as reports name the Dockerfile, which is `dockerfile` there and `patched` in the patch.

    Both begin at a directory above it, but maybe not at the same. None for a file that is not below that of the reports.
    """
    if dockerfile.endswith(patched):
        return dockerfile.removesuffix(patched) + path
    above = patched.removesuffix(dockerfile)
    return path.removeprefix(above) if patched.endswith(dockerfile) and path.startswith(above) else None


def _replacement(each: Replacement) -> dict[str, Any]:
    region = {"startLine": each.line, "startColumn": 1, "endLine": each.end_line, "endColumn": 1}
    return {"deletedRegion": region, "insertedContent": {"text": utf8_text(each.text)}}


def _uri(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe="/-._~")


def _location(place: Place) -> dict[str, Any]:
    uri = _uri(place.path)
    region = {"startLine": place.line, "endLine": place.end_line}
    return {"physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}, "region": region}}


def _message(text: str) -> dict[str, str]:
    """Return a message object whose text cannot act as an embedded link, `[text](1)` (section 3.11.6)."""
    return {"text": cut_end(escape(text), LONGEST).replace("](", "] (")}


def _figures(run: GateRun) -> dict[str, Any]:
    waste, image = run.analysis.waste, run.analysis.image
    return {
        "image": utf8_text(image_title(image)),
        "imageId": image.id or "",
        "contentBytes": waste.content_bytes,
        "wastedBytes": waste.wasted_bytes,
        "efficiency": waste.efficiency,
    }
