"""Has ADD unpack the archives of the context that a COPY brings, a RUN unpacks, and a RUN removes.

ADD unpacks plain, gzip, bzip2 and xz tars, with the owners and modes that their headers have in numbers (Dockerfile reference,
"Adding local tar archives"). `tar` goes by the names of owners, its options and the umask: a fix is only made where the image
has exactly what the headers say.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

import numpy as np

from layerscope.advice.editing.shell import ShellList, ShellPart
from layerscope.advice.fixes.ignoring import brought_by, part_removed
from layerscope.advice.fixes.moving import Brought, Taken, path_of, with_destination
from layerscope.advice.fixes.reach import Reach, resolve
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import FREE, Draft, Proposal, Said, Workshop
from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression
from layerscope.layers.content import digest_of
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.table import Kind
from layerscope.tree.tree import Longs
from layerscope.waste.find import Cause

_UNPACKED = frozenset({Compression.NONE, Compression.GZIP, Compression.BZIP2, Compression.XZ})
_LETTERS = re.compile(r"-?[xvzjJp]*f$|-?[xvzjJp]+$")
_WITHOUT_VALUE = frozenset({"--extract", "--gzip", "--bzip2", "--xz", "--verbose", "--get"})
_HARMLESS = frozenset({"rm", "ln", "mkdir", "ls", "test", "[", "true", "rmdir"})
"""Commands that leave the contents of files as they are."""
MOST_ENTRIES = 20_000
MOST_BYTES = 1 << 30
PIECE = 1 << 20


def unpack_at_once(workshop: Workshop) -> None:
    """Make a fix of each COPY of an archive that a RUN unpacks as ADD does, and that is removed then."""
    workshop.propose(("COPY",), _unpacked)


def _unpacked(workshop: Workshop, site: Site) -> Proposal | None:
    tree, draft, stored = workshop.tree, workshop.draft, workshop.draft.stored
    brought = Brought.by(workshop, site) if not site.instruction.flags and not site.instruction.is_json else None
    if brought is None or len(brought.entries) != 1 or tree.entries.kind[brought.entries[0]] != Kind.FILE:
        return None
    entry, source = int(brought.entries[0]), path_of(tree, brought.node)
    remover = workshop.key_of_layer.get(int(stored.burier[entry]))
    read = _archive(workshop, site, source, entry)
    found = _unpacking(workshop, site, source, remover) if remover in draft.sites and read else None
    if stored.cause[entry] != Cause.DELETED or remover is None or read is None or found is None:
        return None
    key, index, directory = found
    new = _as_told(workshop, read, directory, key)
    if new is None:
        return None
    tops = sorted(
        {path_of(tree, int(node))[len(directory.rstrip("/")) + 1 :].partition("/")[0] for node in tree.entry_node[new]}
    )
    places = (source, *(posixpath.join(directory, top) for top in tops))
    nodes = np.union1d(tree.entry_node[new], [brought.node]).astype(np.int64)
    command = workshop.command(key)
    taken = Taken(workshop, site, Reach(nodes, places), posixpath.join(directory, "x"))
    if command is None or not taken.is_free(key, command.parts[:index]):
        return None
    improved = with_destination(draft, site, f"{directory.rstrip('/')}/", "ADD")
    improved = part_removed(improved, key, index) if improved else None
    improved = _without_archive(workshop, improved, source, (key, remover)) if improved else None
    if improved is None:
        return None
    layer = draft.layers[key][0]
    kept = stored.moved(new, np.full(len(new), stored.layer_group[site.layer or 0])).dropped(brought.entries)
    improved = replace(improved, stored=kept, layers={**improved.layers, site.key: (site.layer or 0, layer)})
    line = draft.sites[key].instruction.line
    text = f"{site.quoted} brings {{amount}} that line {line} unpacks, and that are removed then: `ADD` unpacks them at once"
    layers = (site.layer or 0, layer)
    return Proposal(improved, "add-archive", site.key, layers, nodes, Said(text))


def _archive(workshop: Workshop, site: Site, source: str, entry: int) -> ReadLayer | None:
    """Read the archive in the context, if it is what the COPY brought."""
    places = brought_by(workshop, site)
    if len(places) != 1 or places[0][1] != source or not places[0][0] or workshop.context is None:
        return None
    if workshop.tree.entries.size[entry] > MOST_BYTES:
        return None
    try:
        blob = Blob.of_file(workshop.context / places[0][0])
        pieces = (blob.read(start, PIECE) for start in range(0, blob.size, PIECE))
        digest = digest_of(pieces)
        known = workshop.analysis.identity.hashes(np.array([entry]))[0]
        if [int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")] != known.tolist():
            return None
        read = read_layer(blob, layer=0, keep_seek_points=False)
    except OSError:
        return None
    table = read.table
    is_plain = not (table.problems or table.omitted or table.whiteouts or table.opaques or table.xattrs or table.devices)
    is_plain &= read.compression in _UNPACKED and 0 < len(table.entries) <= MOST_ENTRIES
    is_plain &= bool(np.isin(table.entries.kind, (Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)).all())
    return read if is_plain else None


def _unpacking(workshop: Workshop, site: Site, source: str, remover: int | None) -> tuple[int, int, str] | None:
    """Return the RUN and the number of its command that unpacks an archive, and where; None if something else may read it."""
    draft, found = workshop.draft, None
    for key in [*draft.between(site.key, remover or 0), remover or 0]:
        other = draft.sites[key]
        if other.instruction.keyword in FREE or not (other.is_run or other.is_copy):
            continue
        command = workshop.command(key) if other.is_run else None
        if command is None or other.stage != site.stage:
            return None
        for index, part in enumerate(command.parts):
            directory = _directory(part, other.directory, source)
            if directory is not None and found is None and command.is_alone(index) and not _moves(command):
                found = (key, index, directory)
            elif part.name != "rm" and _may_read(workshop, part, other.directory, source):
                return None
        is_changed = found and found[0] == key and any(part.name not in _HARMLESS for part in command.parts[found[1] + 1 :])
        if is_changed:
            return None
    return found if found and len(draft.layers.get(found[0], ())) == 1 else None


def _moves(command: ShellList) -> bool:
    return any(part.name in ("cd", "pushd", "umask") for part in command.parts)


def _may_read(workshop: Workshop, part: ShellPart, directory: str, place: str) -> bool:
    reads = workshop.reach_of([part], directory).reads
    return reads is None or any(place == each or place.startswith(each.rstrip("/") + "/") for each in reads)


def _directory(part: ShellPart, directory: str, source: str) -> str | None:
    """Return where a command unpacks all of an archive, without doing more; None if it is no such command."""
    words = list(part.words[1:])
    if part.name != "tar" or not part.is_simple or part.outputs or not words or "x" not in "".join(words[:1]):
        return None
    if not words[0].startswith("-"):
        words[0] = f"-{words[0]}"
    archive, target = "", directory
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if word == "-C" or name == "--directory":
            target = resolve(value or (words.pop(0) if words else ""), directory) or ""
        elif name == "--file" or (_LETTERS.match(word) and word.endswith("f")):
            archive = resolve(value or (words.pop(0) if words else ""), directory) or ""
        elif not _LETTERS.match(word) and word not in _WITHOUT_VALUE:
            return None
    return target if archive == source and target.startswith("/") else None


def _as_told(workshop: Workshop, read: ReadLayer, directory: str, key: int) -> Longs | None:
    """Return the entries of a RUN's layer that came from an archive, if all have the owner, mode and size of its headers."""
    tree, stored = workshop.tree, workshop.draft.stored
    layer = workshop.draft.layers[key][0]
    entries, versions, found = read.table.entries, tree.versions, []
    names = {bytes(entries.paths[index]) for index in range(len(entries))}
    base = directory.strip("/").encode("utf-8", "surrogateescape")
    # An archive has few entries, and each is looked up by its name.
    for index, name in enumerate(entries.paths[number] for number in range(len(entries))):
        path = b"/".join(each for each in (base, name) if each)
        node = tree.nodes.find(path)
        seen = [v for v in tree.versions_of(node) if versions.layer[v] <= layer < versions.until[v]] if node is not None else []
        if not seen or versions.entry[seen[0]] < 0:
            return None
        entry, kind = int(versions.entry[seen[0]]), int(entries.kind[index])
        mine = (kind, entries.mode[index], entries.uid[index], entries.gid[index], entries.size[index])
        own = tuple(getattr(tree.entries, column)[entry] for column in ("kind", "mode", "uid", "gid", "size"))
        above = name.rpartition(b"/")[0]
        was_above = above in names or not above or workshop.is_there(b"/".join(each for each in (base, above) if each), layer)
        is_last = kind == Kind.DIRECTORY or (
            versions.layer[seen[0]] == layer
            and tree.versions_of(node or 0)[0] == seen[0]
            and not stored.is_gone[entry]
            and stored.group[entry] == stored.layer_group[layer]
        )
        if (
            mine != own
            or not was_above
            or not is_last
            or (kind == Kind.SYMLINK and entries.links[index] != tree.entries.links[entry])
        ):
            return None
        found += [entry] if tree.entry_layer[entry] == layer and name else []
    return np.unique(np.array(found, np.int64))


def _without_archive(workshop: Workshop, draft: Draft, source: str, keys: tuple[int, int]) -> Draft | None:
    """Take an archive out of what `rm` removes; None where `rm` would fail without it."""
    for key in dict.fromkeys(keys):
        command = workshop.command(key, draft) if key in draft.sites else None
        directory = workshop.draft.sites[key].directory
        for index, part in reversed(list(enumerate(command.parts if command else ()))):
            operands = [word for word in part.words[1:] if not word.startswith("-")]
            if part.name != "rm" or command is None:
                continue
            is_forced = any("f" in word for word in part.words[1:] if re.match(r"-\w+$", word))
            if source not in [resolve(word, directory) for word in operands]:
                if not is_forced and any("*" in word for word in operands):
                    return None
            elif len(operands) == 1 and part.is_simple and command.is_alone(index):
                draft = part_removed(draft, key, index)
            elif part.is_simple:
                kept = [raw for word, raw in zip(part.words, part.raw, strict=True) if resolve(word, directory) != source]
                draft = draft.with_program(draft.program.with_part(key, index, " ".join(kept)))
            elif not is_forced:
                return None
    return draft
