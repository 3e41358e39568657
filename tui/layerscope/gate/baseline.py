"""The baseline: an image's sizes and waste in a small file that later builds are compared with (schema
`layerscope.baseline/1`).

Of the directories it keeps all near the root, and deeper ones that are big.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from layerscope.errors import BadSettings
from layerscope.gate.subject import Subject
from layerscope.layers.table import Kind
from layerscope.layers.tar.names import normalize
from layerscope.text import escape

SCHEMA = "layerscope.baseline/1"
MAX_FILE = 16 << 20
_LONGEST = 200
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

DEPTH = 2
MOST_NEAR, MOST_DEEP = 500, 200
BIG = 0.01
"""The least share of the image's bytes for which a deeper directory is recorded."""


class Totals(msgspec.Struct, frozen=True):
    """Sums over an image, in bytes. The `own_` fields leave the base out; where `base_layers` is None (unknown), they cover
    everything.
    """

    content_bytes: _Bytes
    wire_bytes: _Bytes
    wasted_bytes: _Bytes
    own_content_bytes: _Bytes
    own_wasted_bytes: _Bytes
    base_layers: _Bytes | None


class LayerFigures(msgspec.Struct, frozen=True):
    """The content and wasted bytes of one layer. `created_by` is shortened when it is long."""

    diff_id: str
    content_bytes: _Bytes
    wasted_bytes: _Bytes
    created_by: str


class Spent(msgspec.Struct, frozen=True):
    """The bytes of a directory that a container sees, and the bytes wasted in it."""

    content_bytes: _Bytes
    wasted_bytes: _Bytes


class Baseline(msgspec.Struct, frozen=True):
    """The figures of one image. `directories` holds every directory down to `depth`, and deeper ones that are big or were
    named.
    """

    schema: str
    image: str
    totals: Totals
    layers: list[LayerFigures]
    causes: dict[str, _Bytes]
    depth: _Bytes
    directories: dict[str, Spent]


def baseline_of(subject: Subject, *, named: Iterable[str] = ()) -> Baseline:
    """Compute the baseline of an image. Directories in `named` are included even if they are small."""
    analysis = subject.analysis
    waste, found = analysis.waste, directories_of(subject, named)
    wasted = waste.by_layer(analysis.tree.layers).tolist()
    return Baseline(
        schema=SCHEMA,
        image=escape(analysis.image.name),
        totals=Totals(
            content_bytes=waste.content_bytes,
            wire_bytes=analysis.pull_size.stored_bytes,
            wasted_bytes=waste.wasted_bytes,
            own_content_bytes=subject.own_content_bytes,
            own_wasted_bytes=subject.own_waste.wasted_bytes,
            base_layers=analysis.base_layers,
        ),
        layers=[
            LayerFigures(str(layer.diff_id or ""), size, lost, _created_by(layer.created_by))
            for layer, size, lost in zip(analysis.image.layers, analysis.layer_content_bytes, wasted, strict=True)
        ],
        causes={cause.word: size for cause, size in subject.own_waste.by_cause().items() if size},
        depth=found.depth,
        directories={path: Spent(each.size, each.wasted) for path, each in found.figures.items()},
    )


def baseline_text(baseline: Baseline) -> str:
    """Serialize to JSON with one layer, one cause and one directory per line, so that a diff shows what changed."""
    document = msgspec.to_builtins(baseline)
    return "{\n" + ",\n".join(f"  {_json(key)}: {_block(value)}" for key, value in document.items()) + "\n}\n"


def is_baseline(head: bytes) -> bool:
    """Tell a baseline from an image by its first bytes: no image begins with a brace."""
    return head.lstrip()[:1] == b"{"


def read_baseline(raw: bytes) -> Baseline:
    """Parse the output of `baseline_text`. Raises BadSettings with a sentence that does not name the file."""
    try:
        baseline = msgspec.json.decode(raw, type=Baseline)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadSettings(f"not a baseline written by `layerscope baseline`: {escape(str(error))}") from error
    if baseline.schema != SCHEMA:
        raise BadSettings(f"its schema is `{escape(baseline.schema[:60])}`, but {SCHEMA} is expected")
    return baseline


def _created_by(text: str) -> str:
    plain = escape(" ".join(text.split()))
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "..."


def _block(value: Any) -> str:
    if isinstance(value, dict) and any(isinstance(each, dict) for each in value.values()):
        return _lines(("{", "}"), (f"{_json(key)}: {_json(each)}" for key, each in value.items()))
    if isinstance(value, list) and value:
        return _lines(("[", "]"), map(_json, value))
    return _json(value)


def _lines(brackets: tuple[str, str], items: Iterator[str]) -> str:
    opening, closing = brackets
    return f"{opening}\n    " + ",\n    ".join(items) + f"\n  {closing}"


def _json(value: object) -> str:
    """Encode on one line. Names are escaped already; other text outside ASCII stays readable."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class DirectoryFigures:
    """The bytes that a container sees below a directory, each content once, and the bytes wasted there."""

    size: int
    wasted: int


@dataclass(frozen=True, slots=True)
class Directories:
    """Figures by path, as text. All directories down to `depth` are included, so one that is missing at that depth does not
    exist.
    """

    depth: int
    figures: dict[str, DirectoryFigures]


def directories_of(subject: Subject, named: Iterable[str] = ()) -> Directories:
    """Compute the figures of an image's directories; those in `named` are always included."""
    nodes, view = subject.analysis.tree.nodes, subject.last
    wasted, size = nodes.subtree_sums(subject.own_waste.by_node(len(nodes))), view.subtree_bytes
    is_directory = _is_directory(subject)
    depth = next((depth for depth in range(DEPTH, 0, -1) if _count(is_directory, nodes.depth <= depth) <= MOST_NEAR), 0)
    near = np.flatnonzero(is_directory & (nodes.depth <= depth))
    weight = size + wasted
    deep = np.flatnonzero(is_directory & (nodes.depth > depth) & (weight >= max(BIG * float(weight[0]), 1)))
    deep = deep[np.argsort(-weight[deep], kind="stable")[:MOST_DEEP]]
    wanted = {named_text(path): nodes.find(_normal(path)) for path in named}
    figures = {path: DirectoryFigures(0, 0) for path in wanted}
    for node in np.sort(np.concatenate([near, deep])).tolist():
        figures[path_text(nodes.paths[node])] = DirectoryFigures(int(size[node]), int(wasted[node]))
    for path, found in wanted.items():
        if found is not None:
            figures[path] = DirectoryFigures(int(size[found]), int(wasted[found]))
    return Directories(depth, dict(sorted(figures.items())))


def path_text(path: bytes) -> str:
    """Format a directory's path as the baseline file has it."""
    return "/" + escape(path)


def named_text(path: str) -> str:
    """Format a path that a user typed the same way."""
    return path_text(_normal(path))


def _normal(path: str) -> bytes:
    return normalize(path.encode("utf-8", "surrogateescape"))


def _count(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(one & other))


def _is_directory(subject: Subject) -> npt.NDArray[np.bool_]:
    """Mark the directories that a container sees, and the root."""
    versions, seen = subject.analysis.tree.versions, subject.last.seen
    is_directory = np.zeros(len(seen), bool)
    there = np.flatnonzero(seen >= 0)
    is_directory[there] = versions.kind[seen[there]] == Kind.DIRECTORY
    is_directory[0] = True
    return is_directory
