"""Reads a step of an image's history as a Dockerfile instruction, whichever builder wrote it.

Seen in images that Docker 20.10, podman 4.3 and buildah built; BuildKit's and kaniko's spelling as their sources have it:

    /bin/sh -c #(nop) COPY file:73e2…04b9 in /bin/     Docker, buildah (two blanks before ENV and its like: Docker's alone)
    |2 A=x y B=z /bin/sh -c make                       Docker, buildah: two build arguments, then the command
    RUN |1 A=x /bin/sh -c make # buildkit              BuildKit
    COPY --chown=1:2 a b /dest/ # buildkit             BuildKit, variables replaced
    /bin/sh -c ["make", "all"]                         buildah, for the JSON form
    COPY --from=build $A /dest/                        kaniko: as it is written
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.advice.dockerfile.instructions import COPIES, KEYWORDS
from layerscope.sources.image import BuildStep

_NOP = "#(nop)"
_BUILDKIT = re.compile(r"\s*# buildkit\s*$")
_STORED = re.compile(r"(?:multi|file|dir):[0-9a-f]{32,128} in ")
_FLAG = re.compile(r"--[a-z-]+(?:=\S*)?\s+")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an image's history, read as a Dockerfile instruction.

    `keyword` is in capitals, empty where the history says nothing. `text` is what follows it, blanks collapsed; for RUN the
    command with all that the builder put before it, for COPY and ADD sources and destination without flags, or the destination
    alone.

    `layer` is the layer's number, None for a step without one. `stored` is `file`, `dir` or `multi` where the history names
    what was copied by its checksum, else empty; `flags` are COPY's and ADD's as written.
    """

    keyword: str
    text: str
    layer: int | None
    stored: str = ""
    flags: str = ""


def read_steps(steps: list[BuildStep]) -> list[Step]:
    """Parse all steps of a history, base first."""
    return [read_step(step.created_by, step.layer.number if step.layer else None) for step in steps]


def read_step(created_by: str, layer: int | None) -> Step:
    """Parse one step, in time linear in its length: a history may be hostile."""
    text = " ".join(_BUILDKIT.sub("", created_by).split())
    if not text:
        return Step("", "", layer)
    _, nop, rest = text.partition(_NOP)
    keyword, _, arguments = (rest.strip() if nop else text).partition(" ")
    if keyword not in KEYWORDS:
        return Step("" if nop else "RUN", text, layer)
    return _copy(keyword, arguments, layer) if keyword in COPIES else Step(keyword, arguments, layer)


def _copy(keyword: str, arguments: str, layer: int | None) -> Step:
    # Docker 20.10 leaves no blank between --chown and the checksum.
    stored = _STORED.search(arguments)
    if stored and (not stored.start() or arguments.startswith("--")):
        flags, kind = arguments[: stored.start()].strip(), stored[0].partition(":")[0]
        return Step(keyword, arguments[stored.end() :].strip(), layer, kind, flags)
    end = 0
    while flag := _FLAG.match(arguments, end):
        end = flag.end()
    return Step(keyword, arguments[end:], layer, "", arguments[:end].strip())


def is_by_docker(steps: list[BuildStep]) -> bool:
    """Tell whether Docker's classic builder wrote part of a history.

    Only this builder stores no layer for a RUN that changes nothing.
    """
    return any(f"{_NOP}  " in step.created_by for step in steps)


_PREFIX = re.compile(r"(?:\|\d+ (?:[^\s=]+=.*? )?(?=\S*sh -))?(?:/\S*/(?:ba|da|z)?sh(?: -o pipefail)? -e?u?x?c )?")


def instruction_text(step: Step) -> str:
    """Return a step's instruction as its author may have written it: without build arguments, shell and checksum."""
    if step.keyword == "RUN":
        match = _PREFIX.match(step.text)
        return f"RUN {step.text[match.end() if match else 0 :]}"
    if step.stored:
        return f"{step.keyword} … {step.text}"
    return f"{step.keyword} {step.text}".strip()


def own_triggers(steps: Sequence[Step], own_from: int) -> int:
    """Count the steps just before `own_from` that ONBUILD of the base caused: they are those of the image built on it.

    Docker and buildah write both into the history: the instruction in the base's part, and what it caused after that part.
    """
    caused = [step.text for step in steps[:own_from] if step.keyword == "ONBUILD"]
    for count in range(len(caused), 0, -1):
        last = steps[own_from - count : own_from]
        if all(_is_caused(step, text) for step, text in zip(last, caused[-count:], strict=True)):
            return count
    return 0


def _is_caused(step: Step, trigger: str) -> bool:
    keyword, _, text = trigger.partition(" ")
    if step.keyword != keyword.upper():
        return False
    if keyword.upper() in COPIES:
        target = text.rpartition(" ")[2].strip("./")
        return step.text.rstrip("/").endswith(target)
    return step.text.endswith(text) if keyword.upper() == "RUN" else True
