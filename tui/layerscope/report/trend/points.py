"""The trend file: a line of JSON for each image that the gate judged, schema `layerscope.trend/1`, appended run by run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from layerscope.errors import BadDocument, CannotWrite, NotFound
from layerscope.report.encode import json_line
from layerscope.report.verdict.alerts import CHECKSUM
from layerscope.report.verdict.gate_run import GateRun, lasting_name
from layerscope.text import escape, utf8_text
from layerscope.wording.sentences import step_text
from layerscope.wording.style import cut_end

SCHEMA = "layerscope.trend/1"
LONGEST_INSTRUCTION = 120
LONGEST_FILE = 1 << 28
"""Bytes of a trend file: at 2 kB a run this is a hundred thousand runs."""


class TrendLayer(msgspec.Struct, frozen=True):
    """One layer: its instruction, escaped, cut and without the checksum of what it copies, and bytes."""

    instruction: str
    content_bytes: int
    wasted_bytes: int


class TrendPoint(msgspec.Struct, frozen=True):
    """One image in one run. `image` stays the same from build to build, `time` is RFC 3339 in UTC, all sizes are bytes.

    `outcome` is passed, failed or unjudged; `causes` are the wasted bytes by cause; `layers` are base first.
    """

    schema: str
    time: str
    image: str
    reference: str
    id: str
    outcome: str
    content_bytes: int
    wire_bytes: int
    wasted_bytes: int
    efficiency: float
    causes: dict[str, int]
    layers: tuple[TrendLayer, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """All runs of one image, oldest first; there is at least one."""

    image: str
    points: tuple[TrendPoint, ...]


def point_of(run: GateRun, now: datetime) -> TrendPoint:
    """Return the figures of a judged image."""
    analysis, verdict = run.analysis, run.verdict
    image, waste = analysis.image, analysis.waste
    wasted = waste.by_layer(len(image.layers)).tolist()
    return TrendPoint(
        schema=SCHEMA,
        time=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        image=utf8_text(lasting_name(image)),
        reference=utf8_text(image.reference),
        id=str(image.id or ""),
        outcome="unjudged" if verdict.doubts else "passed" if verdict.has_passed else "failed",
        content_bytes=waste.content_bytes,
        wire_bytes=analysis.pull_size.stored_bytes,
        wasted_bytes=waste.wasted_bytes,
        efficiency=waste.efficiency,
        causes={cause.word: size for cause, size in waste.by_cause().items()},
        layers=tuple(
            TrendLayer(cut_end(CHECKSUM.sub(r"\1 ", step_text(layer.history)), LONGEST_INSTRUCTION), size, lost)
            for layer, size, lost in zip(image.layers, analysis.layer_content_bytes, wasted, strict=True)
        ),
    )


def append_points(name: str, points: Iterable[TrendPoint]) -> None:
    """Append a line for each point to a file, in one write, so that jobs may share it. Raises CannotWrite.

    A line that an earlier run could not finish ends first.
    """
    lines = b"".join(map(json_line, points))
    try:
        with Path(name).open("ab+") as file:
            if end := file.tell():
                file.seek(end - 1)
                lines = (b"" if file.read(1) == b"\n" else b"\n") + lines
            os.write(file.fileno(), lines)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotWrite(f"{escape(name)} cannot be written: {reason}") from error


def read_trends(name: str) -> list[Trend]:
    """Return the runs of each image, by name of the image. Raises NotFound, and BadDocument that names the line."""
    try:
        with Path(name).open("rb") as file:
            raw = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise NotFound(f"{escape(name)} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(raw) > LONGEST_FILE:
        raise BadDocument(f"{escape(name)}: longer than {LONGEST_FILE >> 20} MiB")
    found: dict[str, list[TrendPoint]] = {}
    decoder = msgspec.json.Decoder(TrendPoint)
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            point = decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadDocument(f"{escape(name)}, line {number}: {escape(str(error))}") from error
        if point.schema != SCHEMA:
            raise BadDocument(f"{escape(name)}, line {number}: not a line of `layerscope ci --history` ({SCHEMA})")
        found.setdefault(point.image, []).append(point)
    return [Trend(image, tuple(sorted(found[image], key=lambda point: point.time))) for image in sorted(found)]
