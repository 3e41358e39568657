"""What is typed into the filter, understood: finished, half-typed and wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.search.names import NameIndex
from layerscope.search.query import parse
from layerscope.search.search import search
from support.image_builder import layer
from support.seen import tree_of


@given(st.text(st.characters(codec=None), max_size=12) | st.text("is:layerfoo/'!<>0.5kMB[]*?\\\" -", max_size=12))
def test_nothing_that_can_be_typed_raises(text: str) -> None:
    tree = tree_of([layer("a/b", "b")])
    index = NameIndex.of(tree.nodes, lambda: False)
    assert index is not None
    *_, last = search(parse(text), index, tree.view(1), None, is_cancelled=lambda: False)
    assert last.is_complete


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "is:",
        "is:wa",
        "!",
        "!is:",
        ">",
        "<=",
        ">.",
        "/",
        "/unfinished",
        "layer:",
        "layer:3-",
        "layer:5-3",
        "'",
        '"',
        "*[a",
    ],
)
def test_a_half_typed_term_is_no_condition_yet(text: str) -> None:
    query = parse(text)
    assert (query.conditions, query.problem) == ((), "")


@pytest.mark.parametrize("text", ["is:foo ", "is:wa ", "/[/", ">10Q", ">x", "layer:0", "layer:x", "layer:5-3 ", "[z-a]"])
def test_a_wrong_term_is_left_out_and_told(text: str) -> None:
    query = parse("a " + text)
    assert len(query.conditions) == 1
    assert text.strip() in query.problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10M", 10_000_000),
        ("10mb", 10_000_000),
        ("1.5k", 1500),
        ("1KiB", 1024),
        ("2Mi", 2 << 20),
        ("7", 7),
        ("7B", 7),
        (".5G", 500_000_000),
        ("9" * 40, (1 << 63) - 1),
    ],
)
def test_sizes_are_decimal_unless_they_say_otherwise(text: str, expected: int) -> None:
    (condition,) = parse(">" + text).conditions
    assert getattr(condition.test, "content_bytes", None) == expected
