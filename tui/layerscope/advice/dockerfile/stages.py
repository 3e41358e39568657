"""A whole Dockerfile: finding and reading it, its stages, and which stage is built on which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layerscope.advice.dockerfile.instructions import Instruction, parse_instruction
from layerscope.advice.dockerfile.source import read_source
from layerscope.advice.dockerfile.variables import Variables, expand, sets
from layerscope.errors import BadDockerfile
from layerscope.text import escape


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and what follows it. `base` is what it is built on, variables expanded; `name` may be empty."""

    name: str
    base: str
    line: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All stages, in order; `arguments` are the ARGs before the first FROM with their defaults."""

    stages: tuple[Stage, ...]
    arguments: Variables

    def chain(self, index: int) -> tuple[Stage, ...]:
        """Return the indexes of the stages that stage `index` consists of, lowest first, itself last."""
        chain = [self.stages[index]]
        below = self._find(chain[0].base, index)
        while below is not None:
            chain.insert(0, self.stages[below])
            below = self._find(chain[0].base, below)
        return tuple(chain)

    def _find(self, base: str, before: int) -> int | None:
        """Return the last stage of that name before the stage `before`; FROM does not accept numbers."""
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
    return Dockerfile(tuple(_stages(instructions[first:], arguments, name)), arguments)


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


NAMES = ("Dockerfile", "Containerfile")
MAX_BYTES = 1 << 20
"""The longest file taken for a Dockerfile; the longest real ones have some 100 kB."""


def find_dockerfile(directory: Path) -> Path | None:
    """Find a Dockerfile or Containerfile directly in `directory`."""
    return next((directory / name for name in NAMES if (directory / name).is_file()), None)


def read_dockerfile(path: Path, *, name: str = "") -> Dockerfile:
    """Read and parse a file. Raises BadDockerfile, also when it cannot be read; errors call it `name`."""
    name = name or escape(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDockerfile(f"{name}: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise BadDockerfile(f"{name} is longer than {MAX_BYTES >> 10} KiB, so it is not a Dockerfile")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadDockerfile(f"{name}, line {line}: not UTF-8") from error
    return parse_dockerfile(text, name=name)
