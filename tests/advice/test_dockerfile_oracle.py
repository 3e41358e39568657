"""Dockerfiles are taken apart as BuildKit's own parser takes them apart (`dockerfile`, which binds it).

It does no more than that: what is an instruction, and with which arguments, a builder checks later, and we at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from layerscope.advice.dockerfile.stages import parse_dockerfile
from layerscope.errors import BadDockerfile

parser = pytest.importorskip("dockerfile", reason="BuildKit's parser has wheels for x86 alone")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What both say of an instruction. Their last line may be that of a comment which ends the file inside a continuation."""

    keyword: str
    line: int
    is_json: bool
    flags: tuple[str, ...]
    words: tuple[str, ...]
    heredocs: tuple[tuple[str, str], ...]


def ours(text: str) -> list[Parsed]:
    return [
        Parsed(
            each.keyword,
            each.line,
            each.is_json,
            tuple(f"--{name}={value}" if value else f"--{name}" for name, value in each.flags),
            each.words if each.is_json else tuple(each.arguments.split()),
            tuple((heredoc.name, heredoc.body) for heredoc in each.heredocs),
        )
        for stage in parse_dockerfile(text).stages
        for each in stage.instructions
    ]


def commands(text: str) -> list[Any]:
    """What BuildKit's parser finds from the first FROM on, without the FROMs."""
    found = [command for command in parser.parse_string(text) if command.cmd]  # none: a lone continuation mark at the end
    first = next(number for number, command in enumerate(found) if command.cmd.upper() == "FROM")
    return [command for command in found[first:] if command.cmd.upper() != "FROM"]


def parsed(command: Any) -> Parsed:
    return Parsed(
        command.cmd.upper(),
        command.start_line,
        command.json,
        tuple(command.flags),
        tuple(command.value) if command.json else tuple(" ".join(command.value).split()),
        tuple((heredoc.name, heredoc.content) for heredoc in command.heredocs),
    )


def is_comparable(command: Any) -> bool:
    """Leave out flags that no builder takes, and what follows an array: this parser ignores it, as Docker 20.10 does, but for
    BuildKit of today all is then a command of the shell.
    """
    if command.flags and command.cmd.upper() not in ("RUN", "COPY", "ADD"):
        return False
    if command.json and (command.original.count("]") > 1 or not command.original.rstrip().endswith("]")):
        return False
    return all(re.fullmatch(r"--[a-z]+(=[^\"'\\]*)?", flag) for flag in command.flags)


@pytest.mark.parametrize(
    "text",
    [
        "\n\nrun a &&  \\\n  b\n",
        "RUN a && \\\n# one \\\n\n   # two\n b\nCMD c",
        "RUN a \\  \t\n b",
        "RUN a \\\\\nRUN b",
        "RUN a \\\n\n# end\n",
        "RUN <<EOF\n# not a comment\na \\\n\nEOF\nCMD x",
        "COPY <<one.txt <<'two' /d/\n1\none.txt\n2\ntwo\n",
        'RUN echo "<<EOF"\nRUN cat <<< EOF\nRUN cat << EOF\nRUN a<<EOF\n',
        'COPY --link --from=build --chown="a b:c" --chmod=755 x y /z/',
        "RUN --mount=type=cache,target=/x --network=none ls --all",
        'RUN ["a", "b c"]\nRUN [ -f /x ] && y\nCMD [\'a\']',
        "ADD https://a/b.tar.gz#c /d\r\nUSER a\r\n",
        'RUN echo "a # b" # c\n',
    ],
)
def test_buildkits_parser_takes_it_apart_likewise(text: str) -> None:
    assert ours("FROM scratch\n" + text) == list(map(parsed, commands("FROM scratch\n" + text)))


PIECES = (
    *(
        "\n",
        "\n",
        "\n",
        " \\\n",
        "\\\n",
        "\r\n",
        "\\\r\n",
        "`\n",
        " ",
        "\t",
        "\\",
        "#",
        "# c\n",
        '"',
        "'",
        "[",
        "]",
        ",",
        "=",
        "$A",
        "-",
        "a",
    ),
    *(
        "RUN ",
        "\nRUN ",
        "run a",
        "\nCOPY a b",
        "\nCMD ",
        "\nFROM b AS c\n",
        "\nUSER a",
        "<<E",
        " <<E\n",
        "\nE\n",
        "<<-E",
        '["a", "b"]',
        "--x=y ",
    ),
)


@settings(max_examples=300)
@example(["<<E", "\nE\n"])
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_what_we_read_at_all_is_what_buildkits_parser_reads(pieces: list[str]) -> None:
    text = "FROM scratch\nRUN x" + "".join(pieces)
    try:
        read = ours(text)
    except BadDockerfile:
        return
    found = commands(text)
    assume(all(map(is_comparable, found)))
    assert read == list(map(parsed, found))
