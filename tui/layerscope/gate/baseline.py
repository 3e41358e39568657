"""The baseline: a small file (schema `layerscope.baseline/1`) with an image's sizes and waste, to compare later builds with.

It lists every directory near the root, and deeper directories only if they are big.
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
from layerscope.masking import masked, without_build_arguments
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
    """Byte totals of an image.

    The `own_` fields leave the base image's layers out; where `base_layers` (their number) is None, the base is not known and
    these fields cover all layers. `wire_bytes` are the layers as they are stored.
    """

    content_bytes: _Bytes
    wire_bytes: _Bytes
    wasted_bytes: _Bytes
    own_content_bytes: _Bytes
    own_wasted_bytes: _Bytes
    base_layers: _Bytes | None


class LayerFigures(msgspec.Struct, frozen=True):
    """A layer's content bytes, and how many of them are wasted.

    `created_by` is its instruction without build arguments and secrets, shortened when it is long.
    """

    diff_id: str
    content_bytes: _Bytes
    wasted_bytes: _Bytes
    created_by: str


class Spent(msgspec.Struct, frozen=True):
    """A directory's bytes as the baseline file has them: what a container sees in it, and what is wasted in it."""

    content_bytes: _Bytes
    wasted_bytes: _Bytes


class Baseline(msgspec.Struct, frozen=True):
    """The figures of one image, as the baseline file states them.

    `directories` maps a path to its figures: every directory down to `depth` levels, and deeper ones that are big or that a
    rule names.
    """

    schema: str
    image: str
    totals: Totals
    layers: list[LayerFigures]
    causes: dict[str, _Bytes]
    depth: _Bytes
    directories: dict[str, Spent]


def baseline_of(subject: Subject, *, named: Iterable[str] = ()) -> Baseline:
    """Compute an image's baseline. Directories in `named` are included even if they are small; a missing one has 0 bytes."""
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
    """Serialize a baseline to JSON with one layer, one cause and one directory per line, so that a diff shows what changed."""
    document = msgspec.to_builtins(baseline)
    return "{\n" + ",\n".join(f"  {_json(key)}: {_block(value)}" for key, value in document.items()) + "\n}\n"


def is_baseline(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is a baseline and no image: it is JSON, and no image begins with a brace."""
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
    # The file is committed, and must not change with an argument such as a commit's id.
    plain = escape(masked(without_build_arguments(" ".join(text.split()))))
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
    """Encode a value as JSON on one line. Text outside ASCII stays readable: the image's names in it were escaped before."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class DirectoryFigures:
    """The bytes that a container sees at and below a directory, each content once, and the bytes wasted there."""

    size: int
    wasted: int


@dataclass(frozen=True, slots=True)
class Directories:
    """Figures of an image's directories, by their paths as text from `/`.

    All directories down to `depth` levels are included, so a path of at most that depth that is missing is no directory of the
    image.
    """

    depth: int
    figures: dict[str, DirectoryFigures]


def directories_of(subject: Subject, named: Iterable[str] = ()) -> Directories:
    """Compute the figures of the directories that are near the root or big, and of the paths in `named` in any case."""
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
    """Format a path in the image as the baseline file has it: with a leading slash, unprintable bytes escaped."""
    return "/" + escape(path)


def named_text(path: str) -> str:
    """Format a path that a user typed in the form of `path_text`, so that it can be looked up in a baseline."""
    return path_text(_normal(path))


def _normal(path: str) -> bytes:
    return normalize(path.encode("utf-8", "surrogateescape"))


def _count(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(one & other))


def _is_directory(subject: Subject) -> npt.NDArray[np.bool_]:
    """Return a mask of the tree's nodes: true for directories that a container sees, and for the root."""
    versions, seen = subject.analysis.tree.versions, subject.last.seen
    is_directory = np.zeros(len(seen), bool)
    there = np.flatnonzero(seen >= 0)
    is_directory[there] = versions.kind[seen[there]] == Kind.DIRECTORY
    is_directory[0] = True
    return is_directory
