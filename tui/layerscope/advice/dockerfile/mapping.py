"""Finds which Dockerfile line made which layer: aligns history steps with instructions, in order, for the best total score.

A wrong line is worse than none, so uncertain pairs are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.advice.advice import DockerfileLine
from layerscope.advice.dockerfile.history_step import Step, is_by_docker, own_triggers, read_steps
from layerscope.advice.dockerfile.instructions import COPIES, Instruction
from layerscope.advice.dockerfile.similarity import Wanted, similarity, wanted_of, words_of
from layerscope.advice.dockerfile.stages import Dockerfile, Variables
from layerscope.sources.image import Image

CLAIMED_FROM = 0.7
"""The confidence below which no line is named. Measured on real builds: see tests/advice/test_gate_mapping_builds.py."""
SURE_FROM = 0.84
"""The confidence of a line from which it is edited, and tells the base; below, it is only named."""
RECOGNIZED_FROM = 0.6
"""The share of instructions and own steps that must be found again: below it the Dockerfile belongs to another image."""
SETTING_WORTH = 0.3
"""The weight of ENV, WORKDIR or CMD in an alignment, where RUN and COPY have 1: they are alike in many images."""
SCRATCH = "scratch"
SPARE_STEPS = 40
"""How many more history steps than instructions are examined: triggers of ONBUILD, squashed or removed lines."""

NEVER = float("-inf")
SURE = 0.2
"""How far the best pairing must be ahead of all others for a pair to keep its full similarity."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which lines and instructions of a Dockerfile made which layers of an image, by layer number.

    `base_layers` is how many layers come before the first instruction's, None where that is not known. `is_recognized` is false
    when the Dockerfile does not look like this image's; there are no lines then. `stage` is the index of the build stage that
    the image is (-1: unknown).
    """

    lines: dict[int, DockerfileLine]
    instructions: dict[int, Instruction]
    base_layers: int | None
    is_recognized: bool
    stage: int = -1


@dataclass(frozen=True, slots=True)
class _Reading:
    wanted: list[Wanted]
    alignment: Alignment
    base: str
    stage: int


def map_layers(image: Image, dockerfile: Dockerfile, *, base_layers: int | None = None) -> Mapping:
    """Map layers to lines of a Dockerfile, using the build stage that fits the history best (the last of equals).

    The first `base_layers` layers are the base's.
    """
    builds = image.steps
    history = image.config.history
    if sum(not step.empty_layer for step in history) != len(image.layers):
        return Mapping({}, {}, None, is_recognized=False)  # no telling which layer is which step's
    steps = read_steps(builds)
    variables = dict(pair.partition("=")[::2] for pair in image.config.config.env)
    readings = [_read(steps, dockerfile, index, variables, base_layers or 0) for index in range(len(dockerfile.stages))]
    best = max(reversed(readings), key=lambda reading: reading.alignment.total)
    if not _is_recognized(best, steps):
        return Mapping({}, {}, None, is_recognized=False)
    squashed = _squashed(steps, has_empty_runs=is_by_docker(builds))
    return _mapping(best, steps, squashed)


def _read(steps: list[Step], dockerfile: Dockerfile, index: int, variables: Variables, base_layers: int) -> _Reading:
    chain = dockerfile.chain(index)
    wanted = wanted_of(dockerfile, chain, variables)
    base = chain[0].base
    has_base = base.lower() != SCRATCH
    own = (index + 1 for index, step in enumerate(steps) if has_base and step.layer is not None and step.layer <= base_layers)
    first = max(*own, len(steps) - len(wanted) - SPARE_STEPS, 0)
    nothing = [0.0] * len(wanted)
    similarities = [_row(step, wanted) if index >= first and step.keyword else nothing for index, step in enumerate(steps)]
    costs = Costs(
        steps=[0.6 if step.keyword in COPIES or step.keyword in ("RUN", "") else 0.1 for step in steps],
        instructions=[_instruction_cost(each.instruction) for each in wanted],
        worth=[1.0 if each.instruction.makes_layer else SETTING_WORTH for each in wanted],
        has_base=has_base,
        first_step=first,
    )
    return _Reading(wanted, align(similarities, costs), base, index)


def _row(step: Step, wanted: Sequence[Wanted]) -> list[float]:
    words = words_of(step.text)
    return [similarity(each, step, words) for each in wanted]


def _instruction_cost(instruction: Instruction) -> float:
    """Return what an alignment loses by leaving an instruction without a history step.

    That is little for ONBUILD and ARG, which BuildKit's and kaniko's histories lack.
    """
    if instruction.keyword in ("ARG", "MAINTAINER", "ONBUILD"):
        return 0.02
    return 0.3 if instruction.makes_layer else 0.05


def _is_recognized(reading: _Reading, steps: list[Step]) -> bool:
    """Tell whether enough instructions are paired with history steps for the Dockerfile to be this image's.

    Instructions that make no layer count a fifth, because WORKDIR /app and CMD recur in many images.
    """
    own = steps[reading.alignment.own_from :]
    expected = max(
        sum(_weight(each.instruction.keyword) for each in reading.wanted), sum(_weight(step.keyword) for step in own)
    )
    found = sum(pair.confidence * _weight(steps[pair.step].keyword) for pair in reading.alignment.pairs)
    return expected > 0 and found >= RECOGNIZED_FROM * expected


def _weight(keyword: str) -> float:
    if keyword in ("ARG", "MAINTAINER", "ONBUILD"):
        return 0.0
    return 1.0 if keyword in COPIES or keyword in ("RUN", "") else 0.2


def _squashed(steps: list[Step], *, has_empty_runs: bool) -> set[int]:
    """Return the numbers of the layers that hold what several history steps stored.

    buildah without --layers, and all tools that squash, leave the earlier of these steps without a layer. A COPY always has
    something to store, and so has a RUN, except with Docker's classic builder.
    """
    squashed, has_pending = set(), False
    for step in steps:
        is_maker = step.keyword in COPIES or (step.keyword == "RUN" and not has_empty_runs)
        if step.layer is None:
            has_pending |= is_maker
            continue
        if has_pending or step.keyword not in ("ADD", "COPY", "RUN", "WORKDIR"):
            squashed.add(step.layer)
        has_pending = False
    return squashed


def _mapping(reading: _Reading, steps: list[Step], squashed: set[int]) -> Mapping:
    lines, instructions = {}, {}
    for pair in reading.alignment.pairs:
        layer, instruction = steps[pair.step].layer, reading.wanted[pair.instruction].instruction
        if layer is None or layer in squashed or pair.confidence < CLAIMED_FROM:
            continue
        lines[layer] = DockerfileLine(instruction.line, instruction.end_line, instruction.text, round(pair.confidence, 3))
        instructions[layer] = instruction
    own_from = reading.alignment.own_from - own_triggers(steps, reading.alignment.own_from)
    below = [step.layer for step in steps[:own_from] if step.layer is not None]
    return Mapping(lines, instructions, max(below, default=0), is_recognized=True, stage=reading.stage)


@dataclass(frozen=True, slots=True)
class Pair:
    """Step `step` of the history paired with instruction `instruction` (both are indexes), with a confidence from 0 to 1."""

    step: int
    instruction: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the history's steps and a Dockerfile's instructions were paired, and the total score of that.

    `own_from` is the index of the first step that is not the base's; the number of steps if all are the base's.
    """

    pairs: tuple[Pair, ...]
    own_from: int
    total: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What an alignment loses by each step and instruction left unpaired, and gains by each instruction paired (`worth`).

    `has_base` is false for FROM scratch. `first_step` is the index of the first step that can be the author's.
    """

    steps: Sequence[float]
    instructions: Sequence[float]
    worth: Sequence[float]
    has_base: bool
    first_step: int = 0


def align(similarity: Sequence[Sequence[float]], costs: Costs) -> Alignment:
    """Pair history steps with Dockerfile instructions, keeping the order of both, for the best total score.

    `similarity[i][j]` says how surely step i is instruction j; 0 never pairs them.

    A sequence alignment (Needleman-Wunsch) with one end free: what the base brought comes before the first instruction's step
    and costs nothing. A step or instruction without partner costs a little, so that a similarity far down in the base's history
    does not win over the plain reading. Of equals the reading that leaves most to the base is chosen.
    """
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
    """Return a table whose `[i][j]` is the best total score of the first i steps and the first j instructions.

    Before the first instruction all steps are the base's, if there is a base, and cost nothing.
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
    """Return a table whose `[i][j]` is the best total score of the steps from i on and the instructions from j on.

    None of these steps is the base's.
    """
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
    """Return the (step, instruction) pairs of the best total score, in order, and the first step that is not the base's.

    They are found from the last to the first; a pair is taken as late as it can be.
    """
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
    """Rate how certain a pair is: 1 if no other pairing of its step or instruction comes near the best total score.

    The rate is 0.5 if another pairing reaches the same total.
    """
    best = through[step][instruction]
    others = [total for j, total in enumerate(through[step]) if j != instruction]
    others += [row[instruction] for i, row in enumerate(through) if i != step]
    margin = best - max(others, default=NEVER)
    return 1.0 if margin >= SURE else 0.5 + 0.5 * max(margin, 0.0) / SURE * 0.8
