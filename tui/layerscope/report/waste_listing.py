"""Waste as text lines and as JSON lines: by path, cause, layer pair or directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from layerscope.analysis import Analysis
from layerscope.report.encode import json_line, path_fields
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.waste.find import Cause, Waste, by_directory, by_layer_pair
from layerscope.wording.findings import EXPLANATIONS
from layerscope.wording.sentences import history_fields, step_text
from layerscope.wording.style import Style


@dataclass(frozen=True, slots=True)
class Line:
    """One line of waste: its size, the columns that follow it as text, and all of it as JSON fields."""

    size: int
    text: str
    fields: dict[str, Any]


def waste_lines(analysis: Analysis, by: str, limit: int | None, style: Style) -> Iterator[str]:
    """Format aligned text, biggest first. Paths are never cut, so that they can be copied."""
    for line in islice(_lines(analysis, by), limit):
        yield f"{style.paint(f'{size_text(line.size):>8}', 'magenta')}  {style.plain(line.text)}"


def waste_json_lines(analysis: Analysis, by: str, limit: int | None) -> Iterator[bytes]:
    """Yield one JSON object per line."""
    for line in islice(_lines(analysis, by), limit):
        yield json_line(line.fields)


def _lines(analysis: Analysis, by: str) -> Iterator[Line]:
    """Yield the user's own waste first, then the base's, marked; all unmarked where the base is not known."""
    waste, base_layers = analysis.waste, analysis.base_layers
    if base_layers is None:
        yield from (replace(line, fields=line.fields | {"is_base": None}) for line in _LINES[by](analysis, waste))
        return
    is_base = waste.is_base(base_layers)
    for rows, mark in ((~is_base, ""), (is_base, "  (base)")):
        for line in _LINES[by](analysis, waste.part(rows)):
            yield replace(line, text=line.text + mark, fields=line.fields | {"is_base": bool(mark)})


def _by_path(analysis: Analysis, waste: Waste) -> Iterator[Line]:
    paths = analysis.tree.nodes.paths
    columns = (waste.node, waste.size, waste.cause, waste.written_by, waste.buried_by)
    for node, size, cause, written_by, buried_by in zip(*(column.tolist() for column in columns), strict=True):
        word = Cause(cause).word
        fields = {**path_fields(paths[node]), "bytes": size, "cause": word, "written_by": written_by, "buried_by": buried_by}
        yield Line(size, f"{word:<11}  {written_by:>3} → {buried_by:<3}  /{escape(paths[node])}", fields)


def _by_cause(_analysis: Analysis, waste: Waste) -> Iterator[Line]:
    for cause, size in sorted(waste.by_cause().items(), key=lambda item: -item[1]):
        count = int(np.count_nonzero(waste.cause == cause))
        if count:
            text = f"{cause.word:<11}  {count_text(count, 'version'):>16}  {EXPLANATIONS[cause]}"
            yield Line(size, text, {"cause": cause.word, "bytes": size, "versions": count})


def _by_layer(analysis: Analysis, waste: Waste) -> Iterator[Line]:
    layers = analysis.image.layers
    for pair in by_layer_pair(waste):
        step = layers[pair.buried_by - 1].history
        versions = f"{count_text(pair.count, 'version'):>16}"
        text = f"{pair.cause.word:<11}  {pair.written_by:>3} → {pair.buried_by:<3}  {versions}  {step_text(step)}"
        fields = {
            "written_by": pair.written_by,
            "buried_by": pair.buried_by,
            "cause": pair.cause.word,
            "bytes": pair.size,
            "versions": pair.count,
            **{f"buried_by_{name}": text for name, text in history_fields(step).items()},
        }
        yield Line(pair.size, text, fields)


def _by_directory(analysis: Analysis, waste: Waste) -> Iterator[Line]:
    paths = analysis.tree.nodes.paths
    for found in by_directory(analysis.tree, waste):
        path = paths[found.node]
        fields = {**path_fields(path), "bytes": found.size, "versions": found.count}
        yield Line(found.size, f"{count_text(found.count, 'version'):>16}  /{escape(path)}", fields)


_LINES: dict[str, Callable[[Analysis, Waste], Iterator[Line]]] = {
    "path": _by_path,
    "cause": _by_cause,
    "layer": _by_layer,
    "directory": _by_directory,
}
