"""Joins RUNs of which one removes, moves or rewrites what another wrote, where what lies between them does not mind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from layerscope.advice.editing.program import Joint, Program
from layerscope.advice.editing.shell import ShellList, ShellPart, sets_strict
from layerscope.advice.fixes.fix_context import joined, quoted_text
from layerscope.advice.fixes.obstacles import Obstacle, unreadable
from layerscope.advice.fixes.reach import FILE_COMMANDS, commutes, resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import BARRIERS, FREE, STRICT, Draft, Facts, Proposal, Workshop
from layerscope.layers.table import Kind
from layerscope.units import size_text
from layerscope.waste.find import Cause

_BUILTINS = ". alias cd declare eval export hash local popd pushd read readonly shopt source trap typeset ulimit umask unset"
STATEFUL = frozenset(_BUILTINS.split(" "))
"""Commands that change the shell which runs the commands after them."""
ENDING = frozenset({"exec", "exit", "return"})
HARD_LINKS = re.compile(r"\bln\s+(?!-\w*s|--symbolic)|\bcp\s+(?:-\S+\s+)*(?:-\w*l\w*|--link)\b")
"""Commands that make hard links."""
_LEAVES_VARIABLE = re.compile(r"(?:^|[\s;{])for\s|\$\{\w+:?=")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - what lies there is gone when a RUN ends
VERBS = {Cause.DELETED: "removes", Cause.MOVED: "moves", Cause.OVERWRITTEN: "replaces"}
SMALL_SHARE = 0.01
"""What a join has to save, as a share of the image, where RUNs that need none of it have to be joined too."""


def join_runs(workshop: Workshop) -> None:
    """Join RUNs, the pair with the most bytes first, until no pair is left that can be joined."""
    refused: set[tuple[int, int]] = set()
    while (pair := _biggest_pair(workshop, refused)) is not None:
        proposal = _joined(workshop, *pair)
        if proposal is None or not workshop.accept(proposal):
            refused.add(pair)


def _biggest_pair(workshop: Workshop, refused: set[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the groups of the RUN that wrote and the RUN that buries the most bytes."""
    draft, stored = workshop.draft, workshop.draft.stored
    rows = stored.wasted()
    runs = {stored.layer_group[layers[0]] for key, layers in draft.layers.items() if draft.sites[key].is_run}
    rows = rows[np.isin(stored.group[rows], list(runs)) & np.isin(stored.buried_in[rows], list(runs))]
    pairs = stored.group[rows].astype(np.int64) << 16 | stored.buried_in[rows]
    values, inverse = np.unique(pairs, return_inverse=True)
    sums = np.bincount(inverse, weights=stored.size[rows], minlength=len(values))
    for index in np.argsort(-sums, kind="stable").tolist():
        pair = (int(values[index]) >> 16, int(values[index]) & 0xFFFF)
        if sums[index] >= workshop.least and pair not in refused:
            return pair
    return None


def joined_draft(workshop: Workshop, first: int, second: int) -> tuple[Draft, tuple[int, ...]] | None:
    """Join a RUN with an earlier one; return the draft, and the RUNs that are joined with the first. None if they cannot be."""
    draft = workshop.draft
    if draft.sites[first].stage != draft.sites[second].stage:
        return None
    plan = _plan(workshop, first, second)
    improved = plan if isinstance(plan, Obstacle) else _carried_out(workshop, first, plan)
    return None if isinstance(plan, Obstacle) or isinstance(improved, Obstacle) else (improved, plan.block)


def why_not_joined(workshop: Workshop, first: int, second: int) -> str:
    """Say why a RUN is not joined with an earlier one, as the beginning of a sentence; empty if they could be."""
    plan = _plan(workshop, first, second)
    result = plan if isinstance(plan, Obstacle) else _carried_out(workshop, first, plan)
    if isinstance(result, Obstacle):
        return result.text
    between = [] if isinstance(plan, Obstacle) else plan.block[:-1]
    lines = joined([str(workshop.draft.sites[key].instruction.line) for key in between] or [""])
    return (
        f"the RUNs between them, of line {lines}, would have to be joined too, which is much for what it saves"
        if between
        else ""
    )


def _joined(workshop: Workshop, writer: int, burier: int) -> Proposal | None:
    draft = workshop.draft
    keys = {int(draft.stored.layer_group[layers[0]]): key for key, layers in draft.layers.items()}
    first, second = keys[writer], keys[burier]
    if draft.sites[first].stage != draft.sites[second].stage or draft.place(first) > draft.place(second):
        return None
    plan = _plan(workshop, first, second)
    if isinstance(plan, Obstacle):
        return None
    rows = draft.stored.wasted(burier)
    rows = rows[draft.stored.group[rows] == writer]
    improved = _carried_out(workshop, first, plan)
    if isinstance(improved, Obstacle):
        return None
    saved = draft.stored.total - improved.stored.total
    if len(plan.block) > 1 and saved < SMALL_SHARE * workshop.analysis.waste.content_bytes:
        return None
    cause = Cause(int(np.bincount(draft.stored.cause[rows]).argmax()))
    original = workshop.tree.entry_layer[rows].tolist()
    facts = JoinFacts(
        workshop,
        frozenset(workshop.key_of_layer[layer] for layer in original),
        frozenset(workshop.key_of_layer[layer] for layer in draft.stored.burier[rows].tolist()),
        frozenset({VERBS.get(cause, "stores again")}),
        frozenset(original),
        frozenset({first, *plan.block}),
        frozenset(plan.lifted),
    )
    layers = (*draft.layers[second], *draft.layers[first])
    nodes = workshop.tree.entry_node[rows].astype(np.int64)
    return Proposal(improved, "join-runs", second, layers, nodes, facts)


@dataclass(frozen=True, eq=False)
class JoinFacts:
    """What there is to say about RUNs that become one: the keys of those that wrote, of those that bury, and of all.

    `layers` keep the bytes; `lifted` are the COPYs that go above the RUNs.
    """

    workshop: Workshop
    writers: frozenset[int]
    buriers: frozenset[int]
    verbs: frozenset[str]
    layers: frozenset[int]
    joined_keys: frozenset[int]
    lifted: frozenset[int]

    def merged(self, other: Facts) -> JoinFacts | None:
        """Return what there is to say about both together; None if the other is not about RUNs that are joined."""
        if not isinstance(other, JoinFacts):
            return None
        names = ("writers", "buriers", "verbs", "layers", "joined_keys", "lifted")
        return replace(self, **{name: getattr(self, name) | getattr(other, name) for name in names})

    def sentence(self, saved: int) -> str:
        """Say what is wrong, and which RUNs to join."""
        lines = self._lines(self.joined_keys)
        runs = "the two RUNs" if len(lines) == 2 else f"the RUNs of lines {joined(list(map(str, lines)))}"
        instructions = self.workshop.dockerfile.instructions
        raised = joined(
            [f"the {instructions[key].keyword} of line {instructions[key].line}" for key in sorted(self.lifted)] or [""]
        )
        layers = sorted(self.layers)
        stay = f"{size_text(saved)} stay in layer{'s' * (len(layers) > 1)} {joined(list(map(str, layers)))}"
        end = f"{stay}; join {runs}{f', below {raised}' if self.lifted else ''}"
        if len(self.buriers) == 1:
            burier = self._quoted(next(iter(self.buriers)))
            verb = next(iter(self.verbs)) if len(self.verbs) == 1 else "removes or rewrites"
            return f"{burier} {verb} what {self._what(self.writers)} wrote: {end}"
        buriers = joined(list(map(str, self._lines(self.buriers))))
        return f"lines {buriers} remove or rewrite what {self._what(self.writers)} wrote: {end}"

    def _what(self, keys: frozenset[int]) -> str:
        if len(keys) == 1:
            return self._quoted(next(iter(keys)))
        return f"lines {joined(list(map(str, self._lines(keys))))}"

    def _quoted(self, key: int) -> str:
        instruction = self.workshop.dockerfile.instructions[key]
        return f"line {instruction.line} `{quoted_text(instruction.text)}`"

    def _lines(self, keys: frozenset[int]) -> list[int]:
        return sorted(self.workshop.dockerfile.instructions[key].line for key in keys)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to join behind a first RUN, in order, and the COPYs that have to stand above it."""

    block: tuple[int, ...]
    lifted: tuple[int, ...]


def _plan(workshop: Workshop, first: int, second: int) -> _Plan | Obstacle:
    """Find what has to be joined so that `second` comes into the layer of `first`, or what minds that."""
    draft = workshop.draft
    block, reach = [second], workshop.reach(second)
    lifted: list[int] = []
    apart = _apart(workshop, first, second)
    if apart is not None:
        return apart
    for key in reversed(draft.between(first, second)):
        site = draft.sites[key]
        if site.instruction.keyword in FREE:
            continue
        if not site.is_run and not site.is_copy:
            if not all(_may_pass(workshop, each, site) for each in block):
                return Obstacle(f"{site.quoted} between them may change what the later RUN does")
        elif commutes(workshop.tree, reach, workshop.reach(key)) and site.is_certain:
            continue
        elif site.is_run and _apart(workshop, first, key) is None:
            block.insert(0, key)
            reach = reach.joined(workshop.reach(key))
        elif site.is_copy and _may_lift(workshop, key, first):
            lifted.insert(0, key)
        else:
            return _in_the_way(workshop, key, block)
    plan = _Plan(tuple(block), tuple(lifted))
    return (
        Obstacle("one of the RUNs makes hard links, which a join would change")
        if _breaks_links(workshop, first, plan)
        else plan
    )


def _in_the_way(workshop: Workshop, key: int, block: list[int]) -> Obstacle:
    """Say why an instruction between two RUNs keeps them apart."""
    sites = workshop.draft.sites
    if not sites[key].is_certain:
        return Obstacle(f"it is not certain which layer {sites[key].quoted} between them made")
    unknown = next((each for each in (*block, key) if workshop.reach(each).reads is None), None)
    if unknown == key:
        return Obstacle(f"{sites[key].quoted} between them may read anything")
    if unknown is not None:
        return Obstacle(f"{sites[unknown].quoted} may read what {sites[key].quoted} brings")
    return Obstacle(f"{sites[key].quoted} between them and the later RUN read or write the same")


def _apart(workshop: Workshop, first: int, second: int) -> Obstacle | None:
    """Say why two RUNs cannot be one; None if they have the same user, shell, flags, and as far as it matters directory."""
    one, other = workshop.draft.sites[first], workshop.draft.sites[second]
    lines = f"lines {one.instruction.line} and {other.instruction.line}"
    differences = {
        f"{lines} are in different stages": one.stage != other.stage,
        f"{lines} run as different users": one.user != other.user,
        f"{lines} run in different shells": one.shell != other.shell,
        f"{lines} have different flags": one.instruction.flags != other.instruction.flags,
        f"it is not certain which layers {lines} made": not (one.is_certain and other.is_certain),
    }
    found = next((words for words, differs in differences.items() if differs), "")
    if found:
        return Obstacle(found)
    if one.directory != other.directory and not _is_absolute(workshop.command(second)):
        return Obstacle(f"{lines} work in different directories, and line {other.instruction.line} may use its own")
    return None


def _may_pass(workshop: Workshop, key: int, setting: Site) -> bool:
    """Tell whether a RUN may go above a setting: only if its commands do what they do whatever the setting says."""
    if setting.instruction.keyword in BARRIERS:
        return False
    reach = workshop.reach(key)
    if reach.reads is None or reach.is_bound:
        return False
    if setting.instruction.keyword == "WORKDIR":
        return commutes(workshop.tree, reach, workshop.reach(setting.key)) and _is_absolute(workshop.command(key))
    return setting.instruction.keyword in ("ENV", "ARG") and not _changes_path(setting)


def _changes_path(setting: Site) -> bool:
    text = setting.instruction.arguments
    return any(name in text for name in ("PATH", "LD_", "HOME", "POSIX", "TAR_OPTIONS", "LC_", "LANG"))


def _is_absolute(command: ShellList | None) -> bool:
    """Tell whether every word of some commands that may be a path is an absolute one."""
    if command is None:
        return False
    return all(
        part.name in FILE_COMMANDS and all(resolve(word, "") is not None for word in _paths(part)) for part in command.parts
    )


def _paths(part: ShellPart) -> list[str]:
    words = [word for word in part.words[1:] if not word.startswith("-")]
    skipped = 1 if part.name in ("chown", "chmod", "chgrp") else 0
    return [*words[skipped:], *part.outputs]


def _may_lift(workshop: Workshop, key: int, first: int) -> bool:
    """Tell whether a COPY may go above a RUN and all that stands between the two."""
    draft = workshop.draft
    site, reach = draft.sites[key], workshop.reach(key)
    if not site.is_certain or site.stage != draft.sites[first].stage or site.instruction.keyword == "ADD":
        return False
    is_fixed = site.instruction.destination.startswith("/") and "$" not in site.instruction.arguments
    for each in (first, *draft.between(first, key)):
        other = draft.sites[each]
        if other.instruction.keyword in FREE:
            continue
        if other.instruction.keyword in ("ENV", "ARG", "WORKDIR", "USER", "SHELL"):
            if not is_fixed or not commutes(workshop.tree, reach, workshop.reach(each)):
                return False
        elif not (other.is_run or other.is_copy) or not commutes(workshop.tree, reach, workshop.reach(each)):
            return False
    return not site.instruction.flag("chown") or site.instruction.flag("chown").replace(":", "").isdigit()


def _breaks_links(workshop: Workshop, first: int, plan: _Plan) -> bool:
    """Tell whether a later RUN changes a file that an earlier one linked: in one layer it would change all its names."""
    tree, draft = workshop.tree, workshop.draft
    if any(HARD_LINKS.search(draft.program.shell_text(key)) for key in (first, *plan.block[:-1])):
        return True  # BuildKit stores such a link as a file of its own
    links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
    if not len(links):
        return False
    linked = np.unique(np.concatenate([links, tree.origin[links]]))
    layers = sorted(layer for key in (first, *plan.block) for layer in draft.layers.get(key, ()))
    versions = tree.versions
    for layer in layers[:-1]:
        nodes = tree.entry_node[linked[tree.entry_layer[linked] == layer]]
        later = np.isin(versions.layer, [each for each in layers if each > layer]) & (versions.kind != Kind.DIRECTORY)
        if np.isin(versions.node[later], nodes).any():
            return True
    return False


def _carried_out(workshop: Workshop, first: int, plan: _Plan) -> Draft | Obstacle:
    draft = workshop.draft
    for key in plan.lifted:
        draft = draft.with_program(draft.program.moved(key, first))
    for key in plan.block:
        joint = _joint(workshop, draft, first, key)
        if isinstance(joint, Obstacle):
            return joint
        draft = draft.with_program(draft.program.joined(first, key, joint))
        layers = {each: numbers for each, numbers in draft.layers.items() if each != key}
        layers[first] = (*draft.layers.get(first, ()), *draft.layers.get(key, ()))
        sites = {each: site for each, site in draft.sites.items() if each != key}
        groups = [int(draft.stored.layer_group[draft.layers[each][0]]) for each in (first, key) if draft.layers.get(each)]
        draft = replace(draft, layers=layers, sites=sites, stored=draft.stored.joined(groups))
    return draft


def _joint(workshop: Workshop, draft: Draft, first: int, second: int) -> Joint | Obstacle:
    """Say how the commands of two RUNs are put into one, or why one could change what the other does, or whether it fails."""
    head, tail = workshop.command(first, draft), workshop.command(second, draft)
    if head is None or tail is None:
        return unreadable(workshop, first if head is None else second)
    obstacle = _obstacle(draft, (first, second), head)
    if obstacle is not None:
        return obstacle
    is_stateful = _is_stateful(head, tail)
    line, later = (draft.sites[key].instruction.line for key in (first, second))
    if "set" in _names(head) or STRICT.search(draft.sites[first].shell):
        if is_stateful or _unsafe_set(head):
            return Obstacle(f"line {line} changes the shell, in which line {later} would run, too")
        joint = _strict_joint(draft.sites[first].shell, head, tail)
        return joint or Obstacle(f"line {line} ends at its first failure and line {later} does not, or they say it differently")
    if not tail.is_chain and "set" in _names(tail):
        return Obstacle(f"`set` in line {later} does nothing where its commands stand behind others")
    return Joint(groups_first=is_stateful, groups_second=not tail.is_chain)


def _obstacle(draft: Draft, keys: tuple[int, int], head: ShellList) -> Obstacle | None:
    """Say what keeps the commands of two RUNs apart, however they are joined; None if nothing does."""
    line, later = (draft.sites[key].instruction.line for key in keys)
    if _names(head) & ENDING:
        return Obstacle(f"`{min(_names(head) & ENDING)}` in line {line} would end the later commands, too")
    if not _fits_a_script(draft.program, *keys):
        return Obstacle(f"the commands of lines {line} and {later} do not fit one here-document")
    if any(_SHARED_MEMORY in draft.program.texts[key] for key in keys):
        return Obstacle(f"what lies in {_SHARED_MEMORY} is gone when a RUN ends")
    return None


def _is_stateful(head: ShellList, tail: ShellList) -> bool:
    """Tell whether commands leave something to the shell that commands behind them would notice."""
    is_stateful = bool(_names(head) & STATEFUL) or any(_assigns(part) for part in head.parts)
    return is_stateful or (any(map(_LEAVES_VARIABLE.search, (part.text for part in head.parts))) and not _is_plain(tail))


def _strict_joint(shell: str, head: ShellList, tail: ShellList) -> Joint | None:
    """Say how commands are put behind others whose first failure ends them; in parentheses or braces it would not do so."""
    options = _options(head.parts)
    has_pipe = "pipefail" in options and any(part.operator == "|" for part in tail.parts)
    if tail.is_chain and _is_plain(tail) and not has_pipe:
        return Joint()
    # The failure of a command before `&&` or `||`, or after `!`, ends nothing.
    last = next((part for part in reversed(head.parts) if part.operator != "|"), head.parts[0])
    is_ended = last.operator in ("", ";", "\n") and all(part.name != "!" and not part.is_compound for part in head.parts[-1:])
    is_begun = tail.parts[0].name == "set" and options <= _options(tail.parts[:1]) if options else True
    is_strict = bool(STRICT.search(shell)) or sets_strict(head.parts[0])
    return Joint(is_chained=False) if is_ended and is_begun and is_strict else None


def _options(parts: Iterable[ShellPart]) -> set[str]:
    """Return what commands `set`: single letters, and names."""
    words = [word for part in parts if part.name == "set" for word in part.words[1:]]
    return {each for word in words for each in (word[1:] if word.startswith("-") else [word])}


def _fits_a_script(program: Program, first: int, second: int) -> bool:
    """Tell whether the commands of two RUNs can be lines of a here-document, if one of them is one."""
    texts = [program.shell_text(key).split("\n") for key in (first, second)]
    is_script = [(command := program.command(key)) is not None and command.is_script for key in (first, second)]
    if not any(is_script):
        return True
    mark = texts[is_script.index(True)][-1].strip()
    scripts = [line for lines, is_one in zip(texts, is_script, strict=True) if is_one for line in lines[1:-1]]
    # In the continued lines of a shell's command there is no comment, and no empty line.
    continued = [line.strip() for lines, is_one in zip(texts, is_script, strict=True) if not is_one for line in lines[1:]]
    is_plain = all(line and not line.startswith("#") for line in continued) and (not continued or program.escape == "\\")
    return is_plain and mark not in [line.strip() for line in (*scripts, *continued)]


def _is_plain(command: ShellList) -> bool:
    """Tell whether commands expand no variable."""
    return all(part.is_simple for part in command.parts)


def _names(command: ShellList) -> set[str]:
    """Return the names of the commands, and all words of loops and conditions; what is in parentheses changes nothing."""
    parts = [part for part in command.parts if not (part.text.startswith("(") and part.text.endswith(")"))]
    return {name for part in parts for name in (part.words if part.is_compound else [part.name])}


def _unsafe_set(head: ShellList) -> bool:
    """Tell whether `set` changes more than what is traced and whether failures end the command."""
    options = [word for part in head.parts if part.name == "set" for word in part.words[1:]]
    return any(set(word.lstrip("-")) - set("euxo") for word in options if word != "pipefail")


def _assigns(part: ShellPart) -> bool:
    """Tell whether a command only sets variables of the shell, which commands after it may use."""
    return bool(part.words) and all("=" in word.partition("/")[0] for word in part.words)
