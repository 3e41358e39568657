"""Waste as lines, for people and as JSON: by path, cause, layer pair or directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from layerscope.analysis import Analysis
from layerscope.report.encode import json_line
from layerscope.report.instructions import clean_instruction
from layerscope.report.paths import path_fields
from layerscope.report.style import Style
from layerscope.report.text import EXPLANATIONS
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.waste.find import Cause
from layerscope.waste.group import by_directory, by_layer_pair


@dataclass(frozen=True, slots=True)
class Line:
    """One line of waste: its size, the columns that follow it as text, and all of it as JSON fields."""

    size: int
    text: str
    fields: dict[str, Any]


def waste_lines(analysis: Analysis, by: str, limit: int | None, style: Style) -> Iterator[str]:
    """Aligned text, biggest first; paths are never cut, so that they can be copied."""
    for line in islice(_LINES[by](analysis), limit):
        yield f"{style.paint(f'{size_text(line.size):>8}', 'magenta')}  {style.plain(line.text)}"


def waste_json_lines(analysis: Analysis, by: str, limit: int | None) -> Iterator[bytes]:
    """One JSON object a line."""
    for line in islice(_LINES[by](analysis), limit):
        yield json_line(line.fields)


def _by_path(analysis: Analysis) -> Iterator[Line]:
    waste, paths = analysis.waste, analysis.tree.nodes.paths
    columns = (waste.node, waste.size, waste.cause, waste.written_by, waste.buried_by)
    for node, size, cause, written_by, buried_by in zip(*(column.tolist() for column in columns), strict=True):
        word = Cause(cause).word
        fields = {**path_fields(paths[node]), "bytes": size, "cause": word, "written_by": written_by, "buried_by": buried_by}
        yield Line(size, f"{word:<11}  {written_by:>3} → {buried_by:<3}  /{escape(paths[node])}", fields)


def _by_cause(analysis: Analysis) -> Iterator[Line]:
    for cause, size in sorted(analysis.waste.by_cause().items(), key=lambda item: -item[1]):
        count = int(np.count_nonzero(analysis.waste.cause == cause))
        if count:
            text = f"{cause.word:<11}  {count_text(count, 'file'):>13}  {EXPLANATIONS[cause]}"
            yield Line(size, text, {"cause": cause.word, "bytes": size, "files": count})


def _by_layer(analysis: Analysis) -> Iterator[Line]:
    layers = analysis.image.layers
    for pair in by_layer_pair(analysis.waste):
        instruction = clean_instruction(layers[pair.buried_by - 1].created_by)
        files = f"{count_text(pair.count, 'file'):>13}"
        text = f"{pair.cause.word:<11}  {pair.written_by:>3} → {pair.buried_by:<3}  {files}  {instruction}"
        fields = {
            "written_by": pair.written_by,
            "buried_by": pair.buried_by,
            "cause": pair.cause.word,
            "bytes": pair.size,
            "files": pair.count,
            "buried_by_instruction": instruction,
        }
        yield Line(pair.size, text, fields)


def _by_directory(analysis: Analysis) -> Iterator[Line]:
    paths = analysis.tree.nodes.paths
    for found in by_directory(analysis.tree, analysis.waste):
        path = paths[found.node]
        fields = {**path_fields(path), "bytes": found.size, "files": found.count}
        yield Line(found.size, f"{count_text(found.count, 'file'):>13}  /{escape(path)}", fields)


_LINES: dict[str, Callable[[Analysis], Iterator[Line]]] = {
    "path": _by_path,
    "cause": _by_cause,
    "layer": _by_layer,
    "directory": _by_directory,
}
