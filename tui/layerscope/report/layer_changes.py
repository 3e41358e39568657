"""Says in a sentence how a layer that was built again differs from the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from layerscope.compare.comparison import Aspect, PairedEntries, origins
from layerscope.compare.layers import LayerDifference
from layerscope.layers.table import Kind
from layerscope.report.listings import TYPES, device_text, xattrs_text
from layerscope.text import escape
from layerscope.units import count_text, utc_text

MOST_NAMED = 3
LONGEST_TARGET = 40


def why_changed(difference: LayerDifference) -> str:
    """Say how a layer differs from its former build, `only times differ, of 1,492 paths: ...`, with escaped example paths."""
    if difference.is_nothing:
        how = "in another order" if difference.is_reordered else "with other headers"
        return f"the same files; only the tar is written differently ({how})"
    if difference.is_only_times:
        examples = _examples(difference, difference.times, Aspect.TIME)
        return f"only times differ, of {count_text(len(difference.times), 'path')}: {examples}"
    return "; ".join(_parts(difference))


def _parts(difference: LayerDifference) -> Iterator[str]:
    whats = Aspect.KIND | Aspect.TARGET | Aspect.DEVICE
    parts = (
        (difference.content, "with other content", whats),
        (difference.added, "added", Aspect(0)),
        (difference.removed, "removed", Aspect(0)),
        (difference.metadata, _metadata_words(difference), Aspect.MODE | Aspect.OWNER | Aspect.XATTRS),
        (difference.unknown, "that could not be compared", Aspect(0)),
        (difference.links, "with the same content, hard-linked to other names", Aspect(0)),
        (difference.hidden, "hidden on one side only", Aspect(0)),
    )
    for paths, words, told in parts:
        if paths:
            yield f"{count_text(len(paths), 'path')} {words}: {_examples(difference, paths, told)}"
    if idle := difference.idle_markers:
        whiteouts = count_text(len(idle), "whiteout")
        yield f"{whiteouts} in one tar only, without effect on what is seen: {_examples(difference, idle, Aspect(0))}"
    if difference.times:
        examples = _examples(difference, difference.times, Aspect.TIME)
        yield f"{count_text(len(difference.times), 'path')} with other times only: {examples}"


def _metadata_words(difference: LayerDifference) -> str:
    """Name the aspects of metadata that differ on any path: `with another mode, owner or xattrs`."""
    words = difference.aspects_of(difference.metadata).words
    found = [word for word in ("mode", "owner", "xattrs") if word in words]
    if found == ["xattrs"]:
        return "with other xattrs"
    return "with another " + " or ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def _examples(difference: LayerDifference, paths: tuple[bytes, ...], told: Aspect) -> str:
    """Format the first few paths, each with those of its differences whose aspects are in `told`."""
    shown = []
    for path in paths[:MOST_NAMED]:
        details = list(_details(difference.pairs, difference.both.index(path), told)) if told else []
        shown.append(f"/{escape(path)}" + (f" ({', '.join(details)})" if details else ""))
    return ", ".join(shown) + (", ..." if len(paths) > MOST_NAMED else "")


def _details(pairs: PairedEntries, row: int, told: Aspect) -> Iterator[str]:
    """Yield a text such as `mode 0644 → 0755` for each aspect that differs and is in `told`."""
    found = Aspect(int(pairs.aspects[row])) & told
    for aspect, text in _TEXTS.items():
        if aspect in found:
            yield text(pairs, row)


def _kind(pairs: PairedEntries, row: int) -> str:
    left, right = (int(column[row]) for column in (origins(pairs.old.tree, pairs.left), origins(pairs.new.tree, pairs.right)))
    kinds = (Kind(int(pairs.old.tree.entries.kind[left])), Kind(int(pairs.new.tree.entries.kind[right])))
    return " → ".join(TYPES[kind] for kind in kinds)


def _target(pairs: PairedEntries, row: int) -> str:
    left, right = (int(column[row]) for column in (origins(pairs.old.tree, pairs.left), origins(pairs.new.tree, pairs.right)))
    targets = pairs.old.tree.entries.links[left], pairs.new.tree.entries.links[right]
    return "to " + " → ".join(escape(target[:LONGEST_TARGET]) for target in targets)


def _device(pairs: PairedEntries, row: int) -> str:
    devices = pairs.old.tree.device_of(int(pairs.left[row])), pairs.new.tree.device_of(int(pairs.right[row]))
    return "device " + " → ".join(device_text(device) or "unknown" for device in devices)


def _mode(pairs: PairedEntries, row: int) -> str:
    old, new = pairs.old.tree.entries.mode[pairs.left[row]], pairs.new.tree.entries.mode[pairs.right[row]]
    return f"mode {old:04o} → {new:04o}"


def _owner(pairs: PairedEntries, row: int) -> str:
    sides = ((pairs.old.tree.entries, pairs.left[row]), (pairs.new.tree.entries, pairs.right[row]))
    return "owner " + " → ".join(f"{entries.uid[entry]}:{entries.gid[entry]}" for entries, entry in sides)


def _xattrs(pairs: PairedEntries, row: int) -> str:
    old, new = pairs.old.tree.xattrs_of(int(pairs.left[row])), pairs.new.tree.xattrs_of(int(pairs.right[row]))
    return xattrs_text(tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))))


def _time(pairs: PairedEntries, row: int) -> str:
    times = pairs.old.tree.entries.mtime[pairs.left[row]], pairs.new.tree.entries.mtime[pairs.right[row]]
    return " → ".join(utc_text(int(mtime), "%Y-%m-%d %H:%M:%S") for mtime in times)


_TEXTS: dict[Aspect, Callable[[PairedEntries, int], str]] = {
    Aspect.KIND: _kind,
    Aspect.TARGET: _target,
    Aspect.DEVICE: _device,
    Aspect.MODE: _mode,
    Aspect.OWNER: _owner,
    Aspect.XATTRS: _xattrs,
    Aspect.TIME: _time,
}
