"""Plans a smaller image: which entries go, so that a container sees the same files with the same metadata.

Not one rule for what may go is trusted: the layers without it are merged again, and whatever is then missed comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from layerscope.analysis import Analysis
from layerscope.errors import CannotSlim
from layerscope.layers.table import Kind, Severity
from layerscope.search.find_nodes import nodes_that_fit
from layerscope.slim.arrangement import Arrangement, arranged
from layerscope.slim.budget import fewest_pushed
from layerscope.slim.fates import EntryFate, Fates, stack_after
from layerscope.slim.merging import MergedLayer, Run, checked_runs, own_runs
from layerscope.slim.sameness import differences
from layerscope.text import escape
from layerscope.tree.merge import merge
from layerscope.tree.nodes import Flags, Shape
from layerscope.tree.tree import Tree
from layerscope.waste.find import Cause

BLOCK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What a user picked of an image: `rows` has a flag for each row of its Waste, `nodes` one for each node.

    Only waste that is flagged may go. A flagged node goes with all below it, as what is like `drop` does.
    """

    rows: Flags
    nodes: Flags


@dataclass(frozen=True, slots=True)
class SlimOptions:
    """What may go: content wasted for one of `causes`, above the first `spared_layers` layers, at no path like `keep`.

    Paths like one of `drop` go with all below them, though a container sees them: the files are then no longer the same.
    `chosen` narrows both down to single contents and paths. Only `layers` (None: all that are not spared) get other bytes.

    The runs of `merge`, and with `merge_own` all that may get other bytes, become one layer each: what they bury themselves
    goes with that. `drop_empty` leaves empty layers out. With a `budget`, only so many layers get other bytes that the stored
    bytes of all are not more than that: those of which the fewest bytes have to be pushed again.
    """

    causes: frozenset[Cause] = frozenset(Cause)
    spared_layers: int = 0
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    chosen: Chosen | None = None
    layers: frozenset[int] | None = None
    drop_empty: bool = False
    merge: tuple[Run, ...] = ()
    merge_own: bool = False
    budget: int | None = None

    def may_rewrite(self, count: int) -> Flags:
        """Return a flag for each of `count` layers, at its number: whether it may get other bytes. Number 0 is no layer."""
        numbers = np.arange(count + 1)
        may = numbers > self.spared_layers
        return np.asarray(may if self.layers is None else may & np.isin(numbers, list(self.layers)))

    def runs(self, count: int) -> tuple[Run, ...]:
        """Return the runs of `count` layers to merge, lowest first. Raises UsageError for what cannot be one."""
        return self.own_runs(count) if self.merge_own else checked_runs(self.may_rewrite(count), self.merge)

    def own_runs(self, count: int) -> tuple[Run, ...]:
        """Return the runs of layers that may get other bytes, where there is more than one."""
        return own_runs(self.may_rewrite(count))


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """What becomes of one layer. `dropped` and `emptied` count entries; `content_bytes` is the content that goes.

    `tar_bytes` is the least that its tar gets shorter: contents in whole blocks and a header each, without extended headers.
    `wire_bytes` is about what the stored layer gets shorter, by its ratio of stored to unpacked bytes.
    """

    number: int
    dropped: int
    emptied: int
    content_bytes: int
    tar_bytes: int
    wire_bytes: int
    causes: dict[Cause, int]
    is_merged: bool = False
    is_gone: bool = False

    @property
    def is_rewritten(self) -> bool:
        return bool(self.dropped or self.emptied or self.is_merged or self.is_gone)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """`fates` has an EntryFate for each entry of the image (uint8), `layers` what becomes of each layer, base first.

    `asked` has a flag for each node: whether it is to be dropped though it may be seen. `settled` are the fates before layers
    are merged as `arrangement` has it.
    """

    analysis: Analysis
    options: SlimOptions
    asked: Flags
    fates: Fates
    layers: tuple[LayerPlan, ...]
    settled: Fates
    arrangement: Arrangement

    @property
    def rewritten(self) -> tuple[LayerPlan, ...]:
        """Return the layers that get other bytes."""
        return tuple(layer for layer in self.layers if layer.is_rewritten)

    @property
    def made_of(self) -> list[tuple[int, ...]]:
        """Return, for each layer of the new image, the numbers of those that it is made of."""
        return self.arrangement.made_of(len(self.layers))

    def merged(self, number: int) -> MergedLayer | None:
        """Return the layer that takes the place of a run that ends with layer `number`; None if none does."""
        return next((layer for layer in self.arrangement.merged if layer.last == number), None)

    @property
    def unpacked_again(self) -> tuple[int, ...]:
        """Return the numbers of layers that stay as they are above one that does not: a host unpacks them again."""
        lowest = min((layer.number for layer in self.rewritten), default=len(self.layers))
        return tuple(layer.number for layer in self.layers if layer.number > lowest and not layer.is_rewritten)

    @property
    def content_bytes(self) -> int:
        """Return the content bytes that go."""
        return sum(layer.content_bytes for layer in self.layers)

    @property
    def left_bytes(self) -> int:
        """Return the content bytes of all layers afterwards."""
        return self.analysis.waste.content_bytes - self.content_bytes

    @property
    def efficiency(self) -> float:
        """Return the live bytes divided by the content bytes afterwards; 1 for an image without content."""
        live = self.analysis.waste.live_bytes - self.asked_bytes
        return live / self.left_bytes if self.left_bytes else 1.0

    @property
    def push_bytes(self) -> int:
        """Estimate (≈) the stored bytes of the layers that get other bytes, and so have to be pushed."""
        sizes = self.analysis.layer_sizes
        return sum(sizes[layer.number - 1].stored_bytes - layer.wire_bytes for layer in self.rewritten if not layer.is_gone)

    @property
    def stored_bytes_left(self) -> int:
        """Estimate (≈) the stored bytes of all layers of the new image."""
        as_before = (layer.number for layer in self.layers if not layer.is_rewritten)
        return self.push_bytes + sum(self.analysis.layer_sizes[number - 1].stored_bytes for number in as_before)

    @property
    def is_over_budget(self) -> bool:
        """Tell whether the image would have more bytes (≈) than it is to have."""
        return self.options.budget is not None and self.stored_bytes_left > self.options.budget

    @property
    def asked_paths(self) -> int:
        """Return how many paths that a container sees go because the user asked for that."""
        tree = self.analysis.tree
        goes = (self.fates == EntryFate.DROP) & (tree.entry_until > tree.layers)
        return int(np.count_nonzero(goes))

    @property
    def asked_bytes(self) -> int:
        """Return the content bytes that go though a container sees them."""
        return self.content_bytes - sum(sum(layer.causes.values()) for layer in self.layers)

    def fates_of(self, number: int) -> Fates:
        """Return the fates of the entries of layer `number`."""
        first = self.analysis.contents.stack.first
        return self.fates[first[number - 1] : first[number]]


def plan_slim(analysis: Analysis, options: SlimOptions | None = None) -> Plan:
    """Plan which entries go. Raises CannotSlim for an image that the gate would not judge."""
    options = options or SlimOptions()
    if analysis.image.noun:
        raise CannotSlim(f"{escape(analysis.image.reference)} is {analysis.image.noun}, not an image")
    for problem in analysis.problems:
        if problem.is_doubt:
            raise CannotSlim(f"layer {problem.layer}: {problem.text}" if problem.layer else problem.text)
    asked = _asked(analysis.tree, options)
    plan = _planned(analysis, options, asked, _wished(analysis, options, asked))
    return plan if options.budget is None else within_budget(plan, options.budget)


def within_budget(plan: Plan, budget: int, sizes: Mapping[int, int] | None = None) -> Plan:
    """Return `plan` with as few layers rewritten as are needed to have at most `budget` bytes; all of them if that is more.

    `sizes` has the stored bytes of rewritten layers where they are known, by number; others are estimated.
    """
    sizes = sizes or {}
    optional = [layer for layer in plan.rewritten if not layer.is_merged and not layer.is_gone]
    stored = {layer.number: plan.analysis.layer_sizes[layer.number - 1].stored_bytes for layer in optional}
    pushed = {layer.number: sizes.get(layer.number, stored[layer.number] - layer.wire_bytes) for layer in optional}
    saved = {number: stored[number] - pushed[number] for number in stored}
    wanted = plan.stored_bytes_left + sum(layer.wire_bytes for layer in optional) - budget
    plan = replace(plan, options=replace(plan.options, budget=budget))
    return spared(plan, stored.keys() - fewest_pushed(saved, pushed, wanted))


def spared(plan: Plan, numbers: Iterable[int]) -> Plan:
    """Return `plan` with these layers left as they are, and with what the others then need to keep."""
    is_spared = np.isin(plan.analysis.tree.entry_layer, list(numbers))
    fates = np.where(is_spared, EntryFate.KEEP, plan.settled).astype(np.uint8)
    return _planned(plan.analysis, plan.options, plan.asked, fates)


def _planned(analysis: Analysis, options: SlimOptions, asked: Flags, wished: Fates) -> Plan:
    stack = analysis.contents.stack
    count = len(stack.tables)
    settled = _settled(analysis, wished, asked, options)
    may_leave = frozenset(np.flatnonzero(options.may_rewrite(count)).tolist() if options.drop_empty else ())
    arrangement = arranged(analysis, settled, asked, runs=options.runs(count), may_leave=may_leave)
    fates = arrangement.fates(settled, stack.first)
    return Plan(analysis, options, asked, fates, tuple(_layer_plans(analysis, fates, arrangement)), settled, arrangement)


def _asked(tree: Tree, options: SlimOptions) -> Flags:
    """Return a flag for each node: whether it or one above it fits `drop` or was chosen, and no spared layer has it."""
    asked = np.zeros(len(tree.nodes), bool)
    for pattern in options.drop:
        asked[nodes_that_fit(tree.nodes, pattern)] = True
    if options.chosen is not None:
        asked |= options.chosen.nodes
    if asked.any():
        asked |= Shape.of(tree.nodes).below(asked)
        # What a lower layer has of a path would be seen again.
        asked[tree.versions.node[~options.may_rewrite(tree.layers)[tree.versions.layer]]] = False
    return asked


def _wished(analysis: Analysis, options: SlimOptions, asked: Flags) -> Fates:
    """Return the fates by the rules: what nobody sees goes, and what is `asked` for, in layers where content goes with it."""
    tree, stack = analysis.tree, analysis.contents.stack
    may_go = _unseen(tree)
    if options.causes != frozenset(Cause) or options.chosen is not None:
        waste = analysis.waste
        is_wanted = np.isin(waste.cause, [int(cause) for cause in options.causes])
        if options.chosen is not None:
            is_wanted &= options.chosen.rows
        may_go &= np.isin(tree.origin, waste.entry[is_wanted])
    may_go |= asked[tree.entry_node]
    may_go &= options.may_rewrite(tree.layers)[tree.entry_layer]
    for pattern in options.keep:
        may_go &= ~np.isin(tree.entry_node, nodes_that_fit(tree.nodes, pattern))
    is_asked_link = may_go & asked[tree.entry_node] & (tree.entries.kind == Kind.HARDLINK)
    _keep_whole_contents(tree, may_go)
    may_go |= is_asked_link
    gains = _gains(tree, np.where(may_go, EntryFate.DROP, EntryFate.KEEP).astype(np.uint8), asked, options)
    may_go &= gains[tree.entry_layer]
    shape = Shape.of(tree.nodes)
    for number in np.flatnonzero(gains).tolist():
        part = slice(stack.first[number - 1], stack.first[number])
        _keep_used_directories(tree, shape, part, stack.tables[number - 1].whiteouts + stack.tables[number - 1].opaques, may_go)
    return np.where(may_go, EntryFate.DROP, EntryFate.KEEP).astype(np.uint8)


def _unseen(tree: Tree) -> Flags:
    """Return a flag for each entry: whether neither its path nor the content that it names is seen at the end."""
    unseen = np.asarray(tree.entry_until <= tree.layers)
    _keep_whole_contents(tree, unseen)
    return unseen


def _keep_whole_contents(tree: Tree, may_go: Flags) -> None:
    """Clear the flags of all names of a content of which one name stays: hard links name each other, and share metadata."""
    origin = tree.origin
    has = origin >= 0
    stays = np.zeros(len(origin), bool)
    stays[origin[has & ~may_go]] = True
    may_go[has] &= ~stays[origin[has]]


def _keep_used_directories(tree: Tree, shape: Shape, part: slice, markers: tuple[bytes, ...], may_go: Flags) -> None:
    """Clear the flags of directories of one layer in which something of that layer stays: it would be made without its mode."""
    stays = np.zeros(len(tree.nodes), bool)
    stays[tree.entry_node[part][~may_go[part]]] = True
    for path in {marker.rpartition(b"/")[0] for marker in markers} | set(markers):
        node = tree.nodes.find(path)
        if node is not None:
            stays[node] = True
    is_used = shape.with_above(stays)
    may_go[part] &= ~((tree.entries.kind[part] == Kind.DIRECTORY) & is_used[tree.entry_node[part]])


def _settled(analysis: Analysis, fates: Fates, asked: Flags, options: SlimOptions) -> Fates:
    """Return `fates` with everything given back without which the image would show something else, or not unpack.

    Something comes back each time, so this ends, at the latest where nothing goes.
    """
    tree, stack = analysis.tree, analysis.contents.stack
    is_emptied = (tree.entries.kind == Kind.FILE) & ~_has_links(tree) & (tree.entry_until <= tree.layers)
    fates = _given_back(fates, _missed(tree, fates, _bare_directories(tree, asked)), is_emptied)
    while True:
        fates = np.where(_gains(tree, fates, asked, options)[tree.entry_layer], fates, EntryFate.KEEP).astype(np.uint8)
        if not fates.any():
            return fates
        after, rows = stack_after(stack, fates)
        other = merge(after)
        found = differences(tree, other, rows, may_lack=asked)
        refused = {problem.layer for problem in other.problems if problem.severity >= Severity.REFUSED}
        if not found and not refused:
            return fates
        missed = _missed(tree, fates, found) | ((fates == EntryFate.DROP) & np.isin(tree.entry_layer, list(refused)))
        if missed.any():
            fates = _given_back(fates, missed, is_emptied)
            continue
        # Links lead elsewhere without what they pass through, which no rule above foresees.
        is_link = (tree.entries.kind == Kind.SYMLINK) & (fates != EntryFate.KEEP)
        fates = np.where(is_link if is_link.any() else True, EntryFate.KEEP, fates).astype(np.uint8)


def _given_back(fates: Fates, missed: Flags, is_emptied: Flags) -> Fates:
    return np.where(missed, np.where(is_emptied, EntryFate.EMPTY, EntryFate.KEEP), fates).astype(np.uint8)


def _bare_directories(tree: Tree, asked: Flags) -> list[bytes]:
    """Return the deepest directories that are seen, but neither have an entry nor anything below that is seen and has one.

    Once what implied them is gone, a whiteout may go on implying them; but not every engine makes directories for whiteouts.
    """
    if not tree.layers:
        return []
    view, shape = tree.view(tree.layers), Shape.of(tree.nodes)
    is_bare = view.is_visible & ~asked & ~shape.with_above(view.is_visible & (view.entry >= 0))
    is_bare[0] = False
    is_bare[shape.above(is_bare)] = False
    return [tree.nodes.paths[node] for node in np.flatnonzero(is_bare).tolist()]


def _gains(tree: Tree, fates: Fates, asked: Flags, options: SlimOptions) -> Flags:
    """Return a flag for each layer (index 0 is none): whether it is worth other bytes.

    It is if content goes from it, or what is seen and `asked` for; if it is merged; or if nothing stays in it and it may go.
    """
    gain = np.where((fates != EntryFate.KEEP) & (tree.entries.kind == Kind.FILE), tree.entries.size, 0)
    gain += (fates == EntryFate.DROP) & asked[tree.entry_node] & (tree.entry_until > tree.layers)
    gains = np.bincount(tree.entry_layer, gain, minlength=tree.layers + 1) > 0
    for first, last in options.runs(tree.layers):
        gains[first : last + 1] = True
    if options.drop_empty:
        gains |= np.bincount(tree.entry_layer, fates != EntryFate.DROP, minlength=tree.layers + 1) == 0
    return np.asarray(gains)


def _has_links(tree: Tree) -> Flags:
    """Return a flag for each entry: whether hard links name its content."""
    linked = np.zeros(len(tree.entries), bool)
    links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
    linked[tree.origin[links]] = True
    return linked


def _missed(tree: Tree, fates: Fates, found: list[bytes]) -> Flags:
    """Return a flag for each entry that has to come back because of the differences `found`."""
    dropped = np.flatnonzero(fates == EntryFate.DROP)
    dropped = dropped[np.argsort(tree.entry_node[dropped], kind="stable")]
    at = tree.entry_node[dropped].astype(np.int64)  # as what is searched for: else each search converts it
    missed = np.zeros(len(fates), bool)
    for path in found:
        node = tree.nodes.find(path)
        if node is None:
            continue
        chain = [node, *_above(tree, node)]
        here = [entry for each in chain for entry in dropped[slice(*np.searchsorted(at, [each, each + 1]))].tolist()]
        if not here:
            below = dropped[slice(*np.searchsorted(at, [node + 1, tree.nodes.end[node]]))]
            # One path below a directory is enough for it to be there, in each layer that had one.
            here = below[np.unique(tree.entry_layer[below], return_index=True)[1]].tolist()
        if not here:
            # What it shows has lost a name that others link to, or whose header gave it its mode.
            here = dropped[np.isin(tree.origin[dropped], _shown(tree, node))].tolist()
        missed[here] = True
    _with_links(tree, missed, fates == EntryFate.DROP)
    return missed


def _shown(tree: Tree, node: int) -> list[int]:
    """Return the entry that brought the content that `node` shows at the end; none for what has no content."""
    entry = int(tree.view(tree.layers).entry[node])
    return [int(tree.origin[entry])] if entry >= 0 and tree.origin[entry] >= 0 else []


def _with_links(tree: Tree, missed: Flags, dropped: Flags) -> None:
    """Set the flags of all names of a content of which one comes back as it was."""
    links = missed & (tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0)
    missed |= dropped & np.isin(tree.origin, tree.origin[links])


def _above(tree: Tree, node: int) -> list[int]:
    found = []
    while node:
        node = int(tree.nodes.parent[node])
        found.append(node)
    return found


def _layer_plans(analysis: Analysis, fates: Fates, arrangement: Arrangement) -> list[LayerPlan]:
    tree, waste = analysis.tree, analysis.waste
    is_content = tree.entries.kind == Kind.FILE
    goes = np.where((fates != EntryFate.KEEP) & is_content, tree.entries.size, 0)
    blocks = -(-goes // BLOCK) * BLOCK + np.where(fates == EntryFate.DROP, BLOCK, 0)
    plans = []
    for number, table in enumerate(analysis.contents.stack.tables, 1):
        part = slice(analysis.contents.stack.first[number - 1], analysis.contents.stack.first[number])
        tar_bytes, stored = int(blocks[part].sum()), analysis.layer_sizes[number - 1].stored_bytes
        written = (waste.written_by == number) & (fates[waste.entry] != EntryFate.KEEP)
        plans.append(
            LayerPlan(
                number=number,
                dropped=int(np.count_nonzero(fates[part] == EntryFate.DROP)),
                emptied=int(np.count_nonzero(fates[part] == EntryFate.EMPTY)),
                content_bytes=int(goes[part].sum()),
                tar_bytes=tar_bytes,
                wire_bytes=round(tar_bytes * stored / table.unpacked_bytes) if table.unpacked_bytes else 0,
                causes=waste.part(written).by_cause(),
                is_merged=number in arrangement.merged_numbers,
                is_gone=number in arrangement.gone,
            )
        )
    return plans
