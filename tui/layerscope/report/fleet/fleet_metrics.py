"""A fleet as OpenMetrics text (specification 1.0): gauges of totals, bases, prefixes and images, for tools that draw trends."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.fleet.answers import FleetAnswers
from layerscope.report.fleet.fleet_json import totals_fields
from layerscope.report.verdict.openmetrics import label_text

Sample = tuple[dict[str, str], int]
_TOTALS = {
    "images": "Images, each once.",
    "layers": "Layers of all images added up.",
    "distinct_layers": "Layers, each once.",
    "stored_bytes": "Bytes of all images added up, as their layers are stored.",
    "unique_stored_bytes": "Bytes of all layers, each once, as they are stored.",
    "shared_stored_bytes": "Bytes of the layers that several images have, each once, as they are stored.",
    "content_bytes": "Bytes of files in all images added up.",
    "unique_bytes": "Bytes of files in all layers, each once.",
    "shared_bytes": "Bytes of files in the layers that several images have, each once.",
    "wasted_bytes": "Bytes of files that no container sees, what equal layers waste once.",
    "failed": "Images that could not be read or judged.",
}


def fleet_metrics(answers: FleetAnswers) -> bytes:
    """Encode the metrics. What is not known has no sample."""
    lines = [
        line
        for family in (_totals(answers), _reclaimable(answers), _bases(answers), _teams(answers), _images(answers))
        for line in family
    ]
    return ("".join(f"{line}\n" for line in lines) + "# EOF\n").encode()


def _totals(answers: FleetAnswers) -> Iterator[str]:
    for name, value in totals_fields(answers.totals).items():
        if value is not None:
            yield from _gauge(f"layerscope_fleet_{name}", _TOTALS[name], [({}, value)])


def _reclaimable(answers: FleetAnswers) -> Iterator[str]:
    found = answers.reclaimable.by_reason
    meaning = "What deleting all images for a reason frees, as stored."
    yield from _gauge(
        "layerscope_fleet_reclaimable_bytes", meaning, [({"reason": each.reason}, each.freed_bytes) for each in found]
    )


def _bases(answers: FleetAnswers) -> Iterator[str]:
    bases = answers.bases.bases
    labels = [{"base": base.title, "chain_id": str(base.chain_id)} for base in bases]
    columns = {
        "images": ("Images that stand on a base.", [len(base.images) for base in bases]),
        "stored_bytes": ("Bytes of a base's layers as they are stored.", [base.stored_bytes for base in bases]),
    }
    if answers.wasted_by_base is not None:
        columns["wasted_bytes"] = ("Bytes that a base's own layers bury.", answers.wasted_by_base)
    for name, (meaning, values) in columns.items():
        yield from _gauge(f"layerscope_fleet_base_{name}", meaning, list(zip(labels, values, strict=True)))


def _teams(answers: FleetAnswers) -> Iterator[str]:
    teams = answers.teams
    for name, meaning in (
        ("stored_bytes", "Bytes of all images under a prefix of names added up, as stored."),
        ("freed_bytes", "What deleting all images under a prefix frees, as stored."),
        ("wasted_bytes", "Bytes of files in images under a prefix that no container sees, what equal layers waste once."),
    ):
        values = [({"prefix": team.team}, getattr(team, name)) for team in teams]
        yield from _gauge(f"layerscope_fleet_prefix_{name}", meaning, [each for each in values if each[1] is not None])


def _images(answers: FleetAnswers) -> Iterator[str]:
    fleet = answers.fleet
    labels = [{"image": image.name, "reference": image.exact, "id": str(image.facts.id)} for image in fleet.images]
    stored: list[Sample] = [(each, fleet.size_of(number)) for number, each in enumerate(labels)]
    yield from _gauge("layerscope_fleet_image_stored_bytes", "Bytes of an image's layers as they are stored.", stored)
    read = [(each, answers.summary(number)) for number, each in enumerate(labels)]
    content: list[Sample] = [(each, summary.content_bytes) for each, summary in read if summary]
    wasted: list[Sample] = [(each, summary.wasted_bytes) for each, summary in read if summary]
    yield from _gauge("layerscope_fleet_image_content_bytes", "Bytes of an image's files in all layers.", content)
    yield from _gauge("layerscope_fleet_image_wasted_bytes", "Bytes of an image's files that no container sees.", wasted)


def _gauge(name: str, meaning: str, samples: list[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield f"# TYPE {name} gauge"
    if name.endswith("_bytes"):
        yield f"# UNIT {name} bytes"
    yield f"# HELP {name} {meaning}"
    for labels, value in samples:
        stated = ",".join(f'{label}="{label_text(text)}"' for label, text in labels.items())
        yield f"{name}{f'{{{stated}}}' if stated else ''} {value}"
