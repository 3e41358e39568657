"""The comparison of two images for people: whole (totals, layers and why they differ, heaviest paths) or in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from layerscope.analysis import Analysis
from layerscope.compare.comparison import Aspect, Comparison
from layerscope.compare.documents import DocumentDifference, document_difference, has_same_layers
from layerscope.compare.layers import LayerState, PairedLayer, layer_difference, pair_layers
from layerscope.report.layer_changes import why_changed
from layerscope.report.platforms_text import platform_lines
from layerscope.sources.image import PullSize
from layerscope.tree.tree import Change
from layerscope.units import count_text, growth_text, percent_text, size_text
from layerscope.wording.findings import CHANGE_MARKS
from layerscope.wording.sentences import step_text
from layerscope.wording.style import Style, cells, cut_end, cut_middle, wrapped

MOST_STEPS = 10
_COLORS = {LayerState.ADDED: "green", LayerState.REMOVED: "red", LayerState.CHANGED: "yellow"}

HEAVIEST = 10


def diff_text(comparison: Comparison, style: Style, *, limit: int) -> str:
    """Format the whole comparison, each line within `style.width` cells, with at most `limit` paths."""
    paths = platform_lines(comparison, style, limit=limit) if comparison.is_of_platforms else _paths(comparison, style, limit)
    parts = (_sums(comparison, style), _layers(comparison, style), paths, _ending(comparison, style))
    blocks = [list(part) for part in parts]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _sums(comparison: Comparison, style: Style) -> Iterator[str]:
    old, new = comparison.old, comparison.new
    room = (style.width - 4) // 2
    names = []
    for each in (old, new):
        end = f" ({style.name(str(each.image.platform))})" if comparison.is_of_platforms else ""
        names.append(cut_middle(style.name(each.image.reference), max(room - cells(end), 8), mark=style.plain("…")) + end)
    yield style.paint(style.plain(" → ").join(names), "bold")
    rows = (
        ("on disk", old.waste.content_bytes, new.waste.content_bytes),
        *_pull_rows(old.pull_size, new.pull_size),
        ("wasted", old.waste.wasted_bytes, new.waste.wasted_bytes),
    )
    for what, before, after in rows:
        yield style.plain(f"{what:<12} {size_text(before):>9} → {size_text(after):<9}  {growth_text(after - before)}")
    if comparison.is_of_platforms:
        counts = (_last_files(each) for each in (old, new))
        yield style.plain("{:<12} {:>9,} → {:,}".format("files", *counts))
    efficiencies = (percent_text(each.waste.efficiency) for each in (old, new))
    yield style.plain("{:<12} {:>9} → {}".format("efficiency", *efficiencies))


def _last_files(analysis: Analysis) -> int:
    """Count the files that a container sees."""
    return int(analysis.tree.view(max(analysis.tree.layers, 1)).subtree_files[0])


def _pull_rows(old: PullSize, new: PullSize) -> Iterator[tuple[str, int, int]]:
    """Yield rows (label, before, after): stored bytes if layers are uncompressed, and the bytes that a pull moves if known."""
    if is_estimate := old.is_estimate or new.is_estimate:
        yield "stored", old.stored_bytes, new.stored_bytes
    if old.pull_bytes is not None and new.pull_bytes is not None:
        yield "≈ the wire" if is_estimate else "on the wire", old.pull_bytes, new.pull_bytes


def _layers(comparison: Comparison, style: Style) -> Iterator[str]:
    pairs = pair_layers(comparison.old, comparison.new)
    if not pairs:
        return
    shared = sum(pair.state is LayerState.SHARED for pair in pairs)
    yield style.paint("Layers", "bold") + f"  ({shared} of {count_text(len(comparison.new.image.layers), 'layer')} shared)"
    for state, run in groupby(pairs, key=lambda pair: pair.state):
        if state is LayerState.SHARED:
            yield style.paint(_shared(list(run), style), "dim")
        else:
            for pair in run:
                yield from _layer(comparison, pair, style)


def _shared(pairs: list[PairedLayer], style: Style) -> str:
    """Format a run of layers that both images have, on one line."""
    first, last = pairs[0], pairs[-1]
    numbers = (f"{one}" if one == other else f"{one}-{other}" for one, other in ((first.old, last.old), (first.new, last.new)))
    return style.plain("  {:>5} → {:<5}  shared".format(*numbers))


def _layer(comparison: Comparison, pair: PairedLayer, style: Style) -> Iterator[str]:
    old, new = comparison.old, comparison.new
    before = old.layer_content_bytes[pair.old - 1] if pair.old else 0
    after = new.layer_content_bytes[pair.new - 1] if pair.new else 0
    numbers, grown = style.plain(f"  {pair.old or '':>5} → {pair.new or '':<5}  "), f"  {growth_text(after - before):>9}  "
    state = f"{pair.state:<7}"
    layer = new.image.layers[pair.new - 1] if pair.new else old.image.layers[(pair.old or 1) - 1]
    instruction = style.name(step_text(layer.history)) or "(no history)"
    room = style.width - cells(numbers + state + grown)
    yield numbers + style.paint(state, _COLORS[pair.state]) + grown + cut_end(instruction, room, mark=style.plain("…"))
    if pair.state is LayerState.CHANGED and not comparison.is_of_platforms:
        sentence = style.name(style.plain(why_changed(layer_difference(old, new, pair))))
        yield from wrapped(sentence, style.width, indent=" " * 17)


def _paths(comparison: Comparison, style: Style, limit: int) -> Iterator[str]:
    if not len(comparison):
        yield from wrapped(_all_seen_alike(comparison), style.width)
        return
    yield style.paint("Paths by weight", "bold")
    yield from path_lines(comparison, style, limit=limit)
    if len(comparison) > limit:
        yield f"  and {len(comparison) - limit:,} more (--limit N, --json)"


def _all_seen_alike(comparison: Comparison) -> str:
    """Describe two images whose final file trees do not differ in any path."""
    but = []
    if comparison.directory_times:
        count = comparison.directory_times
        but.append(f"the times of {count:,} directories differ" if count > 1 else "the time of 1 directory differs")
    if comparison.uncompared:
        but.append(f"{count_text(comparison.uncompared, 'path')} could not be compared")
    if but:
        return f"No path was added, removed or modified, but {' and '.join(but)}."
    if has_same_layers(comparison.old, comparison.new):
        return "A container sees the same files in both."
    return "A container sees the same files in both; later layers hide what differs."


def _ending(comparison: Comparison, style: Style) -> Iterator[str]:
    """Yield lines that say what was not compared, and how images with the same layers still differ: in config, history,
    compression or manifest.
    """
    if comparison.uncompared:
        contents = comparison.old.contents, comparison.new.contents
        is_far = any(fetched and not fetched.is_checked for each in contents for fetched in each.fetched)
        why = "their contents are in a registry (--compare-contents fetches them)" if is_far else "they cannot be read"
        sentence = f"Not compared: {count_text(comparison.uncompared, 'file')} of equal size, for {why}."
        yield from wrapped(sentence, style.width)
    if has_same_layers(comparison.old, comparison.new):
        for reason in _reasons(document_difference(comparison.old, comparison.new)):
            yield from wrapped(style.name(style.plain(reason)), style.width)


def _reasons(found: DocumentDifference) -> Iterator[str]:
    differing = [f"config: {', '.join(found.fields)}"] if found.fields else []
    if found.history:
        steps = ", ".join(map(str, found.history[:MOST_STEPS])) + (", ..." if len(found.history) > MOST_STEPS else "")
        differing.append(f"the history's text of {count_text(len(found.history), 'step')} ({steps})")
    if found.is_history_longer:
        differing.append("the number of the history's steps")
    differing += _storage(found)
    if differing:
        yield f"The layers are the same. What differs: {'; '.join(differing)}."
    elif not found.has_same_config:
        yield "The layers are the same. The configs say the same, but are written differently."
    elif not found.has_same_manifest:
        yield "Layers and config are the same; only the manifests differ."
    else:
        yield "Layers and config are the same: they are one image."


def _storage(found: DocumentDifference) -> Iterator[str]:
    """Yield `compression: layers 1, 2 (gzip → zstd)` for each way in which layers with equal contents are stored otherwise."""
    ways: dict[str, list[str]] = {}
    for layer in found.stored:
        same = f"{layer.new}, but other bytes"
        ways.setdefault(same if layer.old == layer.new else f"{layer.old} → {layer.new}", []).append(str(layer.number))
    for way, numbers in ways.items():
        shown = ", ".join(numbers[:MOST_STEPS]) + (", ..." if len(numbers) > MOST_STEPS else "")
        yield f"compression: {'layer' if len(numbers) == 1 else 'layers'} {shown} ({way})"


def summary_sentence(comparison: Comparison) -> str:
    """Summarize a comparison on one line: `+1.2 MB on disk, +0 B wasted; 3 of 10 layers new; paths: 12 added, ...`."""
    new = comparison.new
    layers = len(new.image.layers)
    paths = [
        f"{comparison.count(change):,} {change.name.lower()}" for change in (Change.ADDED, Change.MODIFIED, Change.REMOVED)
    ]
    return (
        f"{growth_text(comparison.content_grown)} on disk, {growth_text(comparison.wasted_grown)} wasted; "
        f"{layers - comparison.shared_layers} of {count_text(layers, 'layer')} new; paths: {', '.join(paths)}"
    )


def comparison_lines(comparison: Comparison, style: Style, *, limit: int = HEAVIEST) -> Iterator[str]:
    """Yield the summary, the efficiency before and after, and the paths with the biggest difference."""
    yield style.plain(summary_sentence(comparison))
    old, new = comparison.old.waste, comparison.new.waste
    yield style.plain(f"efficiency {percent_text(old.efficiency)} → {percent_text(new.efficiency)}")
    yield from path_lines(comparison, style, limit=limit)
    if len(comparison) > limit:
        yield f"  and {len(comparison) - limit:,} more"


def path_lines(comparison: Comparison, style: Style, *, limit: int) -> Iterator[str]:
    """Yield a line for each of the `limit` paths that differ most, biggest first: ` + +3.00 kB /b`, ` ~ +0 B /a (mode)`."""
    for row in range(min(limit, len(comparison))):
        grown = int(comparison.new_size[row] - comparison.old_size[row])
        start = f"  {CHANGE_MARKS[Change(comparison.change[row])]} {growth_text(grown):>9}  "
        words = Aspect(int(comparison.aspects[row])).words if not grown else []
        end = f"  ({', '.join(words)})" if words else ""
        room = style.width - cells(start + end)
        yield start + cut_middle("/" + style.name(comparison.path(row)), room, mark=style.plain("…")) + end
