"""The shell commands of RUNs: how they are split, and where each part stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.advice.editing.run_forms import as_shell, read_run
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


def script(*lines: str) -> list[tuple[str, str]] | None:
    raw = "\n".join(["RUN --mount=type=cache,target=/c <<EOF", *lines, "EOF"])
    command = read_run(raw)
    if command is None:
        return None
    assert command.is_script
    assert [raw[part.start : part.end] for part in command.parts if "\n" not in raw[part.start : part.end]] == [
        part.text for part in command.parts if "\\\n" not in raw[part.start : part.end] and "\n" not in part.text
    ]
    return [(part.operator, part.text) for part in command.parts]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a b", "c"], [("", "a b"), ("\n", "c")]),
        (["# why", "a  # c", "", "b &&", "  c;", "d"], [("", "a"), ("\n", "b"), ("&&", "c"), (";", "d")]),
        (["a \\", "  b", "for i in 1; do", "  c", "done"], [("", "a   b"), ("\n", "for i in 1; do\n  c\ndone")]),
    ],
)
def test_the_lines_of_a_here_document_are_commands(lines: list[str], expected: list[tuple[str, str]]) -> None:
    assert script(*lines) == expected


@pytest.mark.parametrize(
    "lines", [["#!/usr/bin/python", "a"], ["cat <<X", "a", "X"], ["a &&"], ["if a; then", "# why", "b", "fi"], []]
)
def test_a_here_document_that_cannot_be_split_safely_is_left_alone(lines: list[str]) -> None:
    assert script(*lines) is None


@pytest.mark.parametrize("raw", ["RUN cat <<EOF\na\nEOF", "RUN <<A <<B\na\nA\nb\nB", "RUN <<EOF\na"])
def test_a_here_document_that_is_not_all_of_a_run_is_left_alone(raw: str) -> None:
    assert read_run(raw) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('RUN ["rm", "-rf", "/a b", "$C"]', "RUN rm -rf '/a b' '$C'"),
        ('RUN --network=none ["/bin/mkdir", "/a"]', "RUN --network=none /bin/mkdir /a"),
        ('RUN ["/bin/sh", "-c", "rm /a && touch /b"]', "RUN rm /a && touch /b"),
        ('RUN ["/bin/bash", "-c", "rm $A"]', 'RUN ["/bin/bash", "-c", "rm $A"]'),
        ('RUN ["sh", "-c", "cd /a && rm b"]', 'RUN ["sh", "-c", "cd /a && rm b"]'),
        ('RUN ["sh", "-c", "rm /a; rm /b"]', 'RUN ["sh", "-c", "rm /a; rm /b"]'),
        ('RUN ["echo", "-e", "a"]', 'RUN ["echo", "-e", "a"]'),
        ('RUN ["make"]', 'RUN ["make"]'),
        ("RUN [ -e /a ]", "RUN [ -e /a ]"),
    ],
)
def test_a_list_of_words_is_a_command_where_a_shell_does_the_same(raw: str, expected: str) -> None:
    assert as_shell(raw) == expected
