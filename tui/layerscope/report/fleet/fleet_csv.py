"""A fleet's images as CSV (RFC 4180), a row each, for spreadsheets."""

from __future__ import annotations

import csv
import io

from layerscope.fleet.answers import FleetAnswers
from layerscope.report.fleet.fleet_json import image_fields
from layerscope.text import escape

COLUMNS = (
    "name", "reference", "id", "platform", "created", "pushed", "uses", "base", "stored_bytes", "own_bytes", "shared_bytes",
    "content_bytes", "live_bytes", "wasted_bytes", "efficiency", "problem",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@")


def fleet_csv(answers: FleetAnswers) -> bytes:
    """Encode a head and a row for each image; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number in range(len(answers.fleet.images)):
        summary = answers.results.images[number] if answers.results else None
        fields = image_fields(answers.fleet, answers.bases, number, summary)
        writer.writerow([_cell(fields[column]) for column in COLUMNS])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> object:
    """Return text so that a spreadsheet does not take it for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    shown = escape(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
