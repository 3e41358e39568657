"""Mounts for one RUN, with BuildKit, what a COPY brings only for it and it removes again."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from layerscope.advice.fixes.builders import BUILDKIT
from layerscope.advice.fixes.ignoring import brought_by
from layerscope.advice.fixes.joining import HARD_LINKS
from layerscope.advice.fixes.reach import is_near, resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import FREE, Draft, Proposal, Said, Workshop
from layerscope.layers.table import Kind
from layerscope.tree.tree import Longs
from layerscope.waste.find import Cause

_PLAIN = re.compile(r"[\w./@+-]+$")


def mount_for_one_run(workshop: Workshop) -> None:
    """Make a fix of each COPY whose files one later RUN uses and removes: the RUN mounts them instead."""
    if workshop.builder != BUILDKIT:
        return
    workshop.propose(("COPY",), _mounted)


def _mounted(workshop: Workshop, site: Site) -> Proposal | None:
    tree, draft, stored = workshop.tree, workshop.draft, workshop.draft.stored
    source, target, stage = _source(workshop, site)
    node = tree.nodes.find(target.strip("/").encode()) if target else None
    own = np.flatnonzero((tree.entry_layer == site.layer) & ~stored.is_unwritten)
    if node is None or not len(own) or not _is_new_alone(workshop, site, node, own):
        return None
    full = own[(tree.entries.kind[own] == Kind.FILE) & (tree.entries.size[own] > 0)]
    buriers = np.unique(stored.burier[full])
    if (
        len(buriers) != 1
        or (~np.isin(stored.cause[full], (Cause.DELETED, Cause.MOVED))).any()
        or int(buriers[0]) > stored.layers
    ):
        return None
    key = workshop.key_of_layer.get(int(buriers[0]))
    if key is None or key not in draft.sites or not _may_mount(workshop, site, key, target):
        return None
    improved = _without_target(workshop, draft, key, target)
    if improved is None:
        return None
    text = improved.program.texts[key]
    mount = f"--mount=type=bind,{f'from={stage},' if stage else ''}source={source},target={target},rw"
    program = improved.program.rewritten(key, re.sub(r"^(\s*\S+)(\s+)", rf"\1 {mount}\2", text, count=1)).removed(site.key)
    sites = {each: other for each, other in draft.sites.items() if each != site.key}
    layers = {each: numbers for each, numbers in draft.layers.items() if each != site.key}
    improved = replace(draft, program=program, sites=sites, layers=layers).with_stored(stored.dropped(own))
    line = draft.sites[key].instruction.line
    said = Said(f"{site.quoted} brings {{amount}} that only line {line} uses and removes: mount it there")
    numbers = tuple(int(number) for number in (site.layer or 0, buriers[0]))
    return Proposal(improved, "bind-mount", site.key, numbers, np.unique(tree.entry_node[own]).astype(np.int64), said)


def _source(workshop: Workshop, site: Site) -> tuple[str, str, str]:
    """Return where a COPY's only source lies, where it puts it, and the stage or image it is from; empty where not known."""
    instruction = site.instruction
    names = [name for name, _ in instruction.flags]
    # What --link puts beside its files, the mode of a directory above them, would go with it.
    if names not in ([], ["from"]) or len(instruction.sources) != 1 or "$" in instruction.arguments:
        return "", "", ""
    stage = instruction.flag("from")
    if stage:
        return "", "", ""  # whether its source is a file or a directory is not known
    places = brought_by(workshop, site)
    if len(places) != 1 or not all(map(_PLAIN.match, (places[0][0] or ".", places[0][1]))):
        return "", "", ""
    return places[0][0] or ".", places[0][1], ""


def _is_new_alone(workshop: Workshop, site: Site, node: int, own: Longs) -> bool:
    """Tell whether a COPY made its destination, in a directory that was there, and changed nothing beside it."""
    tree = workshop.tree
    layer = site.layer or 0
    inside = (tree.entry_node[own] >= node) & (tree.entry_node[own] < tree.nodes.end[node])
    above = tree.entry_node[own[~inside]]
    parent = tree.nodes.paths[int(tree.nodes.parent[node])]
    is_above = all(int(each) <= node < int(tree.nodes.end[each]) for each in above)
    was_there = any(tree.versions.layer[each] < layer <= tree.versions.until[each] for each in tree.versions_of(node))
    return is_above and not was_there and (not parent or workshop.is_there(parent, layer))


def _may_mount(workshop: Workshop, site: Site, key: int, target: str) -> bool:
    """Tell whether a RUN of the same stage, by root, can mount the files, and no other instruction between reads them."""
    draft, run = workshop.draft, workshop.draft.sites[key]
    if any(map(HARD_LINKS.search, workshop.texts(key))):
        return False  # none leads out of a mount
    if workshop.command(key) is None or run.stage != site.stage or run.user not in ("", "root", "0"):
        return False
    for each in draft.between(site.key, key):
        other = draft.sites[each]
        if other.instruction.keyword in FREE or not (other.is_run or other.is_copy):
            continue
        reach = workshop.reach(each)
        if not other.is_certain or reach.reads is None or any(is_near(place, target) for place in reach.reads):
            return False
    return True


def _without_target(workshop: Workshop, draft: Draft, key: int, target: str) -> Draft | None:
    """Take a mounted place out of what `rm` removes, for it cannot be removed; None if it is not named for itself."""
    command, site = workshop.command(key, draft), draft.sites[key]
    assert command is not None
    for index, part in reversed(list(enumerate(command.parts))):
        operands = [word for word in part.words[1:] if not word.startswith("-")]
        if part.name != "rm" or target not in [resolve(word, site.directory) for word in operands]:
            continue
        if not command.is_alone(index) or not part.is_simple or any(each.name == "cd" for each in command.parts):
            return None
        kept = [raw for word, raw in zip(part.words, part.raw, strict=True) if resolve(word, site.directory) != target]
        if any(not word.startswith("-") for word in kept[1:]):
            return draft.with_program(draft.program.with_part(key, index, " ".join(kept)))
        return None if len(command.parts) == 1 else draft.with_program(draft.program.without_part(key, index))
    return None
