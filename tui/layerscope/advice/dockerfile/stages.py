"""A whole Dockerfile: finding and reading it, its stages, and the values of its variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layerscope.advice.dockerfile.instructions import Instruction, parse_instruction, raw_words, read_source, unquoted
from layerscope.errors import BadDockerfile
from layerscope.limits import EXPANDED
from layerscope.text import escape

NAMES = ("Dockerfile", "Containerfile")
MAX_BYTES = 1 << 20
"""The longest file taken for a Dockerfile; the longest real ones have some 100 kB."""
Variables = dict[str, str]
UNKNOWN = "\0"
"""Stands in expanded text for what only the builder knew: a build argument, a base's variable, an unsupported modifier."""
MAX_NESTING = 4
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"\$(?:({_NAME})|\{{({_NAME})(:?[-+])?([^{{}}]*)\}})")


@dataclass(frozen=True, slots=True)
class Stage:
    """A build stage: a FROM and the instructions that follow it.

    `base` is the image or stage it is built on, variables expanded; `name` may be empty.
    """

    name: str
    base: str
    line: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed Dockerfile: its stages in order, and as `arguments` the ARGs before the first FROM with their defaults.

    `instructions` are all of the file, FROM among them; `escape` is the escape character.
    """

    stages: tuple[Stage, ...]
    arguments: Variables
    instructions: tuple[Instruction, ...] = ()
    escape: str = "\\"

    def chain(self, index: int) -> tuple[Stage, ...]:
        """Return the stages that stage `index` is built from, the lowest first and itself last."""
        chain = [self.stages[index]]
        below = self.find(chain[0].base, index)
        while below is not None:
            chain.insert(0, self.stages[below])
            below = self.find(chain[0].base, below)
        return tuple(chain)

    def find(self, base: str, before: int) -> int | None:
        """Return the index of the last stage named `base` before the stage `before`, or None. FROM does not accept numbers."""
        wanted = base.lower()
        return next((index for index in reversed(range(before)) if self.stages[index].name.lower() == wanted), None)


def parse_dockerfile(text: str, *, name: str = "Dockerfile") -> Dockerfile:
    """Parse a Dockerfile's text. Raises BadDockerfile, which names the file and the line."""
    source = read_source(text, name=name)
    instructions = [parse_instruction(line, name=name, escape=source.escape) for line in source.lines]
    first = next((index for index, each in enumerate(instructions) if each.keyword == "FROM"), len(instructions))
    for each in instructions[:first]:
        if each.keyword != "ARG":
            raise BadDockerfile(f"{name}, line {each.line}: {each.keyword} before the first FROM")
    if first == len(instructions):
        raise BadDockerfile(f"{name} has no FROM, so it is not a Dockerfile")
    arguments = _arguments(instructions[:first])
    return Dockerfile(tuple(_stages(instructions[first:], arguments, name)), arguments, tuple(instructions), source.escape)


def _arguments(instructions: Iterable[Instruction]) -> Variables:
    variables: Variables = {}
    for each in instructions:
        variables |= sets(each, variables)
    return variables


def _stages(instructions: list[Instruction], arguments: Variables, name: str) -> list[Stage]:
    starts = [index for index, each in enumerate(instructions) if each.keyword == "FROM"]
    ends = [*starts[1:], len(instructions)]
    return [
        _stage(instructions[start], tuple(instructions[start + 1 : end]), arguments, name)
        for start, end in zip(starts, ends, strict=True)
    ]


def _stage(origin: Instruction, instructions: tuple[Instruction, ...], arguments: Variables, name: str) -> Stage:
    words = origin.words
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise BadDockerfile(f"{name}, line {origin.line}: write FROM IMAGE, or FROM IMAGE AS NAME")
    return Stage(words[2] if len(words) == 3 else "", expand(words[0], arguments, origin.escape), origin.line, instructions)


def find_dockerfile(directory: Path) -> Path | None:
    """Find a Dockerfile or Containerfile directly in `directory`; None if it has neither."""
    return next((directory / name for name in NAMES if (directory / name).is_file()), None)


def read_dockerfile(path: Path, *, name: str = "") -> Dockerfile:
    """Read and parse a file. Raises BadDockerfile, also when it cannot be read; errors call it `name`."""
    name = name or escape(str(path))
    return parse_dockerfile(read_text(path, name=name), name=name)


def read_text(path: Path, *, name: str) -> str:
    """Read a Dockerfile's text. Raises BadDockerfile if it cannot be read or is none; errors call it `name`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDockerfile(f"{name}: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise BadDockerfile(f"{name} is longer than {MAX_BYTES >> 10} KiB, so it is not a Dockerfile")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadDockerfile(f"{name}, line {line}: not UTF-8") from error


def expand(text: str, variables: Variables, escape: str = "\\") -> str:
    """Replace the variables in a text by their values, and by UNKNOWN where the value is not known.

    As in the Dockerfile reference, "Environment replacement".
    """
    most = 2 * len(text) + EXPANDED
    for _ in range(MAX_NESTING):
        expanded = _expand_once(text, variables, escape, most)
        if expanded == text or "${" not in expanded:
            return expanded
        text = expanded
    return text


def _expand_once(text: str, variables: Variables, escape: str, most: int) -> str:
    """Replace the variables that hold no other one in their braces: the innermost of `${A:-${B}}` first.

    A result longer than `most` is UNKNOWN.
    """
    parts: list[str] = []
    end = length = 0
    for match in _VARIABLE.finditer(text):
        if match.start() and text[match.start() - 1] == escape:
            continue
        parts += [text[end : match.start()], _value(match, variables)]
        end = match.end()
        length += len(parts[-1]) + len(parts[-2])
        if length > most:  # each of 24 lines may double the one before
            return UNKNOWN
    return "".join([*parts, text[end:]])


def _value(match: re.Match[str], variables: Variables) -> str:
    name, operator, word = match[1] or match[2], match[3], match[4]
    value = variables.get(name)
    if operator is None:
        return UNKNOWN if value is None or word else value
    if value is None:
        return UNKNOWN
    is_set = bool(value) or operator in ("-", "+")
    if operator.endswith("-"):
        return value if is_set else word
    return word if is_set else ""


def sets(instruction: Instruction, variables: Variables) -> Variables:
    """Return the variables that an ENV or ARG sets; an ARG without a default sets nothing."""
    if instruction.keyword not in ("ENV", "ARG"):
        return {}
    escape = instruction.escape
    words = list(raw_words(instruction.arguments, escape))
    if instruction.keyword == "ENV" and "=" not in words[0]:
        value = instruction.arguments[len(words[0]) :].strip()
        return {words[0]: expand(value, variables, escape)}
    pairs = (word.partition("=") for word in words)
    return {unquoted(name, escape): _expanded(value, variables, escape) for name, equals, value in pairs if equals}


def _expanded(value: str, variables: Variables, escape: str) -> str:
    """Return the value of a word: variables replaced, unless it begins with a single quote, and quotes removed."""
    if value.startswith("'"):
        return unquoted(value, escape)
    return unquoted(expand(value, variables, escape), escape)
