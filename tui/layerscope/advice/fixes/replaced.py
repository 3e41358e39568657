"""What a later layer replaces with other content, and what a layer's own tar holds twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.buried import Group, groups
from layerscope.advice.fixes.fix_context import FixContext, the_runs
from layerscope.waste.find import Cause

_UPGRADES = re.compile(r"\b(?:dist-upgrade|full-upgrade|upgrade|(?:dnf|yum|zypper)\b[^&;|]*\bupdate|pacman -Syu)\b")


def find_replaced(context: FixContext) -> Iterator[Fix]:
    """One fix per replacing layer and kind of writer."""
    for group in groups(context, [Cause.OVERWRITTEN]):
        yield _fix(group)


def find_shadowed(context: FixContext) -> Iterator[Fix]:
    """One fix per layer whose tar holds paths twice."""
    for group in groups(context, [Cause.SHADOWED]):
        yield group.fix(
            "shadowed", f"stores {group.amount} twice in the same layer, of which the later counts: add each path once"
        )


def _fix(group: Group) -> Fix:
    if group.writer.is_base:
        return _of_base(group)
    replaces = f"replaces {group.amount} of {group.what} {'copied' if group.writer.is_copy else 'wrote'}"
    if not group.burier.is_run:
        return group.fix("written-twice", f"{replaces}: leave them out there")
    if group.writer.is_run:
        remedy = "join the two RUNs" if group.are_neighbors else f"do it in {the_runs(group.writers)}"
        return group.fix("join-runs", f"{replaces}: {remedy}")
    if group.writer.is_copy:
        return group.fix("build-stage", f"{replaces}: make the final files in a stage of its own and copy them")
    return group.fix("written-twice", f"{replaces}: write them once")


def _of_base(group: Group) -> Fix:
    if _UPGRADES.search(group.burier.text):
        remedy = "start from a newer base instead of upgrading it"
        return group.fix("newer-base", f"replaces {group.amount} of the base's files: {remedy}")
    return group.fix(
        "replaced-of-base", f"replaces {group.amount} of the base's files, and a pull carries both: start from another base"
    )
