"""The shell commands of RUNs: how they are split, and where each part stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.advice.editing.shell import read_shell


def parts(raw: str) -> list[tuple[str, str]]:
    command = read_shell(raw)
    assert command is not None
    assert [raw[part.start : part.end].replace("\\\n", "") for part in command.parts if "\n#" not in raw] in (
        [],
        [part.text for part in command.parts],
    )
    return [(part.operator, part.text) for part in command.parts]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("RUN a b && c", [("", "a b"), ("&&", "c")]),
        ("run --mount=type=cache,target=/c a; b || c | d", [("", "a"), (";", "b"), ("||", "c"), ("|", "d")]),
        ("RUN for i in 1 2; do x && y; done && z;", [("", "for i in 1 2; do x && y; done"), ("&&", "z")]),
        ("RUN (a && b) && { c; d; }", [("", "(a && b)"), ("&&", "{ c; d; }")]),
        ("RUN echo 'a && b' \"c; $(d && e)\" > /x 2>&1 && f", [("", "echo 'a && b' \"c; $(d && e)\" > /x 2>&1"), ("&&", "f")]),
        ("RUN a \\\n  && b", [("", "a"), ("&&", "b")]),
        ("RUN a \\\n# why\n  && b", [("", "a"), ("&&", "b")]),
        ("RUN if [ -e x ]; then y; fi && z", [("", "if [ -e x ]; then y; fi"), ("&&", "z")]),
    ],
)
def test_a_command_is_split_at_its_top_level(raw: str, expected: list[tuple[str, str]]) -> None:
    assert parts(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        'RUN ["a", "b"]',
        "RUN <<EOF\na\nEOF",
        "RUN a # comment",
        "RUN a & b",
        "RUN echo 'open",
        "RUN case x in a) b;; esac",
        "RUN f() { a; }",
        "RUN ",
        "RUN (a",
        "RUN && a",
    ],
)
def test_what_cannot_be_split_safely_is_left_alone(raw: str) -> None:
    assert read_shell(raw) is None


def test_words_outputs_and_expansions_are_told() -> None:
    command = read_shell("RUN rm -rf '/a b' /c/* && head -c 5 /dev/zero >/x 2> y && echo $A")
    assert command is not None
    assert [part.words for part in command.parts[:2]] == [("rm", "-rf", "/a b", "/c/*"), ("head", "-c", "5", "/dev/zero")]
    assert command.parts[1].outputs == ("/x", "y")
    assert [part.is_simple for part in command.parts] == [True, True, False]


@given(st.text(st.sampled_from("ab '\"\\;&|(){}$`#\n<>=if do"), max_size=30))
def test_any_text_is_split_or_left_alone(text: str) -> None:
    command = read_shell(f"RUN {text}")
    for part in command.parts if command else ():
        assert part.text.strip() == part.text
        assert part.text
