"""Why something that would make an image smaller is not done by an edit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerscope.advice.fixes.fix_context import quoted_text
from layerscope.advice.fixes.workshop import Workshop

_SPECIAL = {
    "has a `case`": re.compile(r"\bcase\s.*\besac\b", re.DOTALL),
    "has a here-document of the shell": re.compile(r"<<"),
    "defines a function": re.compile(r"\w\s*\(\)"),
    "has a comment behind its commands": re.compile(r"\s#"),
    "has a job in the background": re.compile(r"[^&>]&(?![&>])"),
}
"""What keeps the commands of a RUN from being told apart."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an edit is not made: the beginning of a sentence, without a full stop, printable."""

    text: str


def unreadable(workshop: Workshop, key: int) -> Obstacle:
    """Say why the commands of a RUN are not edited, which `Workshop.command` cannot tell apart."""
    site = workshop.draft.sites[key]
    line, instruction = f"line {site.instruction.line}", site.instruction
    if instruction.is_json:
        return Obstacle(f"{line} is a list of words (exec form), which a shell may read otherwise")
    if not site.has_plain_shell:
        return Obstacle(f"{line} runs in a shell of its own, `{quoted_text(site.shell)}`")
    if instruction.heredocs and any(each.body.startswith("#!") for each in instruction.heredocs):
        return Obstacle(f"{line} is a script with an interpreter of its own")
    if instruction.heredocs and len(instruction.words) > 1:
        return Obstacle(f"{line} gives a here-document to a command")
    body = instruction.heredocs[0].body if instruction.heredocs else instruction.arguments
    found = next(
        (words for words, pattern in _SPECIAL.items() if pattern.search(body)), "has quotes or brackets that do not close"
    )
    return Obstacle(f"{line} {found}, so its commands cannot be told apart")
