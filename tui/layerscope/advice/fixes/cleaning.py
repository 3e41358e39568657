"""Removes caches, logs, core dumps and temporary files in the RUN that wrote them, if no later instruction needs them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from layerscope.advice.fixes.cache_users import may_go
from layerscope.advice.fixes.fix_context import joined
from layerscope.advice.fixes.joining import joined_draft
from layerscope.advice.fixes.known_caches import CACHES, KnownCache
from layerscope.advice.fixes.leftovers import cache_tops, homes_in
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import Draft, Proposal, Said, Workshop
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.tree import Longs

SYSTEM_CACHES = frozenset(path for cache in CACHES for path in cache.directories)
"""Caches whose directory stays, for a package brought it."""
APT = "apt-cache"
LISTS, ARCHIVES = b"var/lib/apt/lists", b"var/cache/apt"
_APT_FILE = re.compile(rb"var/cache/apt/(?:archives/(?:partial/)?[^/]+\.deb|(?:src)?pkgcache\.bin)$")
_CORE = re.compile(rb"(?:.*/)?core(?:\.\d+)?$")
_TEMPORARY = (b"tmp", b"var/tmp")
_LEFT = (*_TEMPORARY, b"var/log")
_INSTALLS = re.compile(
    r"\b(?:apt|apt-get|aptitude)\s+(?:-\S+\s+)*(?:install|build-dep|upgrade|dist-upgrade|source|download|satisfy)\b"
)
_UPDATES = re.compile(r"\b(?:apt|apt-get|aptitude)\s+(?:-\S+\s+)*update\b")
_SCRIPT = re.compile(r"(?:^|[;&|(]\s*|\s)(?:\./|\.\./|/\S+\.sh\b|sh\s|bash\s|make\b|ansible)|\$\(|apt")
MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class _Litter:
    """Contents that one RUN leaves: entries, the nodes that go, the command that removes them, and what they are called."""

    kind: str
    key: int
    entries: Longs
    nodes: Longs
    command: str
    name: str


def clean_runs(workshop: Workshop) -> None:
    """Make a fix of each cache that a RUN leaves, then of each RUN that leaves logs, core dumps or temporary files."""
    homes = homes_in(workshop.tree)
    for cache in CACHES:
        by_home = cache_tops(workshop.tree, cache, homes)
        for key in _runs(workshop) if by_home else ():
            for litter in _of_cache(workshop, cache, key, list(by_home.values())) if key in workshop.draft.sites else ():
                _offer(workshop, litter)
    for key in _runs(workshop):
        found = _of_files(workshop, key)
        if found is not None:
            _offer(workshop, found)


def _runs(workshop: Workshop) -> list[int]:
    draft = workshop.draft
    return [key for key in draft.program.order if key in draft.sites and draft.sites[key].is_run and draft.layers.get(key)]


def _offer(workshop: Workshop, litter: _Litter) -> None:
    if int(workshop.draft.stored.size[litter.entries].sum()) < workshop.least or not _may_append(workshop, litter.key):
        return
    proposal = _cleaned_apt(workshop, litter) if litter.kind == APT else _cleaned(workshop, workshop.draft, litter, "")
    if proposal is not None:
        workshop.accept(proposal)


def _may_append(workshop: Workshop, key: int) -> bool:
    """Tell whether a command can stand at the end of a RUN whose result nothing else is built from."""
    command = workshop.command(key)
    if command is None or any(part.name in ("exec", "exit") for part in command.parts):
        return False
    return not is_built_on(workshop, workshop.draft.sites[key])


def is_built_on(workshop: Workshop, site: Site) -> bool:
    """Tell whether another stage, which is not part of the image, begins with this one or copies from it."""
    stages = workshop.dockerfile.stages
    chain = {each.stage for each in workshop.draft.sites.values()}
    stage = stages[site.stage]
    names = {stage.name.lower(), str(site.stage)} - {""}
    for index, other in enumerate(stages):
        if index not in chain and other.base.lower() in names:
            return True
        if any(each.flag("from").lower() in names for each in other.instructions):
            return True
    return False


def _cleaned(workshop: Workshop, draft: Draft, litter: _Litter, more: str) -> Proposal:
    key = litter.key
    improved = draft.with_program(draft.program.appended(key, litter.command))
    improved = improved.with_stored(improved.stored.dropped(litter.entries))
    quoted = workshop.draft.sites[key].quoted
    text = f"{quoted} leaves {{amount}} of {litter.name}: end it with `{escape(litter.command).replace('`', chr(39))}`{more}"
    return Proposal(improved, litter.kind, key, workshop.draft.layers[key], litter.nodes, Said(text))


def _cleaned_apt(workshop: Workshop, litter: _Litter) -> Proposal | None:
    """Remove apt's lists in the last RUN that needs them, joined with the one that fetched them."""
    draft = workshop.draft
    needing = [key for key in _runs(workshop) if draft.place(key) > draft.place(litter.key) and _needs_lists(workshop, key)]
    if not needing:
        return _cleaned(workshop, draft, litter, "")
    last = needing[-1]
    together = joined_draft(workshop, litter.key, last)
    if together is None or not all(key in together[1] for key in needing):
        return None
    lines = joined([str(workshop.dockerfile.instructions[key].line) for key in (litter.key, *together[1])])
    entries = _cache_entries(workshop, _apt_tops(workshop), litter.key, together[0])
    whole = replace(litter, entries=entries)
    return _cleaned(workshop, together[0], whole, f", as one RUN of lines {lines}: the later ones need the lists")


def _needs_lists(workshop: Workshop, key: int) -> bool:
    """Tell whether a RUN installs packages, or may, by lists that it did not fetch itself."""
    text = workshop.draft.sites[key].instruction.text
    text = workshop.draft.program.shell_text(key) if workshop.command(key) is not None else text
    installs, updates = _INSTALLS.search(text), _UPDATES.search(text)
    if installs:
        return updates is None or updates.start() > installs.start()
    return workshop.reach(key).reads is None and updates is None and bool(_SCRIPT.search(text))


def _apt_tops(workshop: Workshop) -> list[int]:
    nodes = workshop.tree.nodes
    return [node for path in (LISTS, ARCHIVES) if (node := nodes.find(path)) is not None]


def _cache_entries(workshop: Workshop, tops: list[int], key: int, draft: Draft | None = None) -> Longs:
    """Return the files below some nodes that a RUN of the draft stores, those left out that have another name elsewhere."""
    tree, draft = workshop.tree, draft or workshop.draft
    group = draft.stored.layer_group[draft.layers[key][0]]
    is_inside = np.zeros(len(tree), bool)
    for node in tops:
        is_inside[node : tree.nodes.end[node]] = True
    is_own = (draft.stored.group == group) & ~draft.stored.is_gone & (tree.entries.kind == Kind.FILE)
    entries = np.flatnonzero(is_own & is_inside[tree.entry_node])
    links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
    elsewhere = tree.origin[links[~is_inside[tree.entry_node[links]]]]
    return entries[~np.isin(entries, elsewhere)]


def _of_cache(workshop: Workshop, cache: KnownCache, key: int, homes: list[list[int]]) -> Iterator[_Litter]:
    """Yield what a RUN leaves of a cache, one for each home; `homes` are the nodes of the cache's directories in each."""
    tree = workshop.tree
    for tops in homes:
        entries = _cache_entries(workshop, tops, key)
        paths = [tree.nodes.paths[node] for node in tree.entry_node[entries].tolist()]
        is_reached = [_is_apts(path) if cache.kind == APT else not _is_hidden(path) for path in paths]
        entries = entries[np.array(is_reached, bool)]
        inside = tree.entry_node[entries]
        used = [top for top in tops if ((inside >= top) & (inside < tree.nodes.end[top])).any()]
        places = [_text(workshop, top) for top in used]
        if not used or (cache.kind != APT and not may_go(workshop, cache, key, places)):
            continue
        ends = {top: "/*" if tree.nodes.paths[top] in SYSTEM_CACHES else "" for top in used}
        command = "rm -rf " + " ".join(shlex.quote(_text(workshop, top)) + ends[top] for top in used)
        below = [np.arange(top, tree.nodes.end[top]) for top in tops]
        nodes = np.concatenate(below).astype(np.int64)
        yield _Litter(
            cache.kind, key, entries, nodes, _apt_command(workshop, entries, key) if cache.kind == APT else command, cache.name
        )


def _is_hidden(path: bytes) -> bool:
    """Tell whether a star does not stand for a path in a cache of the system."""
    above = next((top for top in SYSTEM_CACHES if path.startswith(top + b"/")), None)
    return above is not None and path[len(above) + 1 :].startswith(b".")


def _is_apts(path: bytes) -> bool:
    return path.startswith(LISTS + b"/") or bool(_APT_FILE.match(path))


def _apt_command(workshop: Workshop, entries: Longs, key: int) -> str:
    paths = [workshop.tree.nodes.paths[node] for node in workshop.tree.entry_node[entries].tolist()]
    has_archives = any(path.startswith(ARCHIVES) for path in paths)
    has_lists = any(path.startswith(LISTS) for path in paths)
    # `apt-get clean` locks the directory of lists, and leaves its lock there.
    is_locked = workshop.is_there(LISTS + b"/lock", max(workshop.draft.layers[key]) + 1)
    commands = ["apt-get clean"] if has_archives else []
    if has_lists or not is_locked:
        commands.append("rm -rf /var/lib/apt/lists/*")
    return " && ".join(commands)


def _text(workshop: Workshop, node: int) -> str:
    return f"/{workshop.tree.nodes.paths[node].decode('utf-8', 'surrogateescape')}"


def _of_files(workshop: Workshop, key: int) -> _Litter | None:
    """Return the logs, core dumps and temporary files that a RUN leaves, if a few names tell them and nothing reads them."""
    tree, stored = workshop.tree, workshop.draft.stored
    group = stored.layer_group[workshop.draft.layers[key][0]]
    is_own = (stored.group == group) & ~stored.is_gone & (tree.entries.kind == Kind.FILE) & (stored.size > 0)
    own = np.flatnonzero(is_own & (stored.buried_in > stored.layers))
    tops = [node for path in _LEFT if (node := tree.nodes.find(path)) is not None]
    nodes = tree.entry_node[own]
    is_left = np.zeros(len(own), bool)
    for top in tops:
        is_left |= (nodes > top) & (nodes < tree.nodes.end[top])
    names = tree.nodes.name_start
    for index in np.flatnonzero(~is_left & (stored.size[own] >= workshop.least)).tolist():
        is_left[index] = bool(_CORE.match(tree.nodes.paths[int(nodes[index])][int(names[nodes[index]]) :]))
    left = own[is_left]
    links = tree.origin[(tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0)]
    left = left[~np.isin(left, links)]
    # What was there before is not the RUN's litter.
    first = tree.versions.layer[np.searchsorted(tree.versions.node, tree.entry_node[left])]
    left = left[stored.layer_group[first] == group]
    whole = _made_whole(workshop, group, tree.entry_node[left].astype(np.int64))
    values, inverse = np.unique(whole, return_inverse=True)
    is_worth = np.bincount(inverse, weights=stored.size[left], minlength=len(values)) >= workshop.least // 10
    left, values = left[is_worth[inverse]], values[is_worth]
    places = [_text(workshop, node) for node in values.tolist()]
    if not 0 < len(places) <= MOST_NAMED or not all(_is_unread(workshop, key, place) for place in places):
        return None
    is_deep = bool((tree.nodes.end[values] > values + 1).any())
    command = f"rm -{'r' * is_deep}f " + " ".join(map(shlex.quote, places))
    words = "a core dump, logs or temporary files"
    below = np.concatenate([np.arange(node, tree.nodes.end[node]) for node in values.tolist()]).astype(np.int64)
    return _Litter("left-behind", key, left, below, command, words)


def _made_whole(workshop: Workshop, group: int, nodes: Longs) -> Longs:
    """Return, for temporary files, what lies above them in the system's directory if one RUN alone made it; else themselves."""
    tree, versions = workshop.tree, workshop.tree.versions
    found = nodes.copy()
    for path in _TEMPORARY:
        top = tree.nodes.find(path)
        if top is None:
            continue
        is_below = (nodes > top) & (nodes < tree.nodes.end[top])
        above = nodes[is_below]
        while (is_deep := tree.nodes.depth[above] > tree.nodes.depth[top] + 1).any():
            above = np.where(is_deep, tree.nodes.parent[above], above).astype(np.int64)
        for node in np.unique(above).tolist():
            first, last = np.searchsorted(versions.node, [node, tree.nodes.end[node]])
            if (workshop.draft.stored.layer_group[versions.layer[first:last]] != group).any():
                above[above == node] = -1
        found[is_below] = np.where(above >= 0, above, nodes[is_below])
    return found


def _is_unread(workshop: Workshop, key: int, place: str) -> bool:
    """Tell whether no instruction after a RUN can read a file."""
    draft = workshop.draft
    order = [each for each in draft.program.order if each in draft.sites]
    for each in order[order.index(key) + 1 :]:
        site = draft.sites[each]
        text, *named = workshop.texts(each)
        directory, _, name = place.rpartition("/")
        if name in text or any(name in script or directory in script for script in named):
            return False
        if not site.is_run:
            continue
        reads = workshop.reach(each).reads
        if reads is None or any(place == other or place.startswith(other.rstrip("/") + "/") for other in reads):
            return False
    return True
