"""What a later layer removes, moves away or replaces, which the layer that wrote it keeps; and what a layer's own tar holds
twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.buried import Group, groups
from layerscope.advice.fixes.fix_context import FixContext, the_runs
from layerscope.waste.find import Cause

MOST = 0.9
"""A COPY from which at least this share is removed later only served the commands in between."""
_UNINSTALLS = re.compile(r"\b(?:autoremove|purge|remove|uninstall|apk del|erase)\b")
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2|txz)(?:\.\w+)?$")


def find_removed(context: FixContext) -> Iterator[Fix]:
    """Return one fix per removing layer and kind of writer."""
    for group in groups(context, [Cause.DELETED]):
        yield _of_deleted(group)
    for group in groups(context, [Cause.MOVED]):
        yield _of_moved(group)


def _of_deleted(group: Group) -> Fix:
    if group.writer.is_base:
        remedy = "every pull still carries them; start from a base without them"
        return group.fix("removed-of-base", f"removes {group.amount} of the base's files: {remedy}")
    if group.writer.is_run:
        return _installed(group)
    return _copied(group) if group.writer.is_copy else _unknown(group)


def _installed(group: Group) -> Fix:
    kept = f"{group.amount} stay in {group.where}"
    if group.are_neighbors:
        return group.fix("join-runs", f"removes {group.what} wrote: {kept}; join the two RUNs")
    remedy = f"remove it in {the_runs(group.writers)}"
    if _UNINSTALLS.search(group.burier.text):
        remedy += ", or build in a separate stage and copy the result"
    return group.fix("join-runs", f"removes {group.what} wrote: {kept}; {remedy}")


def _copied(group: Group) -> Fix:
    kept = f"{group.amount} stay in {group.where}"
    if group.size >= MOST * group.written:
        remedy = f"use `RUN --mount=type=bind` instead of the {group.writer.keyword}"
        return group.fix("bind-mount", f"removes {group.what} copied: {kept}; {remedy}")
    return group.fix("copy-less", f"removes {group.what} copied: {kept}; {_left_out(group)}")


def _left_out(group: Group) -> str:
    """Suggest how to make a COPY or ADD bring less."""
    instruction = group.writer.instruction
    if instruction is not None and instruction.flag("from"):
        return "copy only what is needed from that stage"
    if instruction is not None and group.writer.keyword == "ADD" and any(map(_ARCHIVE.search, instruction.sources)):
        return "leave them out of the archive"
    return "leave them out of what is copied, in .dockerignore"


def _unknown(group: Group) -> Fix:
    return group.fix("removed", f"removes {group.what} wrote: {group.amount} stay in {group.where}; leave them out there")


def _of_moved(group: Group) -> Fix:
    kept = f"{group.where} keep{'s' * (len(group.writers) == 1)} {group.amount}"
    if group.writer.is_base:
        return group.fix(
            "moved-of-base", f"moves {group.amount} of the base's files, which the image then stores twice: leave them in place"
        )
    if group.writer.is_copy:
        return group.fix("copy-to-place", f"moves {group.what} copied: {kept}; copy them to where they end up")
    remedy = "join the two RUNs" if group.are_neighbors else f"move them in {the_runs(group.writers)}"
    return group.fix(
        "join-runs", f"moves {group.what} wrote: {kept}; {remedy if group.writer.is_run else 'write them there at once'}"
    )


_UPGRADES = re.compile(r"\b(?:dist-upgrade|full-upgrade|upgrade|(?:dnf|yum|zypper)\b[^&;|]*\bupdate|pacman -Syu)\b")


def find_replaced(context: FixContext) -> Iterator[Fix]:
    """Return one fix per replacing layer and kind of writer."""
    for group in groups(context, [Cause.OVERWRITTEN]):
        yield _fix(group)


def find_shadowed(context: FixContext) -> Iterator[Fix]:
    """Return one fix per layer whose tar has paths twice."""
    for group in groups(context, [Cause.SHADOWED]):
        yield group.fix(
            "shadowed", f"stores {group.amount} twice in the same layer, where only the last one counts: add each path once"
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
        return group.fix("build-stage", f"{replaces}: make the final files in a separate stage and copy them")
    return group.fix("written-twice", f"{replaces}: write them once")


def _of_base(group: Group) -> Fix:
    if _UPGRADES.search(group.burier.text):
        remedy = "start from a newer base instead of upgrading it"
        return group.fix("newer-base", f"replaces {group.amount} of the base's files: {remedy}")
    return group.fix(
        "replaced-of-base", f"replaces {group.amount} of the base's files, and a pull carries both: start from another base"
    )
