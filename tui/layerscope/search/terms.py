"""What the terms of a filter ask for, one dataclass a sort of test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from layerscope.search.globs import Glob

Comparison = Literal[">", ">=", "<", "<="]
Word = Literal["added", "modified", "changed", "removed", "wasted", "link", "dir", "file", "exec"]


@dataclass(frozen=True, slots=True)
class Text:
    """`pieces` stand in a name, or with `is_path` in a path without its leading slash, one after the other.

    `is_folded`: case does not count, and the pieces are lower-case. `at_start` and `at_end`: the first and the last piece
    stand there. `literal` is what was typed, for telling better hits from worse; empty for patterns. With a `glob` or a
    `regex` the pieces are only what must be there: it decides, fitting all of the name or path, or searched in "/" and the
    path. So does `word`, which is letters alone and cannot take long.
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
    """A file whose content is more or less than `content_bytes`."""

    comparison: Comparison
    content_bytes: int


@dataclass(frozen=True, slots=True)
class Is:
    """A change, a kind or a property. `changed` is another word for `modified`; `removed` is all that is not there any more."""

    word: Word


@dataclass(frozen=True, slots=True)
class Touched:
    """Written or removed by one of the layers `first` to `last`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A test, or with `is_negated` its opposite."""

    test: Text | Size | Is | Touched
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold. `problem` is a sentence on the first term that makes no sense; it is left out."""

    conditions: tuple[Condition, ...] = ()
    problem: str = ""
