"""Leaves out of the context what a COPY brings for nothing: what a RUN removes again, repositories, what a RUN makes itself."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from layerscope.advice.dockerfile.instructions import COPIES, Instruction
from layerscope.advice.editing.shell import ShellPart, inner_commands
from layerscope.advice.fixes.builders import BUILDAH, BUILDKIT
from layerscope.advice.fixes.fix_context import joined
from layerscope.advice.fixes.reach import resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import Draft, IgnoreFile, Proposal, Said, Workshop
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.tree import Longs
from layerscope.waste.find import Cause

NEVER_USED = frozenset(
    {b".git", b".hg", b".svn", b".idea", b".vscode", b".pytest_cache", b".mypy_cache", b".ruff_cache", b".tox"}
)
"""Directories of a repository's history and of tools, which a container does not need."""
INSTALLED = frozenset({b"node_modules", b".venv", b"venv", b"vendor", b"target", b"bower_components"})
"""Directories that a RUN fills; what the context has there is another machine's."""
_LITTER = re.compile(
    rb"(?:.*/)?(?:core\.\d+|(?:npm|yarn|pnpm|lerna)-(?:debug|error)\.log(?:\.\d+)?|hs_err_pid\d+\.log|logs?/[^/]+\.log)$"
)
"""Core dumps, and logs of tools or in a directory for logs."""
TOUCHING = frozenset({"chown", "chgrp", "chmod", "rm", "mkdir", "rmdir", "du", "ls", "touch", "cd"})
"""Commands to which it does not matter what a directory holds, as long as they find what they name."""
_LISTING = frozenset({"du", "ls"})
_PUTTING = frozenset({"cp", "mv", "ln", "install"})
_PLAIN = re.compile(r"[\w./@+ =,-]+$")
_INSTALLS = re.compile(r"\b(?:npm|pnpm|bun) (?:ci|i|install|clean-install)\b|\byarn(?: install)?(?:$| [-&|;])")
MOST_DOCKERFILES = 4_000
MOST_LINES = 8


def ignore_file(builder: str, dockerfile: Path, context: Path) -> IgnoreFile | None:
    """Return the ignore file that a builder reads for a Dockerfile; None if other Dockerfiles would be changed with it."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    general = context / ".dockerignore"
    if builder == BUILDAH and (context / ".containerignore").is_file():
        general = context / ".containerignore"
    if builder == BUILDKIT and own.is_file():
        return IgnoreFile(own, _text(own))
    if not _has_other_dockerfiles(dockerfile, context):
        return IgnoreFile(general, _text(general) if general.is_file() else None)
    if builder != BUILDKIT:
        return None
    return IgnoreFile(own, None, (_text(general) or "") if general.is_file() else "")


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _has_other_dockerfiles(dockerfile: Path, context: Path) -> bool:
    """Tell whether the context has another Dockerfile, not deep down."""
    seen = 0
    for pattern in ("*", "*/*", "*/*/*"):
        for path in context.glob(pattern):
            seen += 1
            name = path.name
            is_one = name in ("Dockerfile", "Containerfile") or name.startswith("Dockerfile.") or name.endswith(".Dockerfile")
            if is_one and not name.endswith(".dockerignore") and path.resolve() != dockerfile.resolve():
                return True
            if seen > MOST_DOCKERFILES:
                return True
    return False


@dataclass(frozen=True, eq=False)
class Top:
    """A file or directory of the context that need not be copied: its path there, its node, and the COPY's key."""

    path: str
    node: int
    key: int


def leave_out(workshop: Workshop) -> None:
    """Make a fix of each COPY that brings what nobody needs."""
    if workshop.ignore is None:
        return
    for site in [site for site in workshop.draft.sites.values() if site.is_copy and site.layer is not None]:
        tops = [top for top in _tops(workshop, site) if _is_free(workshop, top)]
        tops.sort(key=lambda top: -_bytes_below(workshop, top))
        chosen = tops[:MOST_LINES]
        while chosen and not _leaves_sources(workshop, [top.path for top in chosen]):
            chosen = chosen[1:]
        proposal = _proposal(workshop, site, chosen)
        if proposal is not None:
            workshop.accept(proposal)


def _leaves_sources(workshop: Workshop, paths: list[str]) -> bool:
    """Tell whether every directory that a COPY of any stage names keeps a file, without which the build would fail."""
    assert workshop.context is not None
    ignored = [*paths, *workshop.draft.ignored]
    for instruction in workshop.dockerfile.instructions:
        if instruction.keyword not in COPIES or instruction.flag("from"):
            continue
        for source in instruction.sources:
            path = posixpath.normpath(source.lstrip("/") or ".")
            if path != "." and any(_is_below(each, path) for each in paths) and not _has_file(workshop.context, path, ignored):
                return False
    return True


def _has_file(context: Path, path: str, ignored: list[str]) -> bool:
    """Tell whether a directory of the context has a file, not deep down, that is not ignored."""
    files = (found for pattern in ("*", "*/*", "*/*/*") for found in (context / path).glob(pattern) if found.is_file())
    names = (found.relative_to(context).as_posix() for found in files)
    return any(not any(_is_below(name, each) for each in ignored) for name in islice(names, MOST_DOCKERFILES))


def _bytes_below(workshop: Workshop, top: Top) -> int:
    entries = _entries(workshop, top)
    return int(workshop.draft.stored.size[entries].sum())


def _proposal(workshop: Workshop, site: Site, tops: list[Top]) -> Proposal | None:
    if not tops:
        return None
    draft: Draft | None = workshop.draft
    for top in tops:
        draft = without_removal(workshop, draft, top) if draft is not None else None
    if draft is None:
        return None
    entries = np.unique(np.concatenate([_entries(workshop, top) for top in tops]))
    draft = draft.with_stored(draft.stored.dropped(entries))
    draft = replace(draft, ignored=(*draft.ignored, *(line for top in tops for line in _lines(workshop, top))))
    nodes = np.unique(workshop.tree.entry_node[entries]).astype(np.int64)
    tree = workshop.tree
    below = [np.arange(top.node, tree.nodes.end[top.node]) for top in tops]
    names = joined([f"`{escape(top.path)}`" for top in tops])
    text = f"{site.quoted} brings {{amount}} that nobody needs: add {names} to {escape(workshop.ignore.path.name)}"  # type: ignore[union-attr]
    layers = (workshop.draft.layers[site.key][0],)
    return Proposal(draft, "dockerignore", site.key, layers, np.union1d(nodes, np.concatenate(below)), Said(text))


def _lines(workshop: Workshop, top: Top) -> tuple[str, ...]:
    """Return the lines that leave something out, whatever exceptions stand above them.

    Docker does not look at what is below a directory for a line that comes after one which matched the directory already.
    """
    assert workshop.context is not None and workshop.ignore is not None
    has_exceptions = any(
        line.lstrip().startswith("!") for line in (workshop.ignore.before or workshop.ignore.start).splitlines()
    )
    return (top.path, f"{top.path}/**") if has_exceptions and (workshop.context / top.path).is_dir() else (top.path,)


def _entries(workshop: Workshop, top: Top) -> Longs:
    """Return the entries of a COPY at and below a node."""
    tree = workshop.tree
    layers = workshop.draft.layers[top.key]
    is_inside = (tree.entry_node >= top.node) & (tree.entry_node < tree.nodes.end[top.node])
    return np.flatnonzero(is_inside & np.isin(tree.entry_layer, layers))


def _tops(workshop: Workshop, site: Site) -> Iterator[Top]:
    """Yield what a COPY brings that is removed later, made by a RUN before, or of no use, each with its path in the context."""
    tree, stored = workshop.tree, workshop.draft.stored
    places = brought_by(workshop, site)
    layer = workshop.draft.layers[site.key][0]
    own = np.flatnonzero((tree.entry_layer == layer) & (tree.entries.kind != Kind.DIRECTORY))
    removed = own[np.isin(stored.cause[own], (Cause.DELETED,)) & (stored.burier[own] <= stored.layers)]
    tops = _topmost(workshop, own, removed)
    useless = [node for node in _named(workshop, own, NEVER_USED | INSTALLED) if _is_useless(workshop, node, site)]
    useless += _litter(workshop, own)
    for node in sorted({*tops, *useless}):
        if any(other < node < tree.nodes.end[other] for other in {*tops, *useless}):
            continue
        path = _context_path(workshop, places, node)
        if path is not None:
            yield Top(path, node, site.key)


def brought_by(workshop: Workshop, site: Site) -> list[tuple[str, str]]:
    """Return (path in the context, path in the image) of each source of a COPY; nothing if one of them is not known."""
    instruction = site.instruction
    if instruction.heredocs or any(name not in ("chown", "chmod", "link") for name, _ in instruction.flags):
        return []
    destination = resolve(instruction.destination, site.directory)
    if destination is None or workshop.context is None or "$" in instruction.arguments:
        return []
    found = []
    for source in instruction.sources:
        path = posixpath.normpath(source.lstrip("/") or ".")
        local = workshop.context / path
        if re.search(r"[*?\[]", source) or path.startswith("..") or "://" in source:
            return []
        if local.is_dir():
            found.append(("" if path == "." else path, destination))
        elif local.is_file():
            into = (
                instruction.destination.endswith(("/", "/.")) or instruction.destination == "." or len(instruction.sources) > 1
            )
            found.append((path, posixpath.join(destination, posixpath.basename(path)) if into else destination))
    return found


def _context_path(workshop: Workshop, places: list[tuple[str, str]], node: int) -> str | None:
    """Return the path in the context that a node was copied from; None if there is none, or it cannot be written in a line."""
    place = f"/{workshop.tree.nodes.paths[node].decode('utf-8', 'surrogateescape')}"
    found = set()
    for source, target in places:
        if place == target and source:
            found.add(source)
        elif place.startswith(target.rstrip("/") + "/"):
            rest = place[len(target.rstrip("/")) + 1 :]
            path = posixpath.join(source, rest)
            assert workshop.context is not None
            if (workshop.context / path).exists():
                found.add(path)
    if len(found) != 1:
        return None
    path = found.pop()
    return path if _PLAIN.match(path) and path == path.strip() and not path.startswith(("#", "!")) else None


def _topmost(workshop: Workshop, own: Longs, removed: Longs) -> list[int]:
    """Return the highest nodes below which a later RUN removes everything that a COPY brought."""
    tree = workshop.tree
    counts = [tree.nodes.subtree_sums(np.bincount(tree.entry_node[each], minlength=len(tree))) for each in (own, removed)]
    tops = set()
    for node in np.unique(tree.entry_node[removed]).tolist():
        top = node
        while (above := int(tree.nodes.parent[top])) and counts[0][above] == counts[1][above]:
            top = above
        tops.add(top)
    return sorted(tops)


def _named(workshop: Workshop, own: Longs, names: frozenset[bytes]) -> list[int]:
    """Return the directories of some names below which a COPY brought files."""
    tree = workshop.tree
    found = set()
    for node in np.unique(tree.nodes.parent[tree.entry_node[own]]).tolist():
        above = node
        while above:
            if tree.nodes.name(above) in names:
                found.add(above)
            above = int(tree.nodes.parent[above])
    return sorted(found)


def _litter(workshop: Workshop, own: Longs) -> list[int]:
    """Return the core dumps and logs of some size that a COPY brought and no later instruction replaces."""
    tree, stored = workshop.tree, workshop.draft.stored
    large = own[(stored.size[own] >= workshop.least // 10) & (stored.burier[own] > stored.layers)]
    return [node for node in tree.entry_node[large].tolist() if _LITTER.match(tree.nodes.paths[node])]


def _is_useless(workshop: Workshop, node: int, site: Site) -> bool:
    """Tell whether a directory is of no use: by its name, or because a RUN filled it before the COPY did."""
    if workshop.tree.nodes.name(node) in NEVER_USED:
        return True
    tree, draft = workshop.tree, workshop.draft
    runs = {
        layers[0]
        for key, layers in draft.layers.items()
        if draft.sites[key].is_run and draft.place(key) < draft.place(site.key)
    }
    inside = (tree.entry_node >= node) & (tree.entry_node < tree.nodes.end[node]) & np.isin(tree.entry_layer, list(runs))
    return bool((inside & (tree.entries.kind == Kind.FILE)).any())


def _is_free(workshop: Workshop, top: Top) -> bool:
    """Tell whether nothing reads what would be left out: no other COPY names it, no command uses it before it is removed."""
    place = f"/{workshop.tree.nodes.paths[top.node].decode('utf-8', 'surrogateescape')}"
    own = {site.key for site in workshop.draft.sites.values()}
    for key, instruction in enumerate(workshop.dockerfile.instructions):
        if instruction.keyword not in COPIES or instruction.flag("from") or key == top.key:
            continue
        if any(_is_below(source, top.path) for source in instruction.sources):
            return False
        if any(_is_below(top.path, source) or _may_match(source, top.path) for source in instruction.sources):
            if key in own and key in workshop.draft.layers:
                return False
            if not _is_unused_in_stage(workshop, key, top):
                return False
    return not is_used(workshop, top, place)


def _may_match(pattern: str, path: str) -> bool:
    """Tell whether a source with stars or variables may name a path, or something above or below it."""
    if "$" in pattern:
        return True
    parts = posixpath.normpath(pattern.lstrip("/") or ".").split("/")
    return all(fnmatch.fnmatchcase(name, part) for name, part in zip(path.split("/"), parts, strict=False))


def _is_below(path: str, above: str) -> bool:
    path, above = (posixpath.normpath(each.lstrip("/") or ".") for each in (path, above))
    return above in (".", path) or path.startswith(f"{above}/")


def _is_unused_in_stage(workshop: Workshop, key: int, top: Top) -> bool:
    """Tell whether another stage, into which a COPY brings the files too, does nothing with them, or installs its own."""
    instructions = workshop.dockerfile.instructions
    start = max(index for index, each in enumerate(instructions[:key]) if each.keyword == "FROM")
    end = next((index for index in range(key, len(instructions)) if instructions[index].keyword == "FROM"), len(instructions))
    runs = [index for index in range(start, end) if instructions[index].keyword == "RUN"]
    if _is_copied_on(workshop, start, key, top):
        return False
    if top.path.rpartition("/")[2] == "node_modules":
        return any(_INSTALLS.search(instructions[index].text) for index in runs)
    return all(index < key for index in runs)


def _is_copied_on(workshop: Workshop, start: int, key: int, top: Top) -> bool:
    """Tell whether a later COPY brings on what one brought into the stage that begins at `start`, or into one built on it."""
    instructions, stages = workshop.dockerfile.instructions, workshop.dockerfile.stages
    number = sum(each.keyword == "FROM" for each in instructions[:start])
    names = {stages[number].name.lower(), str(number)} - {""}
    for index, other in enumerate(stages[number + 1 :], number + 1):
        if other.base.lower() in names:
            names |= {other.name.lower(), str(index)} - {""}
    directory = ""
    for each in instructions[start:key]:
        if each.keyword == "WORKDIR":
            directory = resolve(each.arguments.strip(), directory) or ""
    target = resolve(instructions[key].destination, directory)
    sources = [source for each in instructions if each.flag("from").lower() in names for source in each.sources]
    if target is None or "$" in target:
        return bool(sources)
    own = (posixpath.normpath(source.lstrip("/") or ".") for source in instructions[key].sources)
    places = [posixpath.normpath(posixpath.join(target, posixpath.relpath(top.path, each))) for each in own]
    return any(
        "$" in source or "*" in source or _is_below(place, source) or _is_below(source, place)
        for source in sources
        for place in places
    )


def is_used(workshop: Workshop, top: Top, place: str) -> bool:
    """Tell whether a later command, up to the one that removes them, may read files at a place."""
    draft = workshop.draft
    entries = _entries(workshop, top)
    buriers = draft.stored.burier[entries[workshop.tree.entries.size[entries] > 0]]
    is_removed = len(buriers) > 0 and bool((buriers <= draft.stored.layers).all())
    last = workshop.key_of_layer.get(int(buriers.max())) if is_removed else None
    causes = set(draft.stored.cause[entries[workshop.tree.entries.size[entries] > 0]].tolist())
    if is_removed and causes != {int(Cause.DELETED)}:
        last = None
    order = [key for key in draft.program.order if key in draft.sites]
    for key in order[order.index(top.key) + 1 :]:
        site = draft.sites[key]
        if site.is_run and _reads(workshop, site, key, place, top):
            return True
        if site.instruction.keyword in ("CMD", "ENTRYPOINT") and _mentions(site.instruction, place):
            return True
        if key == last:
            return False
    return False


def _mentions(instruction: Instruction, place: str) -> bool:
    return place.rpartition("/")[2] in instruction.arguments


def _reads(workshop: Workshop, site: Site, key: int, place: str, top: Top) -> bool:
    """Tell whether a RUN may read what lies at a place, or fails without it."""
    command = workshop.command(key)
    if command is None:
        return True
    directory = site.directory
    for index, part in enumerate(command.parts):
        reach = workshop.reach_of([part], directory)
        is_shown = bool(part.outputs) or [each.operator for each in command.parts[index + 1 : index + 2]] == ["|"]
        if _is_only_touching(part, is_shown=is_shown):
            if _fails_without(workshop, part, directory, place, top):
                return True
        elif reach.reads is None:
            return True
        else:
            target = resolve(part.words[-1], directory) if part.is_simple and part.name in _PUTTING else None
            reads = [*reach.reads, directory] if part.name in _LISTING else reach.reads
            if any(_is_below(place, each) or _is_below(each, place) for each in reads if each != target):
                return True
        if part.name == "cd" and len(part.words) == 2:
            directory = resolve(part.words[1], directory) or ""
    return False


def _is_only_touching(part: ShellPart, *, is_shown: bool) -> bool:
    """Tell whether it does not matter to a command what a directory holds; it matters if a listing `is_shown`."""
    names = [words[0] for words in inner_commands(part.text)] if part.is_compound else [part.name]
    is_listing = any(name in _LISTING for name in names)
    return set(names) <= TOUCHING | {"for"} and not (is_listing and (is_shown or part.is_compound))


def _fails_without(workshop: Workshop, part: ShellPart, directory: str, place: str, top: Top) -> bool:
    """Tell whether a command other than `rm` names what would not be there, alone or as the only match of a star."""
    if part.name in ("rm", "rmdir"):
        return False
    if part.is_compound:
        reads = workshop.reach_of([part], directory).reads
        return reads is None or any(_is_below(each, place) for each in reads)
    layer = min(workshop.draft.layers[top.key])
    for word in part.words[1:]:
        found = resolve(word, directory)
        if found is None or word.startswith("-"):
            continue
        if "*" in word and fnmatch.fnmatchcase(place, found) and not _has_other_match(workshop, found, top):
            return True
        if _is_below(found.partition("*")[0], place) and not workshop.is_there(found.strip("/").encode(), layer):
            return True
    return False


def _has_other_match(workshop: Workshop, pattern: str, top: Top) -> bool:
    """Tell whether a name beside one in the image fits a pattern, too."""
    nodes, above = workshop.tree.nodes, int(workshop.tree.nodes.parent[top.node])
    beside = above + 1 + np.flatnonzero(nodes.parent[above + 1 : nodes.end[above]] == above)
    paths = (f"/{nodes.paths[node].decode('utf-8', 'surrogateescape')}" for node in beside.tolist() if node != top.node)
    return any(fnmatch.fnmatchcase(path, pattern) for path in paths)


def without_removal(workshop: Workshop, draft: Draft, top: Top) -> Draft | None:
    """Take out of `rm` what is not there any more, where it would fail; None if that cannot be told."""
    place = f"/{workshop.tree.nodes.paths[top.node].decode('utf-8', 'surrogateescape')}"
    for key, site in list(draft.sites.items()):
        command = workshop.command(key, draft) if site.is_run and key in draft.sites else None
        if command is None or draft.place(key) < draft.place(top.key):
            continue
        for index, part in reversed(list(enumerate(command.parts))):
            if part.name in ("rm", "rmdir") and not _is_forced(part) and _names(part, site.directory, place):
                if not command.is_alone(index) or not all(_is_at(word, site.directory, place) for word in _operands(part)):
                    return None
                draft = part_removed(draft, key, index)
    return draft


def _is_forced(part: ShellPart) -> bool:
    return any(word == "--force" or (word.startswith("-") and word[1:2] != "-" and "f" in word) for word in part.words[1:])


def _operands(part: ShellPart) -> list[str]:
    return [word for word in part.words[1:] if not word.startswith("-")]


def _names(part: ShellPart, directory: str, place: str) -> bool:
    """Tell whether an operand is at or below a place, or may be one of several by a star."""
    return any(_is_at(word, directory, place) or "*" in word for word in _operands(part))


def _is_at(word: str, directory: str, place: str) -> bool:
    found = resolve(word, directory)
    return found is not None and "*" not in word and _is_below(found, place)


def part_removed(draft: Draft, key: int, index: int) -> Draft:
    """Take a command out of a RUN, and the RUN out of the draft when nothing is left of it."""
    draft = draft.with_program(draft.program.without_part(key, index))
    if key in draft.program.order:
        return draft
    sites = {each: site for each, site in draft.sites.items() if each != key}
    layers = {each: numbers for each, numbers in draft.layers.items() if each != key}
    return replace(draft, sites=sites, layers=layers)
