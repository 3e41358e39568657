"""The terms of a filter, one dataclass for each kind of test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from layerscope.search.globs import Glob

Comparison = Literal[">", ">=", "<", "<="]
Word = Literal["added", "modified", "changed", "removed", "wasted", "link", "dir", "file", "exec"]


@dataclass(frozen=True, slots=True)
class Text:
    """A test for text: `pieces` follow each other in a name, or with `is_path` in a path without its leading slash.

    `is_folded`: case does not count, and the pieces are lower-case. `at_start` and `at_end`: the first and the last piece must
    be there. `literal` is what was typed, to rank hits; empty for patterns. With a `glob` or a `regex` the pieces are only a
    necessary condition: the pattern decides, matching all of the name or path, or searched in "/" and the path. So does `word`,
    which is letters alone and cannot take long.
    """

    pieces: tuple[bytes, ...]
    literal: bytes = b""
    is_path: bool = False
    is_folded: bool = False
    at_start: bool = False
    at_end: bool = False
    glob: Glob | None = None
    regex: bytes = b""
    word: re.Pattern[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """A test for files whose content is larger or smaller than `content_bytes`."""

    comparison: Comparison
    content_bytes: int


@dataclass(frozen=True, slots=True)
class Is:
    """A test for a change, a kind or a property. `changed` is another word for `modified`; `removed` is everything that no
    longer exists.
    """

    word: Word


@dataclass(frozen=True, slots=True)
class Touched:
    """A test for paths that one of the layers `first` to `last` wrote or removed."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A test, or with `is_negated` its opposite."""

    test: Text | Size | Is | Touched
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold. `problem` is a sentence about the first invalid term, which is ignored."""

    conditions: tuple[Condition, ...] = ()
    problem: str = ""
