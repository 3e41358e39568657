"""The sizes of layers from an engine's history, which tells the size of each step but not which of them made a layer."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.sources.engine.listing import ListedStep

_NO_OPERATION = "#(nop)"
_WITHOUT_LAYER = frozenset(
    {"ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "SHELL"}
    | {"STOPSIGNAL", "USER", "VOLUME"}
)


def layer_sizes(steps: Sequence[ListedStep], layers: int, total: int) -> list[int]:
    """The size of each of `layers`, base first, from the steps of the build; they add up to what the steps do.

    A step with a size made a layer. Of those without, `RUN`, `COPY` and `ADD` are more likely to have made one than
    `WORKDIR`, which makes one where the directory was not there, and than others, which do not. Where the steps do not
    suffice (an imported base, a squashed image), the base gets what is left of `total`.
    """
    made = [number for number, step in enumerate(steps) if step.size]
    if len(made) > layers:
        return [0] * (layers - 1) + [total] if layers else []
    empty = sorted((number for number, step in enumerate(steps) if not step.size), key=lambda number: _doubt(steps[number]))
    chosen = sorted([*made, *empty[: layers - len(made)]])
    sizes = [steps[number].size for number in chosen]
    missing = layers - len(sizes)
    rest = max(total - sum(sizes), 0)
    return [rest, *([0] * (missing - 1)), *sizes] if missing else sizes


def _doubt(step: ListedStep) -> int:
    """How unlikely a step without a size is to have made a layer."""
    _, is_noted, rest = step.created_by.rpartition(_NO_OPERATION)
    word = (rest if is_noted else step.created_by).split(maxsplit=1)[:1]
    if word == ["WORKDIR"]:
        return 1
    return 2 if not word or word[0] in _WITHOUT_LAYER else 0
