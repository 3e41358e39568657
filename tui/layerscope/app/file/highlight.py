"""Syntax highlighting: the spans of each line that are comments, strings or keywords."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from layerscope.errors import IsCancelled, stop_if

ColorSpan = tuple[int, int, str]
"""Start and end in characters, and one of KINDS."""

KINDS = ("comment", "string", "keyword", "number", "name", "added", "removed")
MOST_CHARACTERS = 200_000
MOST_LINES = 5_000
LONGEST_LINE = 1_000
"""Longer lines are not source code, and pygments' expressions may take minutes on them."""
SECONDS = 2.0
_BY_TOKEN = (
    ("Comment.Preproc", "keyword"),
    ("Comment", "comment"),
    ("Keyword", "keyword"),
    ("Operator.Word", "keyword"),
    ("Name.Tag", "keyword"),
    ("Name.Function", "name"),
    ("Name.Class", "name"),
    ("Name.Decorator", "name"),
    ("Name.Attribute", "name"),
    ("Literal.Number", "number"),
    ("Literal", "string"),
    ("Generic.Inserted", "added"),
    ("Generic.Deleted", "removed"),
    ("Generic.Heading", "name"),
    ("Generic.Subheading", "name"),
    ("Generic.Strong", "name"),
)


def highlighted(lines: Sequence[str], language: str, is_cancelled: IsCancelled) -> list[tuple[ColorSpan, ...]]:
    """Return the spans of each line, in order; nothing for a language without a lexer, or a text that is too large.

    What is not done after SECONDS stays without spans. Raises Cancelled.
    """
    if not language or len(lines) > MOST_LINES or sum(map(len, lines)) > MOST_CHARACTERS:
        return []
    if max(map(len, lines), default=0) > LONGEST_LINE:
        return []
    lexer = _lexer(language)
    if lexer is None:
        return []
    found: list[list[ColorSpan]] = [[] for _ in lines]
    until = time.monotonic() + SECONDS
    for number, span in _spans(lexer, "\n".join(lines)):
        stop_if(is_cancelled)
        if number >= len(found) or time.monotonic() > until:
            break
        found[number].append(span)
    return [tuple(spans) for spans in found]


def _lexer(language: str) -> Any:
    lexers: Any = importlib.import_module("pygments.lexers")  # it has no types
    util: Any = importlib.import_module("pygments.util")
    try:
        return lexers.get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except util.ClassNotFound:
        return None


def _spans(lexer: Any, text: str) -> Iterator[tuple[int, ColorSpan]]:
    """Yield each span with its line; a token over several lines is a span in each."""
    line = column = 0
    for token, value in lexer.get_tokens(text):
        kind = _kind(str(token))
        for index, piece in enumerate(value.split("\n")):
            if index:
                line, column = line + 1, 0
            if piece and kind:
                yield line, (column, column + len(piece), kind)
            column += len(piece)


@cache
def _kind(token: str) -> str:
    name = token.removeprefix("Token.")
    return next((kind for prefix, kind in _BY_TOKEN if name == prefix or name.startswith(prefix + ".")), "")


def pieces(length: int, spans: Sequence[ColorSpan], hits: Sequence[tuple[int, int]]) -> list[tuple[int, int, str, int]]:
    """Cut a line where its style changes, and return for each piece: start, end, color, and the search match that it is in.

    The color is the name of the span, empty for none; the match is given by its start, -1 for none.
    """
    if not spans and not hits:
        return [(0, length, "", -1)]
    bounds = {0, length, *(each for span in spans for each in span[:2]), *(each for hit in hits for each in hit)}
    edges = sorted(edge for edge in bounds if edge <= length)
    found, span, hit = [], 0, 0
    for start, end in pairwise(edges):
        while span < len(spans) and spans[span][1] <= start:
            span += 1
        while hit < len(hits) and hits[hit][1] <= start:
            hit += 1
        name = spans[span][2] if span < len(spans) and spans[span][0] <= start else ""
        found.append((start, end, name, hits[hit][0] if hit < len(hits) and hits[hit][0] <= start else -1))
    return found
