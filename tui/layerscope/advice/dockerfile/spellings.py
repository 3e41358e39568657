"""How builders may record each instruction of a stage: all spellings, with variables replaced as in the build."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.advice.dockerfile.instructions import COPIES, Instruction
from layerscope.advice.dockerfile.similarity import Wanted, all_spellings, resolved, words_of
from layerscope.advice.dockerfile.source import unquoted
from layerscope.advice.dockerfile.stages import Dockerfile, Stage
from layerscope.advice.dockerfile.variables import UNKNOWN, Variables, expand, sets

DEFAULT_SHELL = "/bin/sh -c"


def wanted_of(dockerfile: Dockerfile, chain: tuple[Stage, ...], variables: Variables) -> list[Wanted]:
    """Return the possible spellings of each instruction of the stages, in order. `variables` are the image's own, to start
    with.
    """
    build = _Build(dockerfile.arguments, dict(variables))
    wanted = []
    for stage in chain:
        build.start_stage()
        wanted += [build.instruct(each) for each in stage.instructions]
    return wanted


class _Build:
    """The state at one point of a Dockerfile: variables, working directory, shell."""

    def __init__(self, arguments: Variables, variables: Variables) -> None:
        self._arguments, self._variables = arguments, variables
        self._directory, self._shell = UNKNOWN, DEFAULT_SHELL
        self._set_by_arg: set[str] = set()

    def start_stage(self) -> None:
        """Drop ARGs, which end with their stage."""
        for name in self._set_by_arg:
            self._variables.pop(name, None)
        self._set_by_arg.clear()

    def instruct(self, instruction: Instruction) -> Wanted:
        """Return the spellings of an instruction, and apply it to the state for those that follow."""
        wanted = self._wanted(instruction)
        self._apply(instruction)
        return wanted

    def _apply(self, instruction: Instruction) -> None:
        new = sets(instruction, self._variables)
        if instruction.keyword == "ARG":
            new |= {name: self._arguments[name] for name in instruction.words if name in self._arguments}
            self._set_by_arg |= new.keys() - self._variables.keys()
        self._variables |= new
        if instruction.keyword == "WORKDIR":
            self._directory = self._resolved_workdir(instruction)
        if instruction.keyword == "SHELL":
            self._shell = " ".join(instruction.words)

    def _wanted(self, instruction: Instruction) -> Wanted:
        if instruction.keyword == "RUN":
            spellings = all_spellings(_commands(instruction))
            return Wanted(instruction, spellings, shell=self._shell, words=words_of(spellings[0]))
        if instruction.keyword in COPIES:
            return self._copied(instruction)
        spellings = all_spellings(self._settings(instruction))
        return Wanted(
            instruction, spellings, words=words_of(" ".join(map(self._expand, instruction.words)).replace(UNKNOWN, " "))
        )

    def _settings(self, instruction: Instruction) -> Iterator[str]:
        yield instruction.arguments
        yield self._expand(instruction.arguments)
        yield " ".join(map(self._expand, instruction.words))
        if instruction.keyword == "WORKDIR":
            yield self._resolved_workdir(instruction)

    def _resolved_workdir(self, instruction: Instruction) -> str:
        return resolved(self._expand(unquoted(instruction.arguments, instruction.escape)), self._directory).rstrip("/") or "/"

    def _copied(self, instruction: Instruction) -> Wanted:
        targets = all_spellings(self._targets(instruction.destination))
        sources = [_source(word) for word in instruction.sources]
        lists = (sources, list(map(self._expand, sources)), [expand(word, {}) for word in sources])
        texts = [instruction.arguments, *(" ".join([*each, target]) for each in lists for target in targets)]
        return Wanted(instruction, all_spellings(iter(texts)), targets)

    def _targets(self, destination: str) -> Iterator[str]:
        """Yield a destination as written, with known values, with none, and each as an absolute path, with and without a
        slash at its end.
        """
        for path in (destination, self._expand(destination), expand(destination, {})):
            yield path
            whole = resolved(path, self._directory)
            if whole != UNKNOWN:
                yield whole
                yield whole.rstrip("/") or "/"

    def _expand(self, text: str) -> str:
        return expand(text, self._variables)


def _source(word: str) -> str:
    """Return a source as the history has it: BuildKit names a here-document without its quotes."""
    return "<<" + unquoted(word.lstrip("<").removeprefix("-")) if word.startswith("<<") else word


def _commands(instruction: Instruction) -> Iterator[str]:
    """Yield the command of a RUN in the spellings of all builders; a here-document's marker alone comes last."""
    if instruction.heredocs:
        yield from _with_heredocs(instruction)
    if instruction.is_json:
        yield " ".join(instruction.words)
    if instruction.flags:
        yield instruction.text.split(" ", 1)[1]
    yield instruction.arguments


def _with_heredocs(instruction: Instruction) -> Iterator[str]:
    """Add the body of a here-document: BuildKit runs a RUN that is only one as its body, or as a file if that starts with
    `#!`.
    """
    heredocs = instruction.heredocs
    if len(instruction.words) == 1 and len(heredocs) == 1:
        body = heredocs[0].body
        yield f"/dev/pipes/{heredocs[0].name}" if body.startswith("#!") else body
    yield "\n".join([instruction.arguments, *(f"{each.body}{each.name}" for each in heredocs)])
    # Podman 5 leaves the last line out.
    yield "\n".join([instruction.arguments, *(each.body for each in heredocs)])
