"""Owners and modes that a RUN changes afterwards: COPY sets them at once, and RUNs set them for what they write."""

from __future__ import annotations

import fnmatch
import re
import shlex
from dataclasses import dataclass, replace

import numpy as np

from layerscope.advice.editing.program import Program
from layerscope.advice.editing.shell import ShellList, ShellPart, is_glob
from layerscope.advice.fixes.accounts import Accounts, find_accounts
from layerscope.advice.fixes.builders import BUILDKIT
from layerscope.advice.fixes.fix_context import joined
from layerscope.advice.fixes.reach import resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import Draft, Proposal, Said, Workshop
from layerscope.layers.table import Kind
from layerscope.tree.tree import Longs, Tree
from layerscope.waste.find import Cause

COMMANDS = frozenset({"chown", "chgrp", "chmod"})
_OPTIONS = frozenset({"-R", "--recursive", "-v", "-c", "-f", "-h", "--no-dereference", "--changes", "--verbose", "--quiet"})
_LETTERS = frozenset("Rvcfh")
_OCTAL = re.compile(r"[0-7]{3,4}$")
_GIT = re.compile(r"\bgit\b")
_TELLS = re.compile(
    r"\bfind\s[^;&|]*-(?:[ug]id|group|ls|no(?:user|group)|perm|printf|user|(?:read|writ|execut)able)\b"
    r"|\b(?:stat|rsync|getfacl)\s|\bls\s[^;&]*-\w*[gln][^;&]*[|>]|\btar\s+(?:\S+\s+)*?-?-?(?:[a-z]*c[a-z]*|create)\s"
    r"|\bcp\s(?:[^;&|]*\s)?-(?:\w*[ap]|-preserve|-archive)|(?:\[|\btest)\s[^;&|]*-[GOgkruwx]\s"
)
"""Commands that tell or keep owners and modes."""
MOST_NAMED = 6
"""How many directories or files a command names; of more directories, `find -type d` finds them."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A command that changes owners or modes: its number in its RUN, name, options, new value, and operands resolved.

    `raw` are the operands as written. `kept` are those, as written, that the command keeps.
    """

    index: int
    name: str
    options: tuple[str, ...]
    value: str
    operands: tuple[str, ...]
    raw: tuple[str, ...]
    kept: tuple[str, ...] = ()

    def limited(self, operand: str) -> _Change | None:
        """Return the command for one operand, which keeps the others; None if one of these is above or below it."""
        others = [(place, raw) for place, raw in zip(self.operands, self.raw, strict=True) if place != operand]
        if any(_is_near(place.partition("*")[0], operand.partition("*")[0]) for place, _ in others):
            return None
        mine = [raw for place, raw in zip(self.operands, self.raw, strict=True) if place == operand]
        kept = tuple(raw for _, raw in others)
        return replace(self, operands=(operand,) if mine else (), raw=tuple(mine), kept=kept)

    @property
    def is_recursive(self) -> bool:
        """Tell whether it goes down into directories."""
        return any(option in ("-R", "--recursive") or (option[:2] != "--" and "R" in option) for option in self.options)

    def text(self, paths: list[str], *, is_recursive: bool) -> str:
        """Return the command for other paths."""
        options = [option for option in self.options if option not in ("-R", "--recursive")]
        options = [option.replace("R", "") if option[:2] != "--" else option for option in options]
        options = [option for option in options if option != "-"]
        words = [self.name, *(["-R"] if is_recursive else []), *options, self.value, *map(shlex.quote, paths)]
        return " ".join(words)

    def kept_text(self) -> str:
        """Return the command for the operands that it keeps; nothing without any."""
        return " ".join([self.name, *self.options, self.value, *self.kept]) if self.kept else ""


@dataclass(frozen=True, eq=False)
class _Rows:
    """What a RUN changed below the operands, as columns: nodes, versions before and after."""

    nodes: Longs
    old: Longs
    new: Longs


def set_owners_at_once(workshop: Workshop) -> None:
    """Make a fix of each RUN whose chown, chgrp or chmod can be done where the files are written."""
    for key in [each for each in workshop.draft.program.order if each in workshop.draft.sites]:
        site = workshop.draft.sites.get(key)
        if site is not None and site.is_run and len(workshop.draft.layers.get(key, ())) == 1:
            while key in workshop.draft.sites and _fold(workshop, key):
                pass


def _fold(workshop: Workshop, key: int) -> bool:
    """Make a fix of a RUN for all operands of its commands, else for one of them; tell whether there is one."""
    whole = _Folding.of(workshop, key)
    result = whole.carried_out() if whole is not None else None
    if result is not None:
        return workshop.accept(result) and False
    command = workshop.command(key)
    changes = _changes(workshop, key, command) if command is not None else []
    operands = dict.fromkeys(operand for change in changes for operand in change.operands)
    for operand in operands if len(operands) > 1 else ():
        part = _Folding.of(workshop, key, operand)
        result = part.carried_out() if part is not None else None
        if result is not None and workshop.accept(result):
            return True
    return False


def _is_near(one: str, other: str) -> bool:
    return one == other or one.startswith(other.rstrip("/") + "/") or other.startswith(one.rstrip("/") + "/")


def _changes(workshop: Workshop, key: int, command: ShellList) -> list[_Change]:
    """Return the commands of a RUN that change owners and modes and that can be taken out."""
    site = workshop.draft.sites[key]
    found = (
        _change(index, part, site.directory)
        for index, part in enumerate(command.parts)
        if part.name in COMMANDS and command.is_alone(index)
    )
    return [each for each in found if each is not None]


def _change(index: int, part: ShellPart, directory: str) -> _Change | None:
    options = [word for word in part.words[1:] if word.startswith("-") and not re.match(r"-[rwxXst]+$", word)]
    words = [(word, raw) for word, raw in zip(part.words[1:], part.raw[1:], strict=True) if word not in options]
    is_known = all(option in _OPTIONS or (option[:2] != "--" and set(option[1:]) <= _LETTERS) for option in options)
    if not part.is_simple or part.outputs or not is_known or len(words) < 2 or "/" in part.words[0]:
        return None
    operands: list[str] = []
    for word, raw in words[1:]:
        place = resolve(word, directory)
        if place is None or (is_glob(raw) and not re.search(r"^[^*?\[{]*/\*[^*?\[{/]*$", word)):
            return None
        operands.append(place)
    return _Change(index, part.name, tuple(options), words[0][0], tuple(operands), tuple(raw for _, raw in words[1:]))


def _targets(tree: Tree, operand: str) -> list[int]:
    """Return the nodes that an operand names; a star in its last part stands for every name without a dot before."""
    path = operand.strip("/").encode("utf-8", "surrogateescape")
    if b"*" not in path:
        node = tree.nodes.find(path)
        return [] if node is None else [node]
    above, _, pattern = path.rpartition(b"/")
    top = tree.nodes.find(above)
    if top is None:
        return []
    end = int(tree.nodes.end[top])
    children = top + 1 + np.flatnonzero(tree.nodes.parent[top + 1 : end] == top)
    names = ((child, tree.nodes.name(child)) for child in children.tolist())
    return [child for child, name in names if not name.startswith(b".") and fnmatch.fnmatchcase(name, pattern)]


@dataclass(eq=False)
class _Folding:
    """The owners and modes that one RUN changes, and where else they can be set."""

    workshop: Workshop
    key: int
    changes: list[_Change]
    rows: _Rows

    @classmethod
    def of(cls, workshop: Workshop, key: int, operand: str = "") -> _Folding | None:
        """Collect what a RUN changes, or changes of one operand; None if it is nothing that could be set elsewhere."""
        command = workshop.command(key)
        changes = _changes(workshop, key, command) if command is not None else []
        if operand:
            limited = [change.limited(operand) for change in changes]
            changes = [change for change in limited if change is not None]
            if len(changes) < len(limited):
                return None
        if not changes:
            return None
        layer = workshop.draft.layers[key][0]
        rows = _rows(workshop, layer, changes)
        return cls(workshop, key, changes, rows) if rows is not None and len(rows.nodes) else None

    @property
    def site(self) -> Site:
        """Return the RUN."""
        return self.workshop.draft.sites[self.key]

    def carried_out(self) -> Proposal | None:
        """Return the draft in which the owners and modes are set where the files are written; None if that cannot be."""
        tree, entries = self.workshop.tree, self.workshop.tree.entries
        versions = tree.versions
        old, new = versions.entry[self.rows.old].astype(np.int64), versions.entry[self.rows.new].astype(np.int64)
        is_directory = versions.kind[self.rows.new] == Kind.DIRECTORY
        files = ~is_directory
        if not self._are_plain(old[files], new[files]):
            return None
        stored = self.workshop.draft.stored
        groups = stored.group[tree.origin[old[files]]]
        changed_owner = (entries.uid[old] != entries.uid[new]) | (entries.gid[old] != entries.gid[new])
        changed_mode = entries.mode[old] != entries.mode[new]
        writers = [
            _Writer(self, int(group), self.rows.nodes[files][groups == group], new[files][groups == group])
            for group in np.unique(groups).tolist()
        ]
        is_owner = {writer.group: bool(changed_owner[files][groups == writer.group].any()) for writer in writers}
        is_mode = {writer.group: bool(changed_mode[files][groups == writer.group].any()) for writer in writers}
        plan = [writer.edit(has_owner=is_owner[writer.group], has_mode=is_mode[writer.group]) for writer in writers]
        if any(each is None for each in plan):
            return None
        moved = _Moved(new[files], groups.astype(np.int64))
        is_open = is_directory & (changed_owner | changed_mode)
        return self._proposal([each for each in plan if each is not None], moved, self.rows.nodes[is_open])

    def _are_plain(self, old: Longs, new: Longs) -> bool:
        """Tell whether the RUN left the contents of all these files as they were, and whether their writers are known."""
        tree, stored = self.workshop.tree, self.workshop.draft.stored
        links = tree.origin[(tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0)]
        if (
            np.isin(old, links).any()
            or np.isin(new, links).any()
            or (old < 0).any()
            or (new < 0).any()
            or (tree.origin[new] != new).any()
            or (tree.origin[old] != old).any()
        ):
            return False
        is_file = tree.entries.kind[old] == Kind.FILE
        has_size = is_file & (tree.entries.size[old] > 0)
        same = (stored.successor[old[has_size]] == new[has_size]) & np.isin(
            stored.cause[old[has_size]], (Cause.METADATA, Cause.IDENTICAL)
        )
        is_link = ~is_file
        same_links = all(
            tree.entries.links[before] == tree.entries.links[after]
            for before, after in zip(old[is_link].tolist(), new[is_link].tolist(), strict=True)
        )
        return bool(same.all()) and same_links

    def _proposal(self, plan: list[_WriterEdit], moved: _Moved, directories: Longs) -> Proposal | None:
        workshop, draft = self.workshop, self.workshop.draft
        needs_user = any(each.needs_accounts for each in plan)
        first = min((each.key for each in plan), key=draft.place, default=self.key)
        accounts: Accounts | None = None
        if needs_user:
            accounts = find_accounts(workshop, self._numbers(), first, self.key)
            if accounts is None:
                return None
        left = self._left(plan, directories)
        for each in plan:
            draft = draft.with_program(each.apply(draft))
        draft = self._without_changes(draft, left)
        if accounts is not None:
            draft = accounts.moved(workshop, draft, first)
        draft = draft.with_stored(draft.stored.moved(moved.entries, moved.groups))
        numbers = (workshop.draft.layers[self.key][0], *sorted({int(group) for group in moved.groups}, reverse=True))
        kind = "copy-chown" if any("chown" in each.flags for each in plan) else "copy-chmod"
        if not any(each.flags for each in plan):
            kind = "owner-at-once" if any(each.command for each in plan) else "rewritten"
        return Proposal(draft, kind, self.key, numbers, self.rows.nodes, Said(self._sentence(plan, accounts)))

    def _sentence(self, plan: list[_WriterEdit], accounts: Accounts | None) -> str:
        owner = any(change.name != "chmod" for change in self.changes)
        mode = any(change.name == "chmod" for change in self.changes)
        what = " and ".join([*(["owner"] if owner else []), *(["mode"] if mode else [])])
        instructions = self.workshop.dockerfile.instructions
        copies = [
            f"`{instructions[each.key].keyword} {each.flags}` on line {instructions[each.key].line}"
            for each in plan
            if each.flags
        ]
        runs = [str(instructions[each.key].line) for each in plan if not each.flags and each.command]
        remedies = []
        if copies:
            remedies.append(f"use {joined(copies)}")
        if runs:
            remedies.append(f"set it in the RUN of line{'s' * (len(runs) > 1)} {joined(runs)}")
        if not remedies:
            return f"{self.site.quoted} stores {{amount}} again, and changes nothing about them: leave it out"
        made = f", below the commands that make {joined(accounts.names)}" if accounts and accounts.sources else ""
        return f"{self.site.quoted} stores {{amount}} again, with another {what}: {' and '.join(remedies)}{made}"

    def _numbers(self) -> dict[str, int]:
        """Return the users and groups that the commands name, with their numbers; numbers need nobody to exist."""
        entries = self.workshop.tree.entries
        new = self.workshop.tree.versions.entry[self.rows.new[-1]]
        found: dict[str, int] = {}
        for change in self.changes:
            user, _, group = change.value.partition(":") if change.name == "chown" else ("", "", change.value)
            if change.name != "chmod":
                found |= {f"user:{user}": int(entries.uid[new])} if user and not user.isdigit() else {}
                found |= {f"group:{group}": int(entries.gid[new])} if group and not group.isdigit() else {}
        return found

    def _left(self, plan: list[_WriterEdit], directories: Longs) -> list[int]:
        """Return the directories whose owner or mode still has to be changed: those that no edited instruction makes."""
        tree = self.workshop.tree
        done = np.zeros(len(tree), bool)
        for each in plan:
            for top in each.tops:
                done[top : tree.nodes.end[top]] = True
            if each.flags:
                done[_brought_directories(self.workshop, each.key)] = True
        return [node for node in directories.tolist() if not done[node]]

    def _without_changes(self, draft: Draft, left: list[int]) -> Draft:
        """Take the commands out of the RUN, or limit them to the directories that are left."""
        program = draft.program
        for change in reversed(self.changes):
            command = self._remaining(change, left)
            if command:
                program = program.with_part(self.key, change.index, command)
            else:
                program = program.without_part(self.key, change.index)
                if self.key not in program.order:
                    layers = {each: numbers for each, numbers in draft.layers.items() if each != self.key}
                    sites = {each: site for each, site in draft.sites.items() if each != self.key}
                    return replace(draft, program=program, sites=sites, layers=layers)
        return draft.with_program(program)

    def _remaining(self, change: _Change, left: list[int]) -> str:
        tree = self.workshop.tree
        inside = np.zeros(len(tree), bool)
        for operand in change.operands:
            for node in _targets(tree, operand):
                inside[node : tree.nodes.end[node] if change.is_recursive else node + 1] = True
        paths = [f"/{tree.nodes.paths[node].decode('utf-8', 'surrogateescape')}" for node in left if inside[node]]
        own = change.text(paths, is_recursive=False) if paths else ""
        if len(paths) > MOST_NAMED and change.is_recursive and not any("*" in each for each in change.operands):
            where = " ".join(map(shlex.quote, change.operands))
            own = f"find {where} -type d -exec {change.text([], is_recursive=False)} {{}} +"
        return " && ".join(command for command in (change.kept_text(), own) if command)


@dataclass(frozen=True, eq=False)
class _Moved:
    """Entries that are stored in other groups: those of the layers that now write them at once."""

    entries: Longs
    groups: Longs


def _rows(workshop: Workshop, layer: int, changes: list[_Change]) -> _Rows | None:
    """Return what a layer has below the operands of all commands; None if some of it was not there before."""
    tree, stored = workshop.tree, workshop.draft.stored
    inside = np.zeros(len(tree), bool)
    for change in changes:
        for operand in change.operands:
            for node in _targets(tree, operand):
                inside[node : tree.nodes.end[node] if change.is_recursive else node + 1] = True
    versions = tree.versions
    new = np.flatnonzero((versions.layer == layer) & inside[versions.node] & (versions.entry >= 0))
    new = new[~stored.is_gone[versions.entry[new]]]
    old = _version_before(workshop, new)
    # What it only changed of what is no longer copied is not there any more.
    before = np.maximum(new - 1, 0)
    had_any = (new > 0) & (versions.node[before] == versions.node[new]) & (versions.until[before] == layer)
    new, old = new[(old >= 0) | ~had_any], old[(old >= 0) | ~had_any]
    found = np.maximum(old, 0)
    has_old = (old >= 0) & (versions.entry[found] >= 0)
    has_old &= (versions.kind[found] == Kind.DIRECTORY) == (versions.kind[new] == Kind.DIRECTORY)
    return _Rows(versions.node[new].astype(np.int64), old, new) if has_old.all() else None


def _version_before(workshop: Workshop, new: Longs) -> Longs:
    """Return the version that each version replaces, those left out that are no longer copied; -1 for none."""
    versions, is_unwritten = workshop.tree.versions, workshop.draft.stored.is_unwritten
    old, place = np.full(len(new), -1, np.int64), new.copy()
    todo = np.arange(len(new))
    while len(todo):
        before = np.maximum(place[todo] - 1, 0)
        is_next = (place[todo] > 0) & (versions.node[before] == versions.node[new[todo]])
        is_next &= versions.until[before] == versions.layer[place[todo]]
        todo, before = todo[is_next], before[is_next]
        entry = versions.entry[before]
        is_left_out = (entry >= 0) & is_unwritten[np.maximum(entry, 0)]
        old[todo[~is_left_out]] = before[~is_left_out]
        place[todo] = before
        todo = todo[is_left_out]
    return old


@dataclass(frozen=True, slots=True)
class _WriterEdit:
    """How one instruction sets owners or modes at once: flags of a COPY, or a command at the end of a RUN.

    `tops` are the nodes that the command is about.
    """

    key: int
    flags: str = ""
    command: str = ""
    tops: tuple[int, ...] = ()
    needs_accounts: bool = False

    def apply(self, draft: Draft) -> Program:
        """Return the program with the instruction changed."""
        text = draft.program.texts[self.key]
        if self.flags:
            for flag in self.flags.split(" "):
                text = re.sub(rf"{flag.partition('=')[0]}=\S+\s+", "", text)
            return draft.program.rewritten(self.key, re.sub(r"^(\s*\S+)(\s+)", rf"\1 {self.flags}\2", text, count=1))
        return draft.program.appended(self.key, self.command) if self.command else draft.program


@dataclass(frozen=True, eq=False)
class _Writer:
    """What one layer wrote of the files whose owner or mode is changed: nodes, and their entries after the change."""

    folding: _Folding
    group: int
    nodes: Longs
    entries: Longs

    def edit(self, *, has_owner: bool, has_mode: bool) -> _WriterEdit | None:
        """Return how the writing instruction sets owner and mode at once; None if it cannot."""
        workshop, draft = self.folding.workshop, self.folding.workshop.draft
        keys = [key for key, layers in draft.layers.items() if draft.stored.layer_group[layers[0]] == self.group]
        if not keys or keys[0] == self.folding.key:
            return None
        site = draft.sites[keys[0]]
        if not self._is_alike(site) or self._is_told(keys[0]) or self._leaks(keys[0]):
            return None
        if not has_owner and not has_mode:
            return _WriterEdit(keys[0])
        if site.instruction.keyword == "COPY":
            return self._of_copy(keys[0], has_owner=has_owner, has_mode=has_mode)
        return self._of_run(keys[0], workshop) if site.is_run else None

    def _is_alike(self, site: Site) -> bool:
        """Tell whether the same user changes the files who wrote them, and nobody works with them in another's name between."""
        own, draft = self.folding.site, self.folding.workshop.draft
        if (site.stage, site.user) != (own.stage, own.user) or own.user not in ("", "root", "0"):
            return False
        between = [draft.sites[key] for key in draft.between(site.key, own.key)]
        return not any(
            each.instruction.keyword in ("USER", "VOLUME") or _GIT.search(draft.program.shell_text(each.key))
            for each in between
        )

    def _is_told(self, key: int) -> bool:
        """Tell whether a RUN in between, or this one, may ask whose the files are or copy them with their owners and modes."""
        workshop, draft = self.folding.workshop, self.folding.workshop.draft
        operands = [operand.partition("*")[0] for change in self.folding.changes for operand in change.operands]
        for each in [*draft.between(key, self.folding.key), self.folding.key]:
            if draft.sites[each].is_run and any(map(_TELLS.search, workshop.texts(each))):
                reads = workshop.reach(each).reads
                if reads is None or any(_is_near(place, operand) for place in reads for operand in operands):
                    return True
        return False

    def _leaks(self, key: int) -> bool:
        """Tell whether a layer in between has copies of the files, which would have another owner or mode then."""
        workshop, draft = self.folding.workshop, self.folding.workshop.draft
        tree = workshop.tree
        keys = [*draft.between(key, self.folding.key), self.folding.key]
        layers = [
            layer for each in keys if each in draft.sites and draft.sites[each].is_run for layer in draft.layers.get(each, ())
        ]
        files = np.flatnonzero(np.isin(tree.entry_layer, draft.layers[key]) & (tree.entries.kind == Kind.FILE))
        files = files[~draft.stored.is_unwritten[files]]
        last = draft.layers[self.folding.key][0]
        sizes = tree.entries.size[files]
        if ((sizes == 0) & (tree.entry_until[files] < last)).any():
            return True  # an empty file that is gone may have been moved
        sizes = np.unique(sizes[sizes > 0])
        is_other = np.isin(tree.entry_layer, layers) & (tree.entries.kind == Kind.FILE) & ~draft.stored.is_gone
        is_other[self.entries] = False
        others = np.flatnonzero(is_other & np.isin(tree.entries.size, sizes))
        others = others[~np.isin(tree.entry_node[others], self.folding.rows.nodes)]
        if not len(others):
            return False
        same_size = files[np.isin(tree.entries.size[files], tree.entries.size[others])]
        names = [each.tobytes() for each in workshop.analysis.identity.ids(np.concatenate([others, same_size]))]
        return bool(set(names[: len(others)]) & set(names[len(others) :]))

    def _of_copy(self, key: int, *, has_owner: bool, has_mode: bool) -> _WriterEdit | None:
        if not self._covers_all(key, has_mode=has_mode) or (has_mode and self.folding.workshop.builder != BUILDKIT):
            return None
        entries = self.folding.workshop.tree.entries
        flags = []
        if has_owner:
            # A COPY with --link is made where nobody has a name.
            is_linked = "--link" in self.folding.workshop.draft.program.texts[key]
            owner = self._owner(is_named=not is_linked)
            if owner is None:
                return None
            flags.append(f"--chown={owner}")
        if has_mode:
            modes = np.unique(entries.mode[self.entries[entries.kind[self.entries] == Kind.FILE]])
            if len(modes) != 1:
                return None
            flags.append(f"--chmod={int(modes[0]):04o}")
        return _WriterEdit(key, " ".join(flags), needs_accounts=has_owner)

    def _owner(self, *, is_named: bool) -> str | None:
        """Return the value of --chown, if `is_named` as the commands spell it; None if the files have several owners."""
        entries = self.folding.workshop.tree.entries
        owners = np.unique(np.stack([entries.uid[self.entries], entries.gid[self.entries]], axis=1), axis=0)
        if len(owners) != 1:
            return None
        user, group = str(owners[0, 0]), str(owners[0, 1])
        for change in self.folding.changes if is_named else ():
            first, colon, second = change.value.partition(":")
            if change.name == "chown":
                user = first or user
                group = second or (user if colon and first else group)
            elif change.name == "chgrp":
                group = change.value
        is_odd = any("." in name or "$" in name for name in (user, group))
        return None if is_odd else f"{user}:{group}"

    def _covers_all(self, key: int, *, has_mode: bool) -> bool:
        """Tell whether everything that a COPY brought has the owner or mode in the end that its flag would give it."""
        workshop, draft = self.folding.workshop, self.folding.workshop.draft
        tree, versions = workshop.tree, workshop.tree.versions
        layer = draft.layers[key][0]
        own = np.flatnonzero((versions.layer == layer) & (versions.entry >= 0))
        own = own[~draft.stored.is_unwritten[versions.entry[own]]]
        before = np.maximum(own - 1, 0)
        is_kept = (own > 0) & (versions.node[before] == versions.node[own]) & (versions.until[before] == layer)
        is_directory = versions.kind[own] == Kind.DIRECTORY
        brought = own[~(is_kept & is_directory)]
        if has_mode and (is_directory & ~is_kept).any():
            return False
        is_changed = np.isin(versions.node[brought], self.folding.rows.nodes)
        wanted = tree.entries.uid[self.entries[0]], tree.entries.gid[self.entries[0]]
        entry = versions.entry[brought].astype(np.int64)
        is_owned = (tree.entries.uid[entry] == wanted[0]) & (tree.entries.gid[entry] == wanted[1])
        is_replaced = (versions.kind[brought] != Kind.DIRECTORY) & (versions.until[brought] < draft.layers[self.folding.key][0])
        is_fine = is_changed | is_replaced | (is_owned if not has_mode else False)
        kept = versions.node[own[is_kept & is_directory]].tolist()
        above = directories_above(workshop, key)
        return bool(is_fine.all()) and all(node in self.folding.rows.nodes or node in above for node in kept)

    def _of_run(self, key: int, workshop: Workshop) -> _WriterEdit | None:
        command = workshop.command(key)
        if (
            command is None
            or any(part.name in ("exec", "exit") for part in command.parts)
            or command.parts[-1].text.endswith("&")
        ):
            return None
        tops = self._tops(key)
        if not tops or len(tops) > MOST_NAMED:
            return None
        texts = []
        versions = workshop.tree.versions
        made = set(versions.node[np.isin(versions.layer, workshop.draft.layers[key])].tolist()) & set(
            self.folding.rows.nodes.tolist()
        )
        for change in self.folding.changes:
            paths = self._below(change, tops, made)
            if len(paths) > MOST_NAMED:
                return None
            if paths:
                texts.append(change.text(paths, is_recursive=change.is_recursive))
        needs_accounts = any(change.name != "chmod" for change in self.folding.changes)
        return _WriterEdit(key, "", " && ".join(texts), tuple(tops), needs_accounts) if texts else None

    def _below(self, change: _Change, tops: list[int], made: set[int]) -> list[str]:
        """Return the paths that a command is about: of `tops` those at or below its operands; operands `made` below tops."""
        tree = self.folding.workshop.tree
        named: dict[int, None] = {}
        for node in (node for operand in change.operands for node in _targets(tree, operand)):
            end = int(tree.nodes.end[node]) if change.is_recursive else node + 1
            inside = [top for top in tops if node <= top < end]
            is_part = any(top < node < tree.nodes.end[top] for top in tops) and any(node <= each < end for each in made)
            named |= dict.fromkeys(inside or ([node] if is_part else []))
        return [f"/{tree.nodes.paths[node].decode('utf-8', 'surrogateescape')}" for node in named]

    def _tops(self, key: int) -> list[int]:
        """Return the highest directories that a RUN made and whose owner or mode is changed, and files beside them."""
        tree, versions = self.folding.workshop.tree, self.folding.workshop.tree.versions
        layers = self.folding.workshop.draft.layers[key]
        changed = set(self.folding.rows.nodes.tolist())
        made = np.flatnonzero(np.isin(versions.layer, layers) & (versions.kind == Kind.DIRECTORY))
        made = made[(made == 0) | (versions.node[np.maximum(made - 1, 0)] != versions.node[made])]
        directories = set(versions.node[made].tolist()) & changed
        tops = set()
        for node in self.nodes.tolist():
            top = node
            while int(tree.nodes.parent[top]) in directories:
                top = int(tree.nodes.parent[top])
            tops.add(top)
        return sorted(tops)


def directories_above(workshop: Workshop, key: int) -> set[int]:
    """Return the nodes of a COPY's destination and of all directories above it; none where it is not known.

    Builders do not agree on who owns these where they make them, and leave them as they are where they exist.
    """
    site = workshop.draft.sites[key]
    destination = resolve(site.instruction.destination, site.directory)
    if destination is None or "$" in site.instruction.destination:
        return set()
    return _nodes_down_to(workshop.tree, destination)


def _nodes_down_to(tree: Tree, place: str) -> set[int]:
    """Return the nodes of an absolute path and of all directories above it."""
    found = {0}
    node = tree.nodes.find(place.strip("/").encode("utf-8", "surrogateescape"))
    while node:
        found.add(node)
        node = int(tree.nodes.parent[node])
    return found


def _brought_directories(workshop: Workshop, key: int) -> Longs:
    """Return the directories that a COPY makes below its destination; none where the destination is not known."""
    versions, layers = workshop.tree.versions, workshop.draft.layers[key]
    above = directories_above(workshop, key)
    own = np.flatnonzero(np.isin(versions.layer, layers) & (versions.kind == Kind.DIRECTORY))
    before = np.maximum(own - 1, 0)
    is_new = (own == 0) | (versions.node[before] != versions.node[own]) | (versions.until[before] != versions.layer[own])
    nodes: Longs = versions.node[own[is_new]].astype(np.int64)
    return nodes[~np.isin(nodes, list(above))] if above else nodes[:0]
