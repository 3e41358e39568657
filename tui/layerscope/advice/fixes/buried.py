"""Fixes for waste: what a layer removes, moves away, replaces or stores again although lower layers keep it.

Also for what a layer's own tar holds twice. One change to the Dockerfile avoids the waste of a fix.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin, joined, places, the_runs
from layerscope.text import escape
from layerscope.tree.tree import Longs
from layerscope.units import size_text
from layerscope.waste.find import Cause

MOST_REMOVED = 0.9
"""A COPY from which at least this share is removed later only served the commands in between."""
_UNINSTALLS = re.compile(r"\b(?:autoremove|purge|remove|uninstall|apk del|erase)\b")
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2|txz)(?:\.\w+)?$")
_UPGRADES = re.compile(r"\b(?:dist-upgrade|full-upgrade|upgrade|(?:dnf|yum|zypper)\b[^&;|]*\bupdate|pacman -Syu)\b")
_CHOWN = re.compile(r"\bchown\s+(?:-\S+\s+)*([\w.:][\w.:-]*)\s")
MOST_REWRITTEN = 0.95
"""If less than this share of a COPY gets another owner or mode, a flag on the COPY would change too much."""
_CHMOD = re.compile(r"\bchmod\s+(?:-\S+\s+)*([0-7]{3,4})\s")


@dataclass(frozen=True, slots=True)
class Group:
    """Waste that one layer buried (removed, replaced, ...) and that layers of one kind wrote, so that one fix avoids it.

    `rows` are its rows in the image's waste, `burier` the layer that buried them, `writers` the layers that wrote them, the
    most bytes first. `size` is their bytes.
    """

    context: FixContext
    burier: LayerOrigin
    writers: tuple[LayerOrigin, ...]
    rows: Longs
    size: int

    @property
    def writer(self) -> LayerOrigin:
        """Return the layer that wrote most of the group's bytes."""
        return self.writers[0]

    @property
    def amount(self) -> str:
        """Return the group's bytes as text: `20.0 MB`."""
        return size_text(self.size)

    @property
    def what(self) -> str:
        """Name what was written by the place of its layers: ``what line 8 `RUN make` ``, `what lines 3 and 5`."""
        return f"what {self.writer.quoted if len(self.writers) == 1 else places(self.writers)}"

    @property
    def where(self) -> str:
        """Name the layers that keep the bytes: `layer 2`, `layers 2 and 5`."""
        numbers = [str(number) for number in sorted(writer.number for writer in self.writers)]
        shown = numbers if len(numbers) <= 4 else [*numbers[:3], "others"]
        return f"layer{'s' * (len(numbers) > 1)} {joined(shown)}"

    @property
    def written(self) -> int:
        """Return all content bytes of the writing layers, buried or not."""
        return sum(self.context.analysis.layer_content_bytes[writer.number - 1] for writer in self.writers)

    @property
    def are_neighbors(self) -> bool:
        """Tell whether the RUN of the layer right after the only writing layer buried the bytes, so that they can be joined."""
        return len(self.writers) == 1 and self.burier.is_run and self.burier.number == self.writer.number + 1

    def fix(self, kind: str, sentence: str) -> Fix:
        """Make a fix that saves all of the group's bytes, and claim them, so that no other fix counts them."""
        waste = self.context.waste
        self.context.take(waste.entry[self.rows])
        paths = self.context.examples(waste.node[self.rows], waste.size[self.rows])
        layers = (self.burier.number, *(writer.number for writer in self.writers if writer != self.burier))
        return self.context.fix(kind, layers, self.size, f"{self.burier.quoted} {sentence}", paths)


def groups(context: FixContext, causes: Collection[Cause], *, among: Longs | None = None) -> Iterator[Group]:
    """Yield the waste of these causes that no fix has claimed yet, grouped by burying layer and kind of writing layer.

    Groups too small for a fix are left out. `among` are the rows of the waste to group, by default all unclaimed ones.
    """
    waste, rows = context.waste, context.open_rows() if among is None else among
    rows = rows[np.isin(waste.cause[rows], list(causes))]
    sorts = np.array([-1, *(_sort(origin) for origin in context.origins)])
    key = waste.buried_by[rows].astype(np.int64) << 8 | sorts[waste.written_by[rows]]
    for value in np.unique(key).tolist():
        part = rows[key == value]
        size = int(waste.size[part].sum())
        if size >= context.min_saving:
            sums = np.bincount(waste.written_by[part], weights=waste.size[part])
            writers = [context.origin(number) for number in np.argsort(-sums, kind="stable").tolist() if sums[number] > 0]
            yield Group(context, context.origin(value >> 8), tuple(writers), part, size)


def _sort(origin: LayerOrigin) -> int:
    """Return the kind of a layer as a number: base 0, RUN 1, COPY or ADD 2, else 3. Layers of one kind get the same advice."""
    if origin.is_base:
        return 0
    return 1 if origin.is_run else 2 if origin.is_copy else 3


def find_removed(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each layer that removes or moves what lower layers hold, one for each kind of layer that wrote it."""
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
    if group.writer.is_copy:
        return _copied(group)
    return group.fix("removed", f"removes {group.what} wrote: {group.amount} stay in {group.where}; leave them out there")


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
    if group.size >= MOST_REMOVED * group.written:
        remedy = f"{group.context.with_buildkit}use `RUN --mount=type=bind` instead of the {group.writer.keyword}"
        return group.fix("bind-mount", f"removes {group.what} copied: {kept}; {remedy}")
    return group.fix("copy-less", f"removes {group.what} copied: {kept}; {_left_out(group)}")


def _left_out(group: Group) -> str:
    """Say how to make a COPY or ADD bring less."""
    instruction = group.writer.instruction
    if instruction is not None and instruction.flag("from"):
        return "copy only what is needed from that stage"
    if instruction is not None and group.writer.keyword == "ADD" and any(map(_ARCHIVE.search, instruction.sources)):
        return "leave them out of the archive"
    return "leave them out of what is copied, in .dockerignore"


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


def find_replaced(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each layer that replaces contents of lower layers, one for each kind of layer that wrote them."""
    for group in groups(context, [Cause.OVERWRITTEN]):
        yield _replaced(group)


def find_shadowed(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each layer whose own tar has paths twice."""
    for group in groups(context, [Cause.SHADOWED]):
        yield group.fix(
            "shadowed", f"stores {group.amount} twice in the same layer, where only the last one counts: add each path once"
        )


def _replaced(group: Group) -> Fix:
    if group.writer.is_base:
        return _replaced_of_base(group)
    replaces = f"replaces {group.amount} of {group.what} {'copied' if group.writer.is_copy else 'wrote'}"
    if not group.burier.is_run:
        return group.fix("written-twice", f"{replaces}: leave them out there")
    if group.writer.is_run:
        remedy = "join the two RUNs" if group.are_neighbors else f"do it in {the_runs(group.writers)}"
        return group.fix("join-runs", f"{replaces}: {remedy}")
    if group.writer.is_copy:
        return group.fix("build-stage", f"{replaces}: make the final files in a separate stage and copy them")
    return group.fix("written-twice", f"{replaces}: write them once")


def _replaced_of_base(group: Group) -> Fix:
    if _UPGRADES.search(group.burier.text):
        remedy = "start from a newer base instead of upgrading it"
        return group.fix("newer-base", f"replaces {group.amount} of the base's files: {remedy}")
    return group.fix(
        "replaced-of-base", f"replaces {group.amount} of the base's files, and a pull carries both: start from another base"
    )


def find_rewritten(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each layer that stores contents of lower layers again, one for each kind of layer that wrote them."""
    for group in groups(context, [Cause.METADATA, Cause.IDENTICAL]):
        yield _rewritten(group)


def _rewritten(group: Group) -> Fix:
    if not group.burier.is_run:
        return _copied_again(group)
    flags, change = _difference(group)
    of = "the base's files" if group.writer.is_base else group.where
    again = f"stores {group.amount} of {of} again, {change}"
    if group.writer.is_base:
        return group.fix("rewritten-of-base", f"{again}: limit it to the files that need it")
    if group.writer.is_copy and flags:
        copies = f"copies {group.amount} of {group.where}, {change}"
        options = " ".join(f"--{name}{value}" for name, value in flags.items())
        kind = "copy-chown" if "chown" in flags else "copy-chmod"
        with_buildkit = group.context.with_buildkit if "chmod" in flags else ""
        is_part = group.size < MOST_REWRITTEN * group.written
        limit = f", if that is right for everything copied there ({size_text(group.written)})" if is_part else ""
        remedy = f"{with_buildkit}use `{group.writer.keyword} {options}` on {places(group.writers)}{limit}"
        return group.fix(kind, f"{copies}: {remedy}")
    if group.writer.is_run and flags:
        remedy = "join the two RUNs" if group.are_neighbors else f"do it in {the_runs(group.writers)}"
        return group.fix("join-runs", f"{again}: {remedy}")
    return _for_nothing(group)


def _for_nothing(group: Group) -> Fix:
    """Make a fix for a command that touched files which already were as it wants them, or changed only their times."""
    remedy = "limit it to what needs it" if re.search(r"\b(?:chown|chmod|chgrp)\b", group.burier.text) else "leave them alone"
    if group.writer.is_run:
        remedy += f", or do it in {the_runs(group.writers)}"
    return group.fix("rewritten", f"stores {group.amount} of {group.where} again, {_difference(group)[1]}: {remedy}")


def _copied_again(group: Group) -> Fix:
    verb = "copies" if group.burier.is_copy else "stores"
    if group.writer.is_base:
        return group.fix("copied-twice", f"{verb} {group.amount} that the base has already, byte for byte: leave them out")
    return group.fix(
        "copied-twice",
        f"{verb} {group.amount} again that {places(group.writers)} wrote already, byte for byte: write them only once",
    )


def _difference(group: Group) -> tuple[dict[str, str], str]:
    """Return what the burying layer changed: as options of COPY (`chown` -> `=app:app`, empty if values vary), and in words."""
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
    """Return an option's value, `=app:app`, as the command spells it, else as the image has it if all files agree, else ""."""
    match = pattern.search(group.burier.text)
    if match:
        return "=" + escape(match[1])
    is_one = len(owners) > 0 and bool((owners == owners[0]).all())
    return f"={owners[0, 0]}:{owners[0, 1]}" if is_one else ""


def _versions(group: Group) -> tuple[Longs, Longs]:
    """Return the numbers of the files' entries as they were written, and of those that the burying layer has instead."""
    tree, waste = group.context.tree, group.context.waste
    found = tree.versions.at(waste.node[group.rows], waste.buried_by[group.rows])
    new = tree.versions.entry[found]
    is_there = (found >= 0) & (new >= 0)
    return waste.entry[group.rows][is_there].astype(np.int64), new[is_there].astype(np.int64)
