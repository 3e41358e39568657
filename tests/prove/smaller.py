"""Makes a failing Dockerfile smaller: instructions are left out as long as the same goes wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prove.cases import Case
from prove.proof import Prover

ROUNDS = 24
"""So many builds are tried at most."""


def smaller(case: Case, prover: Prover, problems: Sequence[str]) -> Case:
    """Find the smallest case with the same kind of problem; its files are those of `case`, whose Dockerfile changes."""
    kinds = _kinds(problems)
    instructions = _instructions(case.text)
    tried, at = 0, len(instructions) - 1
    path = case.directory / case.dockerfile
    while at > 0 and tried < ROUNDS:
        fewer = instructions[:at] + instructions[at + 1 :]
        path.write_text("".join(fewer), "utf-8")
        tried += 1
        if _kinds([problem for row in prover.prove(case) for problem in row.problems]) & kinds:
            instructions = fewer
        at -= 1
    path.write_text("".join(instructions), "utf-8")
    prover.prove(case)
    return case


def _kinds(problems: Sequence[str]) -> set[str]:
    """What problems begin with, without figures."""
    return {re.sub(r"[\d,-]+", "", problem.partition(":")[0]) for problem in problems} - {"the original does not build"}


def _instructions(text: str) -> list[str]:
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if found and found[-1].endswith("\\\n"):
            found[-1] += line
        else:
            found.append(line)
    return found
