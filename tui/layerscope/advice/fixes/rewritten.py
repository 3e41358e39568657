"""What a later layer stores again although its bytes did not change: chown, chmod, touch, a second COPY."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.buried import Group, groups
from layerscope.advice.fixes.fix_context import FixContext, places, the_runs
from layerscope.text import escape
from layerscope.tree.tree import Longs
from layerscope.units import size_text
from layerscope.waste.find import Cause

_CHOWN = re.compile(r"\bchown\s+(?:-\S+\s+)*([\w.:-]+)\s")
MOST = 0.95
"""If less than this share of a COPY gets another owner or mode, a flag on the COPY would change too much."""
_CHMOD = re.compile(r"\bchmod\s+(?:-\S+\s+)*([0-7]{3,4})\s")


def find_rewritten(context: FixContext) -> Iterator[Fix]:
    """Return one fix per layer that stores contents again and kind of writer."""
    for group in groups(context, [Cause.METADATA, Cause.IDENTICAL]):
        yield _fix(group)


def _fix(group: Group) -> Fix:
    if not group.burier.is_run:
        return _copied_again(group)
    flags, change = _difference(group)
    again = f"stores {group.amount} of {_of(group)} again, {change}"
    if group.writer.is_base:
        return group.fix("rewritten-of-base", f"{again}: limit it to the files that need it")
    if group.writer.is_copy and flags:
        copies = f"copies {group.amount} of {group.where}, {change}"
        options = " ".join(f"--{name}{value}" for name, value in flags.items())
        kind = "copy-chown" if "chown" in flags else "copy-chmod"
        is_part = group.size < MOST * group.written
        limit = f", if that is right for everything copied there ({size_text(group.written)})" if is_part else ""
        return group.fix(kind, f"{copies}: use `{group.writer.keyword} {options}` on {places(group.writers)}{limit}")
    if group.writer.is_run and flags:
        remedy = "join the two RUNs" if group.are_neighbors else f"do it in {the_runs(group.writers)}"
        return group.fix("join-runs", f"{again}: {remedy}")
    return _for_nothing(group)


def _for_nothing(group: Group) -> Fix:
    """Return the command touched files that already were as it wants them, or changed only their times."""
    remedy = "limit it to what needs it" if re.search(r"\b(?:chown|chmod|chgrp)\b", group.burier.text) else "leave them alone"
    if group.writer.is_run:
        remedy += f", or do it in {the_runs(group.writers)}"
    return group.fix("rewritten", f"stores {group.amount} of {group.where} again, {_difference(group)[1]}: {remedy}")


def _of(group: Group) -> str:
    return "the base's files" if group.writer.is_base else group.where


def _copied_again(group: Group) -> Fix:
    verb = "copies" if group.burier.is_copy else "stores"
    if group.writer.is_base:
        return group.fix("copied-twice", f"{verb} {group.amount} that the base has already, byte for byte: leave them out")
    return group.fix(
        "copied-twice",
        f"{verb} {group.amount} again that {places(group.writers)} wrote already, byte for byte: write them only once",
    )


def _difference(group: Group) -> tuple[dict[str, str], str]:
    """Return what differs, as options of COPY (`chown` -> `=app:app`, or empty where values vary) and in words."""
    old, new = _versions(group)
    entries, flags = group.context.tree.entries, {}
    owners = np.stack([entries.uid[new], entries.gid[new]], axis=1)
    if (owners != np.stack([entries.uid[old], entries.gid[old]], axis=1)).any():
        flags["chown"] = _value(_CHOWN, group, owners)
    if (entries.mode[new] != entries.mode[old]).any():
        flags["chmod"] = _value(_CHMOD, group, owners[:0])
    words = {"chown": "owner", "chmod": "mode"}
    if flags:
        return flags, f"with another {' and '.join(words[name] for name in flags)}"
    is_metadata = bool((group.context.waste.cause[group.rows] == Cause.METADATA).any())
    return flags, "with other times or attributes" if is_metadata else "and changes nothing about them"


def _value(pattern: re.Pattern[str], group: Group, owners: Longs) -> str:
    """Return the value as the command spells it, else as the image has it, where it is the same for all."""
    match = pattern.search(group.burier.text)
    if match:
        return "=" + escape(match[1])
    is_one = len(owners) > 0 and bool((owners == owners[0]).all())
    return f"={owners[0, 0]}:{owners[0, 1]}" if is_one else ""


def _versions(group: Group) -> tuple[Longs, Longs]:
    """Return the entries as they were written, and as the burying layer has them."""
    tree, waste = group.context.tree, group.context.waste
    found = tree.versions.at(waste.node[group.rows], waste.buried_by[group.rows])
    new = tree.versions.entry[found]
    is_there = (found >= 0) & (new >= 0)
    return waste.entry[group.rows][is_there].astype(np.int64), new[is_there].astype(np.int64)
