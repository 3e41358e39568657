"""The instructions that made an image's own layers, each with what is in force where it stands: user, directory, shell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.advice.dockerfile.instructions import COPIES, Instruction, unquoted
from layerscope.advice.dockerfile.mapping import SURE_FROM, Mapping
from layerscope.advice.dockerfile.similarity import resolved
from layerscope.advice.dockerfile.stages import UNKNOWN, Dockerfile, Variables, expand, sets
from layerscope.advice.fixes.builders import DOCKER
from layerscope.advice.fixes.fix_context import quoted_text
from layerscope.sources.image import Image

_PLAIN_SHELLS = ('["/bin/sh"', '["/bin/bash"', '["/bin/ash"', '["bash"', '["sh"')


@dataclass(frozen=True, slots=True)
class Site:
    """An instruction that the image was made with, `key` being its index in the file and `layer` its layer (None: no layer).

    `user`, `directory` (empty: unknown) and `shell` are those in force. `is_certain` is false where a layer should be but
    is not known.
    """

    key: int
    instruction: Instruction
    stage: int
    layer: int | None
    user: str
    directory: str
    shell: str
    is_certain: bool

    @property
    def quoted(self) -> str:
        """Return the instruction's line and the start of its text, printable."""
        return f"line {self.instruction.line} `{quoted_text(self.instruction.text)}`"

    @property
    def has_plain_shell(self) -> bool:
        """Tell whether a shell as POSIX has it runs its commands."""
        return not self.shell or self.shell.lstrip().startswith(_PLAIN_SHELLS)

    @property
    def is_run(self) -> bool:
        """Tell whether it is a RUN."""
        return self.instruction.keyword == "RUN"

    @property
    def is_copy(self) -> bool:
        """Tell whether it is a COPY or ADD."""
        return self.instruction.keyword in COPIES


def find_sites(image: Image, dockerfile: Dockerfile, mapping: Mapping, builder: str) -> tuple[Site, ...]:
    """Return the instructions of the stages that an image was made of, in order, without ARG before the first FROM."""
    if mapping.stage < 0:
        return ()
    layers = {each.line: layer for layer, each in mapping.instructions.items() if mapping.lines[layer].confidence > SURE_FROM}
    keys = {each.line: key for key, each in enumerate(dockerfile.instructions)}
    variables = dict(pair.partition("=")[::2] for pair in image.config.config.env)
    state = _State(dockerfile.arguments, dict(variables))
    chain = dockerfile.chain(mapping.stage)
    if not any(each.keyword == "WORKDIR" for stage in chain for each in stage.instructions):
        state.directory = image.config.config.working_dir or "/"  # the base's, for nobody changed it
    sites: list[Site] = []
    for stage in chain:
        index = dockerfile.stages.index(stage)
        for each in stage.instructions:
            layer = layers.get(each.line)
            has_empty = builder == DOCKER and each.keyword == "RUN"
            is_certain = layer is not None or not each.makes_layer or has_empty
            sites.append(Site(keys[each.line], each, index, layer, state.user, state.directory, state.shell, is_certain))
            state.apply(each)
    return tuple(sites)


class _State:
    """What is in force at one place of a Dockerfile."""

    def __init__(self, arguments: Variables, variables: Variables) -> None:
        self._arguments, self._variables = arguments, variables
        self.user, self.directory, self.shell = "", "", ""

    def apply(self, instruction: Instruction) -> None:
        new = sets(instruction, self._variables)
        if instruction.keyword == "ARG":
            new |= {name: self._arguments[name] for name in instruction.words if name in self._arguments}
        self._variables |= new
        text = unquoted(expand(instruction.arguments, self._variables), instruction.escape)
        if instruction.keyword == "USER":
            self.user = text
        if instruction.keyword == "SHELL":
            self.shell = instruction.arguments
        if instruction.keyword == "WORKDIR":
            whole = resolved(text, self.directory or UNKNOWN)
            self.directory = "" if UNKNOWN in whole else whole.rstrip("/") or "/"


def crossed(sites: tuple[Site, ...], first: int, second: int) -> Iterator[Site]:
    """Yield the sites between two keys of instructions."""
    for site in sites:
        if first < site.key < second:
            yield site
