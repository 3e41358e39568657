"""COPYs that bring what is there already, or what a RUN removes again of another stage's files."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

import numpy as np

from layerscope.advice.dockerfile.instructions import COPIES
from layerscope.advice.fixes.fix_context import joined
from layerscope.advice.fixes.ignoring import Top, brought_by, is_used, without_removal
from layerscope.advice.fixes.reach import resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import Draft, Proposal, Said, Workshop
from layerscope.layers.table import Entries, Kind
from layerscope.text import escape
from layerscope.tree.nodes import Flags
from layerscope.tree.tree import Longs
from layerscope.waste.find import Cause

MOST_NAMED = 6


def copy_once(workshop: Workshop) -> None:
    """Make a fix of each COPY that brings only what is there already, and of each that brings what is removed again."""
    workshop.propose(COPIES, lambda _, site: (_from_stage if site.instruction.flag("from") else _again)(workshop, site))


def _again(workshop: Workshop, site: Site) -> Proposal | None:
    """Take a COPY out whose files an earlier COPY brought from the same place in the context."""
    tree, draft = workshop.tree, workshop.draft
    own = np.flatnonzero((tree.entry_layer == site.layer) & ~draft.stored.is_unwritten)
    before = _before(workshop, own)
    if not len(own) or (before < 0).any() or not _are_same(workshop, before, own):
        return None
    earlier = [draft.sites[key] for key in workshop.draft.sites if draft.place(key) < draft.place(site.key)]
    copies = [other for other in earlier if other.is_copy and not other.instruction.flag("from")]
    first = next((other for other in copies if _covers(workshop, other, site)), None)
    if first is None:
        return None
    layers = {key: numbers for key, numbers in draft.layers.items() if key != site.key}
    sites = {key: each for key, each in draft.sites.items() if key != site.key}
    improved = replace(draft, program=draft.program.removed(site.key), layers=layers, sites=sites)
    improved = improved.with_stored(draft.stored.dropped(own))
    text = f"{site.quoted} copies {{amount}} again that line {first.instruction.line} copied already: take it out"
    numbers = tuple(layer for layer in (site.layer, first.layer) if layer is not None)
    return Proposal(improved, "copied-twice", site.key, numbers, tree.entry_node[own].astype(np.int64), Said(text))


def _before(workshop: Workshop, own: Longs) -> Longs:
    """Return the entry that each entry replaces; -1 for none."""
    tree = workshop.tree
    versions = tree.versions
    found = versions.at(tree.entry_node[own], tree.entry_layer[own])
    place = np.maximum(found - 1, 0)
    is_there = (found > 0) & (versions.node[place] == tree.entry_node[own]) & (versions.until[place] == tree.entry_layer[own])
    return np.where(is_there, versions.entry[place], -1).astype(np.int64)


def _are_same(workshop: Workshop, before: Longs, own: Longs) -> bool:
    """Tell whether entries are what they replace: kind, mode, owner, content."""
    tree, stored = workshop.tree, workshop.draft.stored
    entries = tree.entries
    same = have_same_facts(entries, before, own)
    has_content = (entries.kind[own] == Kind.FILE) & (entries.size[own] > 0)
    same[has_content] &= stored.successor[before[has_content]] == own[has_content]
    same[has_content] &= np.isin(stored.cause[before[has_content]], (Cause.METADATA, Cause.IDENTICAL))
    return bool(same.all()) and not (entries.kind[own] == Kind.SYMLINK).any() and not (entries.kind[own] == Kind.HARDLINK).any()


def have_same_facts(entries: Entries, first: Longs, second: Longs) -> Flags:
    """Return a flag for each pair of entries: whether their kind, mode, owner and size are the same."""
    same = np.ones(len(first), bool)
    for column in (entries.kind, entries.mode, entries.uid, entries.gid, entries.size):
        same &= column[first] == column[second]
    return same


def _covers(workshop: Workshop, first: Site, second: Site) -> bool:
    """Tell whether an earlier COPY brought all that a later one brings, from the same paths of the context."""
    earlier, later = brought_by(workshop, first), brought_by(workshop, second)
    return bool(later) and all(
        any(
            posixpath.normpath(posixpath.join(source, posixpath.relpath(place, target))) == path
            and (place == target or place.startswith(target.rstrip("/") + "/"))
            for source, target in earlier
        )
        for path, place in later
    )


def _from_stage(workshop: Workshop, site: Site) -> Proposal | None:
    """Copy from another stage only what is not removed again: its files by name."""
    tree, instruction = workshop.tree, site.instruction
    destination = resolve(instruction.destination, site.directory)
    if destination is None or len(instruction.sources) != 1 or instruction.is_json or "$" in instruction.arguments:
        return None
    node = tree.nodes.find(destination.strip("/").encode("utf-8", "surrogateescape"))
    own = np.flatnonzero((tree.entry_layer == site.layer) & (tree.entries.kind == Kind.FILE))
    if node is None or not workshop.is_there(tree.nodes.paths[node], site.layer or 0):
        return None
    nodes = tree.entry_node[own]
    others = (tree.entry_layer == site.layer) & (tree.entries.kind != Kind.FILE)
    is_flat = (tree.nodes.parent[nodes] == node).all() and not (tree.entry_node[others] > node).any()
    removed = _removed(workshop, own)
    kept = np.setdiff1d(own, removed)
    if not is_flat or not len(removed) or not 0 < len(kept) <= MOST_NAMED:
        return None
    return _named_alone(workshop, site, removed, kept)


def _removed(workshop: Workshop, own: Longs) -> Longs:
    """Return those entries that are removed in the end, even after their owner or mode was changed."""
    stored, found = workshop.draft.stored, []
    for entry in own.tolist():
        last = entry
        while stored.successor[last] >= 0 and stored.cause[last] in (Cause.METADATA, Cause.IDENTICAL):
            last = int(stored.successor[last])
        if stored.cause[last] == Cause.DELETED and stored.burier[last] <= stored.layers:
            found.append(entry)
    return np.array(found, np.int64)


def _named_alone(workshop: Workshop, site: Site, removed: Longs, kept: Longs) -> Proposal | None:
    tree = workshop.tree
    source = site.instruction.sources[0]
    draft: Draft | None = workshop.draft
    for entry in removed.tolist():
        node = int(tree.entry_node[entry])
        place = f"/{tree.nodes.paths[node].decode('utf-8', 'surrogateescape')}"
        top = Top(place, node, site.key)
        if draft is None or is_used(workshop, top, place):
            return None
        draft = without_removal(workshop, draft, top)
    names = [tree.nodes.name(int(tree.entry_node[entry])).decode("utf-8", "surrogateescape") for entry in kept.tolist()]
    if draft is None or any(not re.fullmatch(r"[\w.+-]+", name) for name in names):
        return None
    old = draft.program.texts[site.key]
    words = " ".join(posixpath.join(source, name) for name in sorted(names))
    target = site.instruction.destination
    pattern = rf"(?<=\s){re.escape(source)}(\s+){re.escape(target)}(?=\s*$)"
    text, count = re.subn(pattern, lambda match: f"{words}{match[1]}{target.rstrip('/')}/", old)
    if count != 1:
        return None
    draft = draft.with_program(draft.program.rewritten(site.key, text))
    draft = draft.with_stored(draft.stored.dropped(removed))
    left = joined([f"`{escape(tree.nodes.name(int(tree.entry_node[entry])))}`" for entry in removed.tolist()[:MOST_NAMED]])
    said = Said(f"{site.quoted} brings {{amount}} that is removed later: copy all but {left}, by name")
    nodes = tree.entry_node[removed].astype(np.int64)
    return Proposal(draft, "copy-less", site.key, (site.layer or 0,), nodes, said)
