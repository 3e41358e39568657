"""A sketch of how to build in a stage of its own, made of the Dockerfile's own lines: to start from, not to apply."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from layerscope.advice.dockerfile.instructions import Instruction
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin
from layerscope.advice.fixes.reach import FILE_COMMANDS, PACKAGE_COMMANDS, SYSTEM, USER_COMMANDS
from layerscope.layers.table import Kind
from layerscope.masking import masked
from layerscope.text import escape
from layerscope.tree.tree import Longs

_HARMLESS = FILE_COMMANDS | PACKAGE_COMMANDS | USER_COMMANDS | {"set", "cd", "export"}
_COMMANDS = re.compile(r"(?:^RUN(?:\s+--\S+)*|&&|\|\||;|\|)\s*([\w./+-]+)")
_SETTINGS = frozenset({"ARG", "ENV", "LABEL", "SHELL", "WORKDIR"})
STAGE = "build"
MOST_PLACES = 4
LEFT = tuple(f"{name.strip('/')}/".encode() for name in (*SYSTEM, "dev", "proc", "root", "sys", "tmp"))
"""Where packages lie, and what only the machine needs that builds."""


def stage_sketch(context: FixContext, origin: LayerOrigin, packages: Iterable[str]) -> str:
    """Sketch two stages: one with all up to the last RUN that builds, one without `packages` that copies what that made.

    It begins with a sentence on a line of its own; empty where the Dockerfile's lines or what was built are not known.
    """
    stage = context.stage
    if stage is None or origin.instruction is None or origin.instruction not in stage.instructions:
        return ""
    start = stage.instructions.index(origin.instruction)
    builders = [each for each in stage.instructions[start:] if _builds(each)]
    if not builders:
        return ""
    end = stage.instructions.index(builders[-1])
    made = [each for each in context.origins if each.instruction in stage.instructions[start : end + 1]]
    places = _places(
        context, [each.number for each in made if each.instruction != origin.instruction or builders == [origin.instruction]]
    )
    if not places:
        return ""
    installs = [text for each in stage.instructions[: end + 1] if (text := _kept(each, packages))]
    lines = [
        f"FROM {stage.base} AS {STAGE}",
        *(each.text for each in stage.instructions[: end + 1]),
        f"FROM {stage.base}",
        *installs,
        *(f"COPY --from={STAGE} {place} {place}" for place in places),
        *(each.text for each in stage.instructions[end + 1 :]),
    ]
    return "\n".join([" As a start:", *(escape(masked(line)) for line in lines)])


def _builds(instruction: Instruction) -> bool:
    """Tell whether a RUN calls a program that is neither for files nor for packages or users."""
    return instruction.keyword == "RUN" and any(
        match[1].rpartition("/")[2] not in _HARMLESS for match in _COMMANDS.finditer(instruction.text)
    )


def _kept(instruction: Instruction, packages: Iterable[str]) -> str:
    """Return what the last stage repeats of an instruction: settings, and a RUN that installs without what only builds."""
    if instruction.keyword in _SETTINGS:
        return instruction.text
    names = set(packages)
    words = instruction.text.split()
    if instruction.keyword != "RUN" or not names & set(words):
        return ""
    kept = [word for word in words if word not in names]
    follows = [kept[index + 1] for index, word in enumerate(kept[:-1]) if word in ("install", "add")]
    has_package = any(not word.startswith("-") and word not in ("&&", ";", "||") for word in _arguments(kept))
    return " ".join(kept) if follows and has_package else ""


def _arguments(words: list[str]) -> list[str]:
    """Return what stands behind `install` or `add`, up to the next command."""
    start = next((index + 1 for index, word in enumerate(words) if word in ("install", "add")), len(words))
    end = next((index for index, word in enumerate(words[start:], start) if word in ("&&", ";", "||")), len(words))
    return words[start:end]


def _places(context: FixContext, layers: list[int]) -> list[str]:
    """Return a few directories and files that hold all that some layers left to be seen, system directories left out."""
    tree = context.tree
    is_made = context.is_live & np.isin(tree.entry_layer, layers) & (tree.entries.kind == Kind.FILE)
    nodes = np.unique(tree.entry_node[np.flatnonzero(is_made)]).astype(np.int64)
    paths = [tree.nodes.paths[node] for node in _gathered(context, nodes).tolist()]
    return [f"/{path.decode('utf-8', 'surrogateescape')}" for path in paths if path and not path.startswith(LEFT)]


def _gathered(context: FixContext, nodes: Longs) -> Longs:
    """Replace the deepest nodes by the directories they lie in, until a few are left, none of them the root's child."""
    tree = context.tree
    while len(nodes) > MOST_PLACES and int(tree.nodes.depth[nodes].max()) > 2:
        deepest = int(tree.nodes.depth[nodes].max())
        above = np.where(tree.nodes.depth[nodes] == deepest, tree.nodes.parent[nodes], nodes)
        nodes = np.unique(above).astype(np.int64)
    return nodes
