"""Finds all fixes of an image: first those with an edit, one after the other, then what is left to do by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.editing.plan import EditPlan, PlannedEdit
from layerscope.advice.fixes.cleaning import clean_runs
from layerscope.advice.fixes.copying import copy_once
from layerscope.advice.fixes.ignoring import ignore_file, leave_out
from layerscope.advice.fixes.joining import join_runs
from layerscope.advice.fixes.mounting import mount_for_one_run
from layerscope.advice.fixes.moving import move_at_once
from layerscope.advice.fixes.owners import set_owners_at_once
from layerscope.advice.fixes.unpacking import unpack_at_once
from layerscope.advice.fixes.workshop import Offer, Workshop
from layerscope.text import escape
from layerscope.units import size_text

EDITORS: tuple[Callable[[Workshop], None], ...] = (
    leave_out,
    copy_once,
    mount_for_one_run,
    set_owners_at_once,
    move_at_once,
    unpack_at_once,
    join_runs,
    clean_runs,
)
"""What makes fixes with edits, in order: each sees the draft that those before it leave."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files lie that edits change: the directory that patches are applied in, the Dockerfile and the context."""

    root: Path
    dockerfile: Path
    context: Path

    def name(self, path: Path) -> str:
        """Name a file as patches do, from `root`."""
        return path.relative_to(self.root).as_posix()


def places_of(dockerfile: Path, context: Path) -> Places:
    """Return where patches are applied: in the repository's root, else in the nearest directory above both."""
    dockerfile, context = dockerfile.resolve(), context.resolve()
    above = next(each for each in dockerfile.parents if context.is_relative_to(each))
    repository = next((each for each in (above, *above.parents) if (each / ".git").exists()), above)
    return Places(repository, dockerfile, context)


def edited_fixes(workshop: Workshop, places: Places, only: Collection[str] = ()) -> tuple[list[Fix], EditPlan]:
    """Find the fixes that have an edit, or of these `only` some, and how all of them are made."""
    if only:
        workshop.wanted = frozenset(name.partition(".")[0] for name in only)
    before = workshop.draft.program
    workshop.context = places.context
    workshop.ignore = ignore_file(workshop.builder, places.dockerfile, places.context)
    for edit in EDITORS:
        edit(workshop)
    ids = _ids(workshop)
    steps = {name: _step(name, offer, ids) for name, offer in zip(ids, workshop.offers, strict=True)}
    ignore = workshop.ignore
    plan = EditPlan(places.root, places.name(places.dockerfile), before, steps)
    if ignore is not None:
        plan = replace(plan, ignore_path=places.name(ignore.path), ignore_before=ignore.before, ignore_start=ignore.start)
    return [_fix(workshop, offer, name, plan) for name, offer in zip(ids, workshop.offers, strict=True)], plan


def _step(name: str, offer: Offer, ids: list[str]) -> PlannedEdit:
    needs = tuple(ids[each] for each in offer.needs)
    return PlannedEdit(
        offer.edits, offer.ignored, needs, escape(f"{name} saves {size_text(offer.saved)}: {offer.facts.sentence(offer.saved)}")
    )


def _ids(workshop: Workshop) -> list[str]:
    """Name each fix by its kind and the line of its instruction; of several equal names the later ones get a number."""
    names: list[str] = []
    for offer in workshop.offers:
        name = workshop.name(offer)
        count = sum(each == name or each.startswith(f"{name}.") for each in names)
        names.append(f"{name}.{count + 1}" if count else name)
    return names


def _fix(workshop: Workshop, offer: Offer, name: str, plan: EditPlan) -> Fix:
    instruction = workshop.dockerfile.instructions[offer.key]
    nodes = np.unique(offer.nodes).tolist()
    paths = tuple(workshop.tree.nodes.paths[node] for node in nodes)
    sentence = f"{offer.facts.sentence(offer.saved)}."
    needs = tuple(each for each in plan.with_needs([name]) if each != name)
    return Fix(offer.kind, offer.layers, instruction.line, offer.saved, sentence, paths, name, plan.step_patch(name), "", needs)
