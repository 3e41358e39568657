"""Layer sizes from an engine's history, which states the size of each step but not which steps made a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from layerscope.oci.digest import Digest
from layerscope.sources.engine.listing import ListedStep

_NO_OPERATION = "#(nop)"
_WITHOUT_LAYER = frozenset(
    {"ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "SHELL"}
    | {"STOPSIGNAL", "USER", "VOLUME"}
)
IMPOSSIBLE = 1 << 40


def layer_sizes(
    steps: Sequence[ListedStep], chain: Sequence[Digest], total: int, known: Mapping[Digest, int] | None = None
) -> list[int]:
    """Return the size of each layer of `chain`, base first, from the steps of the build; they add up to the steps' total.

    A step with a size made a layer. Of those without, `RUN`, `COPY` and `ADD` are more likely to have made one than `WORKDIR`,
    which makes one where the directory was not there, and than others, which do not. `known` has the totals of other images'
    layers, by chain id, and decides where it can. Where there are too few steps (an imported base), the base gets what is left
    of `total`; where they cannot be the layers' (a squashed image), only `known` distinguishes them.
    """
    sums = {depth: known[each] for depth, each in enumerate(chain, 1) if known and each in known}
    made = sum(1 for step in steps if step.size)
    if made > len(chain) or not made:
        return _by_sums(len(chain), sums, total)
    missing = len(chain) - len(steps)
    if missing > 0:
        sizes = [step.size for step in steps]
        return [max(total - sum(sizes), 0), *[0] * (missing - 1), *sizes]
    chosen = _likeliest(steps, len(chain), sums) or _likeliest(steps, len(chain), {})
    return [steps[number].size for number in chosen]


def _by_sums(layers: int, sums: Mapping[int, int], total: int) -> list[int]:
    """Return sizes from known totals; a known total for several layers counts as the lowest one's."""
    sizes = [0] * layers
    below = start = 0
    for depth, size in sorted({**sums, layers: total}.items()) if layers else ():
        sizes[start] = max(size - below, 0)
        below, start = size, depth
    return sizes


def _likeliest(steps: Sequence[ListedStep], layers: int, sums: Mapping[int, int]) -> list[int]:
    """Choose the steps that made the layers: all with a size, and the most likely others. Empty when `sums`, by depth, fit
    none.
    """
    so_far = list(accumulate((step.size for step in steps), initial=0))
    # doubts[depth]: the least doubt for that many layers from the steps so far; ways[step][depth]: whether the step made one.
    doubts = [0, *[IMPOSSIBLE] * layers]
    ways: list[list[bool]] = []
    for number, step in enumerate(steps):
        without = [IMPOSSIBLE] * (layers + 1) if step.size else doubts
        own = _doubt(step)
        fits = [sums.get(depth, so_far[number + 1]) == so_far[number + 1] for depth in range(layers + 1)]
        made = [IMPOSSIBLE, *(doubts[depth] + own if fits[depth + 1] else IMPOSSIBLE for depth in range(layers))]
        # Of equals the later one: a step that only removes, which has no size but a layer, has something below it.
        ways.append([one < IMPOSSIBLE and one <= other for one, other in zip(made, without, strict=True)])
        doubts = [min(one, other) for one, other in zip(made, without, strict=True)]
    return _walk_back(ways, layers) if doubts[layers] < IMPOSSIBLE else []


def _walk_back(ways: list[list[bool]], depth: int) -> list[int]:
    chosen = []
    for number in range(len(ways) - 1, -1, -1):
        if ways[number][depth]:
            chosen.append(number)
            depth -= 1
    return chosen[::-1]


def _doubt(step: ListedStep) -> int:
    """Return how unlikely it is that a step made a layer; 0 for a step with a size."""
    if step.size:
        return 0
    _, is_noted, rest = step.created_by.rpartition(_NO_OPERATION)
    word = (rest if is_noted else step.created_by).split(maxsplit=1)[:1]
    if word == ["WORKDIR"]:
        return 10
    return 1000 if not word or word[0] in _WITHOUT_LAYER else 1
