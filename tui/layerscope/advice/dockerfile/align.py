"""Put the steps of a history and the instructions of a Dockerfile side by side, in order, for the best total.

A sequence alignment (Needleman-Wunsch) with one end free: what the base brought comes before the first instruction's step
and costs nothing. A step or instruction without partner costs a little, so that a similarity far down in the base's history
does not win over the plain reading. Of equals the reading that leaves most to the base is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEVER = float("-inf")
SURE = 0.2
"""How far the best pairing must be ahead of all others for a pair to keep its full similarity."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Step `step` of the history paired with instruction `instruction` (both are indexes), with a confidence from 0 to 1."""

    step: int
    instruction: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """All pairs. `own_from` is the first step that is not the base's; the number of steps if all are the base's."""

    pairs: tuple[Pair, ...]
    own_from: int
    total: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of each step and instruction left unpaired, and the worth of each instruction paired. `first_step` is the first
    that can be the author's.
    """

    steps: Sequence[float]
    instructions: Sequence[float]
    worth: Sequence[float]
    has_base: bool
    first_step: int = 0


def align(similarity: Sequence[Sequence[float]], costs: Costs) -> Alignment:
    """Pair steps with instructions in order. `similarity[i][j]` says how surely step i is instruction j; 0 never pairs them."""
    gain = [[each * worth for each, worth in zip(row, costs.worth, strict=True)] for row in similarity]
    forward, backward = _forward(gain, costs), _backward(gain, costs)
    steps, instructions = len(costs.steps), len(costs.instructions)
    through = [
        [
            forward[i][j] + gain[i][j] + backward[i + 1][j + 1] if gain[i][j] > 0 and i >= costs.first_step else NEVER
            for j in range(instructions)
        ]
        for i in range(steps)
    ]
    path, own_from = _best_path(forward, gain, costs)
    pairs = tuple(Pair(i, j, similarity[i][j] * _certainty(through, i, j)) for i, j in path)
    return Alignment(pairs, own_from, forward[steps][instructions])


def _forward(gain: Sequence[Sequence[float]], costs: Costs) -> list[list[float]]:
    """Compute `[i][j]`: the best total of the first i steps and j instructions. Without instructions all steps are the
    base's.
    """
    instructions = len(costs.instructions)
    table = [[0.0] * (instructions + 1) for _ in range(len(costs.steps) + 1)]
    for i in range(len(costs.steps) + 1):
        if i and not costs.has_base:
            table[i][0] = table[i - 1][0] - costs.steps[i - 1]
        for j in range(1, instructions + 1):
            best = table[i][j - 1] - costs.instructions[j - 1]
            if i:
                best = max(best, table[i - 1][j] - costs.steps[i - 1])
                if gain[i - 1][j - 1] > 0 and i > costs.first_step:
                    best = max(best, table[i - 1][j - 1] + gain[i - 1][j - 1])
            table[i][j] = best
    return table


def _backward(gain: Sequence[Sequence[float]], costs: Costs) -> list[list[float]]:
    """Compute `[i][j]`: the best total of the steps from i and the instructions from j on, without the base's steps."""
    steps, instructions = len(costs.steps), len(costs.instructions)
    table = [[0.0] * (instructions + 1) for _ in range(steps + 1)]
    for i in range(steps, -1, -1):
        for j in range(instructions, -1, -1):
            choices = []
            if i < steps:
                choices.append(table[i + 1][j] - costs.steps[i])
            if j < instructions:
                choices.append(table[i][j + 1] - costs.instructions[j])
            if i < steps and j < instructions and gain[i][j] > 0 and i >= costs.first_step:
                choices.append(table[i + 1][j + 1] + gain[i][j])
            table[i][j] = max(choices, default=0.0)
    return table


def _best_path(forward: list[list[float]], gain: Sequence[Sequence[float]], costs: Costs) -> tuple[list[tuple[int, int]], int]:
    """Return the pairs of the best total from the last to the first; a pair is taken as late as it can be."""
    i, j = len(costs.steps), len(costs.instructions)
    path: list[tuple[int, int]] = []
    while j:
        here = forward[i][j]
        is_pair = i > costs.first_step and gain[i - 1][j - 1] > 0
        if is_pair and _is_equal(here, forward[i - 1][j - 1] + gain[i - 1][j - 1]):
            path.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif _is_equal(here, forward[i][j - 1] - costs.instructions[j - 1]):
            j -= 1
        else:
            i -= 1
    own_from = i if costs.has_base else 0
    return path[::-1], own_from


def _is_equal(left: float, right: float) -> bool:
    return abs(left - right) < 1e-9


def _certainty(through: list[list[float]], step: int, instruction: int) -> float:
    """Rate a pair: 1 if no other pairing of this step or instruction comes near the best total; half or less if one equals
    it.
    """
    best = through[step][instruction]
    others = [total for j, total in enumerate(through[step]) if j != instruction]
    others += [row[instruction] for i, row in enumerate(through) if i != step]
    margin = best - max(others, default=NEVER)
    return 1.0 if margin >= SURE else 0.5 + 0.5 * max(margin, 0.0) / SURE * 0.8
