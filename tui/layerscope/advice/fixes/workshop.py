"""Where fixes are made one after the other: a draft of the Dockerfile and of what its image stores, which each fix improves."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from layerscope.advice.dockerfile.mapping import Mapping
from layerscope.advice.dockerfile.stages import Dockerfile
from layerscope.advice.editing.program import PieceEdit, Program
from layerscope.advice.editing.shell import ShellList, ShellPart
from layerscope.advice.fixes.builders import find_builder
from layerscope.advice.fixes.file_content import content_below
from layerscope.advice.fixes.fix_context import min_saving
from layerscope.advice.fixes.reach import Reach, reach_of_parts, resolve, through_links, written_nodes
from layerscope.advice.fixes.sites import Site, find_sites
from layerscope.advice.fixes.stored import Stored
from layerscope.analysis import Analysis
from layerscope.tree.tree import Longs, Tree
from layerscope.units import size_text

FREE = frozenset({"LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER", "ONBUILD"})
"""Instructions that no other one notices."""
BARRIERS = frozenset({"USER", "SHELL", "VOLUME", "FROM"})
_WORD = re.compile(r"[\w./@+-]+")
STRICT = re.compile(r'"-[a-z]*e')
"""What a SHELL has among its words by which the first failure ends all commands."""


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """The file that names what the context leaves out: its path, its text (None: there is none), and how a new one begins."""

    path: Path
    before: str | None
    start: str = ""


class Facts(Protocol):
    """What there is to say about a fix."""

    def merged(self, other: Facts) -> Facts | None:
        """Return what there is to say about this fix and a later one as one; None if they stay two fixes."""

    def sentence(self, saved: int) -> str:
        """Say what is wrong and what is changed, without a full stop, printable; `saved` are the bytes."""


@dataclass(frozen=True, slots=True)
class Said:
    """What there is to say about a fix that stays by itself; `{amount}` in the text stands for what it saves."""

    text: str

    def merged(self, other: Facts) -> Facts | None:  # noqa: ARG002
        """Return None: there is nothing to merge."""
        return None

    def sentence(self, saved: int) -> str:
        """Return the text."""
        return self.text.replace("{amount}", size_text(saved))


@dataclass(frozen=True, eq=False)
class Draft:
    """The Dockerfile with the edits so far, and what its image would store.

    `sites` are the instructions by key, `layers` the layers of the image as it is that each one now makes. `ignored` are lines
    to be added to the file of names that the context leaves out.
    """

    program: Program
    stored: Stored
    sites: ReadOnly[int, Site]
    layers: ReadOnly[int, tuple[int, ...]]
    ignored: tuple[str, ...] = ()

    def between(self, first: int, second: int) -> list[int]:
        """Return the keys of the instructions between two others, in their present order."""
        order = self.program.order
        keys = order[order.index(first) + 1 : order.index(second)]
        return [key for key in keys if key in self.sites]

    def place(self, key: int) -> int:
        """Return a number that grows from the top of the file to its end."""
        return self.program.order.index(key)

    def with_program(self, program: Program) -> Draft:
        """Return the draft with another text."""
        return replace(self, program=program)

    def with_stored(self, stored: Stored) -> Draft:
        """Return the draft with other contents."""
        return replace(self, stored=stored)


@dataclass(frozen=True, eq=False)
class Offer:
    """One fix with its edit: `edits` and `ignored` are what it adds to the fixes named by `needs` (indexes of offers).

    `layers` and `nodes` are what it is about, in the image as it is; `key` the instruction that its line is.
    """

    kind: str
    key: int
    layers: tuple[int, ...]
    nodes: Longs
    saved: int
    facts: Facts
    edits: tuple[PieceEdit, ...]
    ignored: tuple[str, ...]
    needs: tuple[int, ...]

    @property
    def touched(self) -> frozenset[int]:
        """Return the keys of all pieces that the edits are about."""
        return frozenset(key for edit in self.edits for key in edit.touched)

    def followed_by(self, other: Offer) -> Offer:
        """Return this fix and a later one as one."""
        facts = self.facts.merged(other.facts)
        assert facts is not None
        return replace(
            self,
            layers=tuple(sorted({*other.layers, *self.layers}, reverse=True)),
            nodes=np.union1d(self.nodes, other.nodes),
            saved=self.saved + other.saved,
            facts=facts,
            edits=(*self.edits, *other.edits),
            ignored=(*self.ignored, *other.ignored),
            needs=(*self.needs, *other.needs),
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """A draft that is better than the present one, and what to say about it."""

    draft: Draft
    kind: str
    key: int
    layers: tuple[int, ...]
    nodes: Longs
    facts: Facts


@dataclass(eq=False)
class Workshop:
    """An analyzed image with the Dockerfile that made it, the present draft, and the fixes so far.

    `key_of_layer` has the instruction of each layer as the image is. `wanted` are the names of the only fixes to be made.
    """

    analysis: Analysis
    dockerfile: Dockerfile
    builder: str
    base_layers: int
    draft: Draft
    key_of_layer: ReadOnly[int, int]
    context: Path | None = None
    ignore: IgnoreFile | None = None
    wanted: frozenset[str] | None = None
    offers: list[Offer] = field(default_factory=list)

    @classmethod
    def of(cls, analysis: Analysis, text: str, dockerfile: Dockerfile, mapping: Mapping) -> Workshop | None:
        """Begin with the image as it is. None where nothing can be edited: another image's Dockerfile, an unknown builder."""
        base_layers = analysis.base_layers if analysis.base_layers is not None else mapping.base_layers or 0
        builder = find_builder(analysis.image, base_layers=base_layers)
        program = Program.of(text, dockerfile)
        sites = find_sites(analysis.image, dockerfile, mapping, builder) if builder else ()
        if not sites or program is None or not analysis.contents.is_complete:
            return None
        layers = {site.key: (site.layer,) for site in sites if site.layer is not None}
        stored = Stored.of(analysis.tree, analysis.waste)
        draft = Draft(program, stored, {site.key: site for site in sites}, layers)
        keys = {site.layer: site.key for site in sites if site.layer is not None}
        return cls(analysis, dockerfile, builder, base_layers, draft, keys)

    @property
    def tree(self) -> Tree:
        return self.analysis.tree

    @property
    def least(self) -> int:
        """Return the fewest bytes for which a fix is offered."""
        return min_saving(self.analysis.waste.content_bytes)

    def command(self, key: int, draft: Draft | None = None) -> ShellList | None:
        """Return the commands of a RUN as the draft has it; None if they cannot be told apart."""
        draft = draft or self.draft
        site = draft.sites[key]
        if not site.is_run or (site.instruction.is_json and not self._has_shell(site)):
            return None
        if not site.has_plain_shell:
            return None
        command = draft.program.command(key)
        is_strict = command is not None and command.is_script and bool(STRICT.search(site.shell))
        return replace(command, is_strict=True) if command and is_strict else command

    def _has_shell(self, site: Site) -> bool:
        """Tell whether there is a shell below an instruction's layer."""
        return any(self.is_there(path, site.layer or 1) for path in (b"bin/sh", b"usr/bin/sh"))

    def reach(self, key: int, draft: Draft | None = None) -> Reach:
        """Return what an instruction of the draft writes and reads."""
        draft = draft or self.draft
        site = draft.sites[key]
        if site.instruction.keyword in FREE:
            return Reach()
        nodes = [self._written(layer, draft) for layer in draft.layers.get(key, ())]
        written = np.unique(np.concatenate(nodes)) if nodes else np.zeros(0, np.int64)
        if not site.is_certain:
            return Reach(written, ("/",), None, is_bound=True)
        if not site.is_run:
            return Reach(written, (_workdir(draft, key),) if site.instruction.keyword == "WORKDIR" else ())
        command = self.command(key, draft)
        if command is None or site.instruction.flag("mount"):
            return Reach(written, (), None, is_bound=True)
        named = self.reach_of(command.parts, site.directory)
        return Reach(written, named.places if not nodes else (), named.reads, named.is_bound)

    def reach_of(self, parts: Iterable[ShellPart], directory: str) -> Reach:
        """Return what commands read and write, through all symlinks of the image."""
        named = reach_of_parts(parts, directory)
        reads = None if named.reads is None else through_links(self.tree, named.reads)
        return Reach(named.nodes, through_links(self.tree, named.places), reads, named.is_bound)

    def _written(self, layer: int, draft: Draft) -> Longs:
        if layer not in self._writes:
            self._writes[layer] = written_nodes(self.tree, layer)
        unwritten = np.flatnonzero(draft.stored.is_unwritten & (self.tree.entry_layer == layer))
        return np.setdiff1d(self._writes[layer], self.tree.entry_node[unwritten])

    @cached_property
    def _writes(self) -> dict[int, Longs]:
        return {}

    def accept(self, proposal: Proposal) -> bool:
        """Take a fix into the draft if it saves enough; tell whether it did. It may become one with earlier fixes."""
        saved = self.draft.stored.total - proposal.draft.stored.total
        if saved < self.least:
            return False
        edits = proposal.draft.program.edits[len(self.draft.program.edits) :]
        ignored = proposal.draft.ignored[len(self.draft.ignored) :]
        touched = {key for edit in edits for key in edit.touched}
        needs = tuple(index for index, offer in enumerate(self.offers) if touched & offer.touched)
        layers, nodes = proposal.layers, proposal.nodes
        offer = Offer(proposal.kind, proposal.key, layers, nodes, saved, proposal.facts, edits, ignored, needs)
        if not self._is_wanted(offer):
            return False
        self.draft = proposal.draft
        self._add(offer)
        return True

    def propose(self, keywords: Collection[str], find: Callable[[Workshop, Site], Proposal | None]) -> None:
        """Take into the draft what `find` proposes for each instruction of some keywords that made a layer; None is nothing."""
        for site in [each for each in self.draft.sites.values() if each.instruction.keyword in keywords and each.layer]:
            proposal = find(self, site)
            if proposal is not None:
                self.accept(proposal)

    def name(self, offer: Offer) -> str:
        """Name a fix by its kind and the line of its instruction."""
        return f"{offer.kind}-{self.dockerfile.instructions[offer.key].line}"

    def _is_wanted(self, offer: Offer) -> bool:
        """Tell whether a fix is one of those that are wanted, or continues one."""
        if self.wanted is None or self.name(offer) in self.wanted:
            return True
        return any(self.offers[index].facts.merged(offer.facts) is not None for index in offer.needs)

    def _add(self, offer: Offer) -> None:
        """Add a fix, as one with the earlier ones that it continues."""
        same = [index for index in offer.needs if self.offers[index].facts.merged(offer.facts) is not None]
        whole, numbers = offer, {}
        for index in reversed(same):
            whole = self.offers[index].followed_by(whole)
        kept = [index for index in range(len(self.offers)) if index not in same[1:]]
        for index in range(len(self.offers)):
            numbers[index] = kept.index(same[0]) if index in same else kept.index(index)
        place = numbers[same[0]] if same else len(kept)
        offers = [self.offers[index] for index in kept]
        offers[place : place + 1] = [whole]
        self.offers = [
            replace(each, needs=tuple(sorted({numbers[need] for need in each.needs} - {index})))
            for index, each in enumerate(offers)
        ]

    def content_below(self, path: bytes, layer: int) -> bytes | None:
        """Return a file as the layers below `layer` have it; None if there is none there, or it cannot be read."""
        return content_below(self.analysis, path, layer)

    def texts(self, key: int) -> Iterator[str]:
        """Yield an instruction of the draft as it is written, then those files of the image that it names and are texts."""
        site, text = self.draft.sites[key], self.draft.program.shell_text(key)
        yield text
        layer = min(self.draft.layers.get(key, (self.tree.layers + 1,)))
        for word in dict.fromkeys(_WORD.findall(text)):
            place = resolve(word, site.directory)
            content = self.content_below(place.lstrip("/").encode(), layer) if place else None
            if content is not None and b"\0" not in content:
                yield content.decode("utf-8", "replace")

    def is_there(self, path: bytes, layer: int) -> bool:
        """Tell whether the layers below `layer` have a path."""
        node = self.tree.nodes.find(path)
        versions = self.tree.versions
        return node is not None and any(
            versions.layer[version] < layer <= versions.until[version] for version in self.tree.versions_of(node)
        )


def _workdir(draft: Draft, key: int) -> str:
    """Return the directory that a WORKDIR makes: what is in force at the next instruction."""
    order = [each for each in draft.program.order if each in draft.sites]
    following = order[order.index(key) + 1 :]
    return next((draft.sites[each].directory for each in following if draft.sites[each].directory), "/")
