"""Which Dockerfile line made which layer. A wrong line is worse than none, so uncertain pairs are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.advice.advice import DockerfileLine
from layerscope.advice.dockerfile.align import Alignment, Costs, align
from layerscope.advice.dockerfile.history_step import Step, is_by_docker, read_steps
from layerscope.advice.dockerfile.instructions import COPIES, Instruction
from layerscope.advice.dockerfile.similarity import Wanted, similarity, words_of
from layerscope.advice.dockerfile.spellings import wanted_of
from layerscope.advice.dockerfile.stages import Dockerfile
from layerscope.advice.dockerfile.variables import Variables
from layerscope.sources.image import Image

CLAIMED_FROM = 0.7
"""The confidence below which no line is named. Measured on real builds: see tests/test_gate_mapping_builds.py."""
RECOGNIZED_FROM = 0.6
"""The share of instructions and own steps that must be found again: below it the Dockerfile belongs to another image."""
SETTING_WORTH = 0.3
"""The weight of ENV, WORKDIR or CMD in an alignment, where RUN and COPY have 1: they are alike in many images."""
SCRATCH = "scratch"
SPARE_STEPS = 40
"""How many more history steps than instructions are examined: triggers of ONBUILD, squashed or removed lines."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """`lines` and `instructions` go from layer numbers to where and what they are in the Dockerfile.

    `base_layers` is how many layers come before the first instruction's, None where that is not known. `is_recognized` is
    false when the Dockerfile does not look like this image's; there are no lines then.
    """

    lines: dict[int, DockerfileLine]
    instructions: dict[int, Instruction]
    base_layers: int | None
    is_recognized: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    wanted: list[Wanted]
    alignment: Alignment
    base: str


def map_layers(image: Image, dockerfile: Dockerfile, *, base_layers: int | None = None) -> Mapping:
    """Map layers to lines, using the stage that fits the history best (the last of equals). `base_layers` layers are the
    base's.
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
    first = _first_own(steps, base_layers) if has_base else 0
    first = max(first, len(steps) - len(wanted) - SPARE_STEPS)
    costs = Costs(
        steps=[_step_cost(step) for step in steps],
        instructions=[_instruction_cost(each.instruction) for each in wanted],
        worth=[1.0 if each.instruction.makes_layer else SETTING_WORTH for each in wanted],
        has_base=has_base,
        first_step=first,
    )
    return _Reading(wanted, align(_similarities(steps, wanted, first), costs), base)


def _first_own(steps: list[Step], base_layers: int) -> int:
    """Return the first step after the base's last layer."""
    last = [index for index, step in enumerate(steps) if step.layer is not None and step.layer <= base_layers]
    return last[-1] + 1 if last else 0


def _similarities(steps: list[Step], wanted: Sequence[Wanted], first: int) -> list[list[float]]:
    nothing = [0.0] * len(wanted)
    return [_row(step, wanted) if index >= first and step.keyword else nothing for index, step in enumerate(steps)]


def _row(step: Step, wanted: Sequence[Wanted]) -> list[float]:
    words = words_of(step.text)
    return [similarity(each, step, words) for each in wanted]


def _step_cost(step: Step) -> float:
    return 0.6 if step.keyword in COPIES or step.keyword in ("RUN", "") else 0.1


def _instruction_cost(instruction: Instruction) -> float:
    """Return the cost of leaving an instruction unpaired: low for ONBUILD and ARG, which BuildKit's and kaniko's histories
    lack.
    """
    if instruction.keyword in ("ARG", "MAINTAINER", "ONBUILD"):
        return 0.02
    return 0.3 if instruction.makes_layer else 0.05


def _is_recognized(reading: _Reading, steps: list[Step]) -> bool:
    """Tell whether enough instructions are paired; those that make no layer count a fifth, because WORKDIR /app and CMD
    recur in many images.
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
    """Return the layers that hold several steps.

    buildah without --layers, and all tools that squash, leave the steps before without a layer. A COPY always has something to
    store, and so has a RUN, except with Docker's classic builder.
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
    below = [step.layer for step in steps[: reading.alignment.own_from] if step.layer is not None]
    return Mapping(lines, instructions, max(below, default=0), is_recognized=True)
