"""How builders may record an instruction, and how similar a history step is to it: 0 (something else) to 1 (word for word)."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.advice.dockerfile.history_step import Step
from layerscope.advice.dockerfile.instructions import COPIES, Instruction, unquoted
from layerscope.advice.dockerfile.stages import UNKNOWN, Dockerfile, Stage, Variables, expand, sets

SAME = 1.0
BY_DESTINATION = 0.95
"""Similarity when the history has only a checksum and the destination, no source."""
WITH_UNKNOWN = 0.9
"""Similarity when all but the values of variables is equal; less if little else is left."""
BELOW_UNKNOWN = 0.75
"""The least similarity of a WORKDIR relative to the base's whose last names are equal."""
MARKER_ONLY = 0.85
"""Similarity when the first line of a here-document is equal and the history lacks the others."""
EDITED = 0.85
"""The greatest similarity of a command in which some words differ."""
OTHER_SETTING = 0.4
"""Similarity of the same keyword with other values (ENV, LABEL, ...), which builders spell in many ways."""
ODD = 0.6
"""Factor for a detail that does not fit: another owner, or a checksum of several files for one source."""

_SHELL = re.compile(r"(?:^|(?<= ))\S*(?:sh|cmd|shell)(?:\.exe)?(?: [-/+]\S*| pipefail| errexit)+$", re.IGNORECASE)
_WORDS = re.compile(r"[\w./:@$%+-]+")
_GLOB = re.compile(r"[*?\[]")

DEFAULT_SHELL = "/bin/sh -c"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An instruction, and how an image's history may spell it.

    `spellings` are of its command or arguments, blanks collapsed; UNKNOWN stands for what the Dockerfile does not tell.
    `targets` are spellings of a destination (COPY, ADD); `shell` is the one in use; `words` counts the words.
    """

    instruction: Instruction
    spellings: tuple[str, ...]
    targets: tuple[str, ...] = ()
    shell: str = ""
    words: Counter[str] | None = None


def similarity(wanted: Wanted, step: Step, step_words: Counter[str]) -> float:
    """Rate how well a history step matches an instruction, from 0 to 1.

    `step_words` is `words_of` the step's text, which the caller counts once for many instructions.
    """
    instruction = wanted.instruction
    if step.keyword != instruction.keyword:
        return 0.0
    if instruction.keyword == "RUN":
        return _run(wanted, step, step_words)
    if instruction.keyword in COPIES:
        return _copy(wanted, step)
    if step.layer is not None and instruction.keyword != "WORKDIR":
        return 0.0  # a setting makes no layer: this step stands for several that were squashed
    exact = max((_spelled(spelling, step.text) for spelling in wanted.spellings), default=0.0)
    if instruction.keyword == "WORKDIR":
        return max(exact, BELOW_UNKNOWN) if exact else 0.0
    return exact or _setting(wanted, step_words)


def words_of(text: str) -> Counter[str]:
    """Count the words of a command or setting, without quotes and brackets."""
    return Counter(_WORDS.findall(text))


def _run(wanted: Wanted, step: Step, step_words: Counter[str]) -> float:
    for index, command in enumerate(wanted.spellings):
        if step.text.endswith(command) and _is_prefix(step.text[: len(step.text) - len(command)], wanted):
            is_marker = index > 0 and bool(wanted.instruction.heredocs) and index == len(wanted.spellings) - 1
            return MARKER_ONLY if is_marker else SAME
    return EDITED * _shared(wanted.words or Counter(), step_words)


def _is_prefix(prefix: str, wanted: Wanted) -> bool:
    """Tell whether builders put such a text before a RUN's command: build arguments, a shell, both, or nothing."""
    prefix, shell = prefix.strip(), wanted.shell
    if prefix.endswith(shell):
        before = prefix[: len(prefix) - len(shell)]
    else:
        # The base may have set a shell, which the Dockerfile does not show; buildah writes /bin/sh whatever the shell is.
        match = _SHELL.search(prefix, max(len(prefix) - 200, 0))
        before = prefix[: match.start()] if match else prefix
        if prefix and match is None and not wanted.instruction.is_json:
            return False
    return not before.strip() or before.startswith("|")


def _shared(left: Counter[str], right: Counter[str]) -> float:
    """Return the share of words that two texts have in common (Dice coefficient). A builder's prefix lowers it a little."""
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 0.0


def _copy(wanted: Wanted, step: Step) -> float:
    instruction = wanted.instruction
    if not step.stored:
        found = max((_spelled(spelling, step.text) for spelling in wanted.spellings), default=0.0)
        return found * _fit_of_flags(instruction, step)
    found = BY_DESTINATION * max((_spelled(target, step.text) for target in wanted.targets), default=0.0)
    if step.stored == "multi" and len(instruction.sources) == 1 and not _GLOB.search(instruction.sources[0]):
        found *= ODD
    if step.stored != "multi" and len(instruction.sources) > 1:
        found *= ODD
    return found * _fit_of_flags(instruction, step)


def _fit_of_flags(instruction: Instruction, step: Step) -> float:
    """Return the factor for --chown: 1, or ODD where the history names another owner than the instruction.

    buildah's history lacks --chown, so a missing owner does not count against an instruction.
    """
    owner = instruction.flag("chown")
    if "--chown=" not in step.flags or "$" in owner:
        return 1.0
    shown = step.flags.partition("--chown=")[2].partition(" ")[0]
    return 1.0 if shown == owner else ODD


def _setting(wanted: Wanted, step_words: Counter[str]) -> float:
    """Rate ENV, LABEL, EXPOSE and the like by the share of the instruction's words that the step has."""
    words = wanted.words or Counter()
    if not words:
        return OTHER_SETTING
    shared = (words & step_words).total() / words.total()
    return OTHER_SETTING + (WITH_UNKNOWN - OTHER_SETTING) * shared


def _spelled(spelling: str, text: str) -> float:
    """Rate a spelling against a step's text: SAME if equal, somewhat less where only unknown values may differ, else 0."""
    if UNKNOWN not in spelling:
        return SAME if spelling == text else 0.0
    pieces = spelling.split(UNKNOWN)
    if not _fits(pieces, text):
        return 0.0
    known = sum(map(len, pieces))
    return WITH_UNKNOWN * min(1.0, 0.4 + known / 20)


def _fits(pieces: list[str], text: str) -> bool:
    """Tell whether `text` consists of the pieces in order, with anything between them.

    Each piece is searched once, so this is linear.
    """
    first, *middle, last = pieces
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for piece in middle:
        place = text.find(piece, place, end)
        if place < 0:
            return False
        place += len(piece)
    return True


def resolved(path: str, directory: str) -> str:
    """Return a path of an instruction as an absolute path, below the working directory; a slash at its end stays."""
    if UNKNOWN in directory and not path.startswith("/"):
        return UNKNOWN + posixpath.normpath("/" + path) if path.strip("./") else UNKNOWN
    whole = posixpath.normpath(posixpath.join(directory or "/", path))
    return whole + "/" if path.endswith(("/", "/.")) and whole != "/" else whole


def all_spellings(texts: Iterator[str]) -> tuple[str, ...]:
    """Return the texts with blanks collapsed, without repetitions and empty ones, keeping the order."""
    return tuple(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))


def wanted_of(dockerfile: Dockerfile, chain: tuple[Stage, ...], variables: Variables) -> list[Wanted]:
    """Return each instruction of a chain of stages, in order, with its possible spellings.

    `variables` are those of the image's config, known from the start.
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
        """Forget the variables that ARG set: they end with their stage."""
        for name in self._set_by_arg:
            self._variables.pop(name, None)
        self._set_by_arg.clear()

    def instruct(self, instruction: Instruction) -> Wanted:
        """Return an instruction with its spellings, then change the state as it does, for the instructions that follow."""
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
        """Yield the spellings of a destination: as written, with known values, and with every variable unknown.

        Each is also an absolute path, with and without a slash at its end.
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
    """Return a source of COPY or ADD as the history has it: BuildKit names a here-document without its quotes."""
    return "<<" + unquoted(word.lstrip("<").removeprefix("-")) if word.startswith("<<") else word


def _commands(instruction: Instruction) -> Iterator[str]:
    """Yield the spellings of a RUN's command by all builders; a here-document's marker alone comes last."""
    if instruction.heredocs:
        yield from _with_heredocs(instruction)
    if instruction.is_json:
        yield " ".join(instruction.words)
    if instruction.flags:
        yield instruction.text.split(" ", 1)[1]
    yield instruction.arguments


def _with_heredocs(instruction: Instruction) -> Iterator[str]:
    """Yield the spellings of a RUN's command that include the bodies of its here-documents.

    BuildKit runs a RUN that is only one here-document as its body, or as a file if the body starts with `#!`.
    """
    heredocs = instruction.heredocs
    if len(instruction.words) == 1 and len(heredocs) == 1:
        body = heredocs[0].body
        yield f"/dev/pipes/{heredocs[0].name}" if body.startswith("#!") else body
    yield "\n".join([instruction.arguments, *(f"{each.body}{each.name}" for each in heredocs)])
    # Podman 5 leaves the last line out.
    yield "\n".join([instruction.arguments, *(each.body for each in heredocs)])
