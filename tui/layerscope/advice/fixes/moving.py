"""Copies to where they end up the files that a COPY brings and a RUN moves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from layerscope.advice.editing.shell import ShellList, ShellPart
from layerscope.advice.fixes.copying import have_same_facts
from layerscope.advice.fixes.ignoring import brought_by, part_removed
from layerscope.advice.fixes.reach import Reach, commutes, resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import FREE, Draft, Proposal, Said, Workshop
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.tree import Longs, Tree
from layerscope.waste.find import Cause

_PLAIN = re.compile(r"/[\w./@+-]*$")
_OPTIONS = frozenset({"-f", "-v", "-fv", "-vf", "--force", "--verbose"})


def move_at_once(workshop: Workshop) -> None:
    """Make a fix of each COPY all of whose files one later RUN moves elsewhere as they are."""
    workshop.propose(("COPY",), _moved)


@dataclass(frozen=True, eq=False)
class Brought:
    """What a COPY brings: the highest node of it, and its entries in node order."""

    node: int
    entries: Longs

    @classmethod
    def by(cls, workshop: Workshop, site: Site) -> Brought | None:
        """Find what a COPY brings; None if it is several things, or if it changes what was there."""
        tree = workshop.tree
        own = np.flatnonzero(tree.entry_layer == site.layer)
        nodes = tree.entry_node[own]
        is_new = tree.versions.layer[np.searchsorted(tree.versions.node, nodes)] == site.layer
        if not is_new.any() or workshop.draft.stored.is_unwritten[own].any():
            return None
        new = own[is_new][np.argsort(nodes[is_new], kind="stable")]
        top = int(tree.entry_node[new[0]])
        is_one = (tree.entry_node[new] < tree.nodes.end[top]).all() and len(np.unique(tree.entry_node[new])) == len(new)
        is_rest_above = (tree.entries.kind[own[~is_new]] == Kind.DIRECTORY).all()
        is_plain = np.isin(tree.entries.kind[new], (Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)).all()
        return cls(top, new) if is_one and is_rest_above and is_plain else None


def path_of(tree: Tree, node: int) -> str:
    """Return a node's absolute path."""
    return f"/{tree.nodes.paths[node].decode('utf-8', 'surrogateescape')}"


def only_burier(workshop: Workshop, entries: Longs, cause: Cause) -> tuple[int, int] | None:
    """Return the layer that buries all contents of some entries for one cause, and its RUN in the draft; None without one."""
    stored = workshop.draft.stored
    full = entries[stored.size[entries] > 0]
    buriers = np.unique(stored.burier[full]).tolist()
    if len(buriers) != 1 or buriers[0] > stored.layers or (stored.cause[full] != cause).any():
        return None
    key = workshop.key_of_layer.get(buriers[0])
    site = workshop.draft.sites.get(key) if key is not None else None
    if key is None or site is None or not site.is_run or workshop.draft.layers.get(key) != (buriers[0],):
        return None
    return buriers[0], key


def _moved(workshop: Workshop, site: Site) -> Proposal | None:
    tree, draft = workshop.tree, workshop.draft
    brought = Brought.by(workshop, site)
    found = only_burier(workshop, brought.entries, Cause.MOVED) if brought else None
    if brought is None or found is None or draft.sites[found[1]].stage != site.stage:
        return None
    layer, key = found
    command, source = workshop.command(key), path_of(tree, brought.node)
    if command is None or not _is_whole(workshop, site, source, brought.node):
        return None
    place = _move_of(command, draft.sites[key].directory, source)
    there = [each for each in _targets(source, place[1]) if _arrived(workshop, brought, each, layer)] if place else []
    if place is None or len(there) != 1:
        return None
    target = there[0]
    arrived = _below(tree, target, layer)
    nodes = np.union1d(tree.entry_node[brought.entries], tree.entry_node[arrived]).astype(np.int64)
    taken = Taken(workshop, site, Reach(nodes, (source, target)), target)
    if not taken.is_free(key, command.parts[: place[0]]):
        return None
    program = with_destination(draft, site, target)
    if program is None:
        return None
    stored = draft.stored.moved(arrived, np.full(len(arrived), draft.stored.layer_group[site.layer or 0]))
    layers = {**draft.layers, site.key: (site.layer or 0, layer)}
    improved = replace(program, stored=stored.dropped(brought.entries), layers=layers)
    improved = part_removed(improved, key, place[0])
    line = draft.sites[key].instruction.line
    text = f"{site.quoted} brings {{amount}} that line {line} moves, so they are stored twice: copy them to {escape(target)}"
    return Proposal(improved, "copy-to-place", site.key, (site.layer or 0, layer), nodes, Said(text))


def _is_whole(workshop: Workshop, site: Site, source: str, node: int) -> bool:
    """Tell whether a COPY's only source becomes a path, so that it becomes another one by another destination."""
    instruction = site.instruction
    names = [name for name, _ in instruction.flags]
    if names not in ([], ["from"]) or len(instruction.sources) != 1 or instruction.heredocs or instruction.is_json:
        return False
    is_named = resolve(instruction.destination, site.directory) == source
    if is_named and (workshop.tree.nodes.end[node] > node + 1 or not instruction.destination.endswith("/")):
        return True
    places = [] if names else brought_by(workshop, site)
    return len(places) == 1 and places[0] == (places[0][0], source) and bool(places[0][0])


def _move_of(command: ShellList, directory: str, source: str) -> tuple[int, str] | None:
    """Return which command moves a path, and what it names as the new one."""
    if any(part.name == "cd" for part in command.parts):
        return None
    for index, part in enumerate(command.parts):
        operands = [word for word in part.words[1:] if not word.startswith("-")]
        is_known = all(word in _OPTIONS for word in part.words[1:] if word.startswith("-"))
        if part.name == "mv" and len(operands) == 2 and resolve(operands[0], directory) == source:
            target = resolve(operands[1], directory)
            is_alone = part.is_simple and not part.outputs and command.is_alone(index)
            return (index, target) if is_known and is_alone and target and _PLAIN.match(target) else None
    return None


def _targets(source: str, named: str) -> tuple[str, str]:
    return posixpath.join(named, posixpath.basename(source)), named


def _below(tree: Tree, place: str, layer: int) -> Longs:
    """Return the entries of a layer at and below a path, in node order."""
    node = tree.nodes.find(place.strip("/").encode("utf-8", "surrogateescape"))
    if node is None:
        return np.zeros(0, np.int64)
    is_inside = (tree.entry_node >= node) & (tree.entry_node < tree.nodes.end[node]) & (tree.entry_layer == layer)
    entries = np.flatnonzero(is_inside)
    return entries[np.argsort(tree.entry_node[entries], kind="stable")]


def _arrived(workshop: Workshop, brought: Brought, target: str, layer: int) -> bool:
    """Tell whether a layer brings at a path, where nothing was, just what a COPY brought, and nothing else."""
    tree, stored, old = workshop.tree, workshop.draft.stored, brought.entries
    new = _below(tree, target, layer)
    if len(new) != len(old) or stored.is_gone[new[stored.size[new] > 0]].any():
        return False
    first = tree.versions.layer[np.searchsorted(tree.versions.node, tree.entry_node[new])]
    entries = tree.entries
    same = (first == layer) & (stored.group[new] == stored.layer_group[layer])
    same &= have_same_facts(entries, old, new)
    if not same.all() or not workshop.analysis.identity.is_same(old, new).all():
        return False
    starts = len(path_of(tree, brought.node)), len(target)
    # Names and targets are bytes of all lengths: a loop, over the entries of one COPY.
    return all(
        path_of(tree, int(tree.entry_node[one]))[starts[0] :] == path_of(tree, int(tree.entry_node[other]))[starts[1] :]
        and entries.links[one] == entries.links[other]
        for one, other in zip(old.tolist(), new.tolist(), strict=True)
    )


@dataclass(frozen=True, eq=False)
class Taken:
    """What a COPY is to bring (`reach`), at or below a directory or path of the image (`target`)."""

    workshop: Workshop
    site: Site
    reach: Reach
    target: str

    def is_free(self, key: int, before: Iterable[ShellPart]) -> bool:
        """Tell whether the COPY can bring it, though a RUN does now: nothing up to a command of the RUN minds.

        `before` are the commands of the RUN that stand above that one.
        """
        workshop, draft = self.workshop, self.workshop.draft
        if not self._has_plain_parents(key):
            return False
        for each in draft.between(self.site.key, key):
            other = draft.sites[each]
            if other.instruction.keyword in FREE or other.instruction.keyword in ("ENV", "ARG", "USER", "SHELL"):
                continue
            if other.instruction.keyword == "VOLUME" or not other.is_certain:
                return False
            if not commutes(workshop.tree, self.reach, workshop.reach(each)):
                return False
        rest = [part for part in before if not self._makes_parent(part, draft.sites[key].directory)]
        reach = workshop.reach_of(rest, draft.sites[key].directory)
        return reach.reads is not None and commutes(workshop.tree, self.reach, reach)

    def _makes_parent(self, part: ShellPart, directory: str) -> bool:
        """Tell whether a command makes directories above the target, if they are not there, and nothing else there."""
        options = [word for word in part.words[1:] if word.startswith("-")]
        names = [resolve(word, directory) for word in part.words[1:] if not word.startswith("-")]
        is_plain = (
            part.name == "mkdir" and part.is_simple and not part.outputs and set(options) <= {"-p", "-pv", "-v", "--parents"}
        )
        return is_plain and bool({"-p", "-pv", "--parents"} & set(options)) and None not in names

    def _has_plain_parents(self, key: int) -> bool:
        """Tell whether the directories that the COPY makes above the target are as it makes them: root's, for all to read."""
        tree, entries = self.workshop.tree, self.workshop.tree.entries
        layers = self.workshop.draft.layers[key]
        above = posixpath.dirname(self.target)
        while above != "/":
            path = above.strip("/").encode("utf-8", "surrogateescape")
            node = tree.nodes.find(path)
            if node is None:
                return False
            if not self.workshop.is_there(path, self.site.layer or 0):
                first = tree.versions_of(node)[0]
                entry = int(tree.versions.entry[first])
                if tree.versions.layer[first] not in layers or entry < 0 or entries.kind[entry] != Kind.DIRECTORY:
                    return False
                if (entries.mode[entry], entries.uid[entry], entries.gid[entry]) != (0o755, 0, 0):
                    return False
            above = posixpath.dirname(above)
        return True


def with_destination(draft: Draft, site: Site, target: str, keyword: str = "") -> Draft | None:
    """Give a COPY another destination, and perhaps another keyword; None where it is not written plainly."""
    text = draft.program.texts[site.key]
    pattern = rf"(\s){re.escape(site.instruction.destination)}(\s*)$"
    text, count = re.subn(pattern, lambda match: f"{match[1]}{target}{match[2]}", text)
    if count != 1 or not _PLAIN.match(target):
        return None
    text = re.sub(r"^(\s*)\S+", lambda match: f"{match[1]}{keyword}", text, count=1) if keyword else text
    return draft.with_program(draft.program.rewritten(site.key, text))
