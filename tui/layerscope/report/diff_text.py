"""Two images side by side, for people: sums, layers and why they differ, and the paths that weigh most."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from layerscope.analysis import Analysis
from layerscope.compare.comparison import Comparison
from layerscope.compare.layers import LayerState, PairedLayer, layer_difference, pair_layers
from layerscope.report.comparison import growth_text, path_lines
from layerscope.report.instructions import clean_instruction
from layerscope.report.layer_changes import why_changed
from layerscope.report.style import Style, cut_end, cut_middle, wrapped
from layerscope.units import count_text, percent_text, size_text

_COLOURS = {LayerState.ADDED: "green", LayerState.REMOVED: "red", LayerState.CHANGED: "yellow"}


def diff_text(comparison: Comparison, style: Style, *, limit: int) -> str:
    """The whole comparison, each line within `style.width` cells."""
    blocks = [list(_sums(comparison, style)), list(_layers(comparison, style)), list(_paths(comparison, style, limit))]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _sums(comparison: Comparison, style: Style) -> Iterator[str]:
    old, new = comparison.old, comparison.new
    room = (style.width - 4) // 2
    names = (cut_middle(style.name(_name(each)), room, mark=style.plain("…")) for each in (old, new))
    yield style.paint(style.plain(" → ").join(names), "bold")
    rows = (
        ("on disk", old.waste.content_bytes, new.waste.content_bytes),
        ("on the wire", _wire(old), _wire(new)),
        ("wasted", old.waste.wasted_bytes, new.waste.wasted_bytes),
    )
    for what, before, after in rows:
        yield style.plain(f"{what:<12} {size_text(before):>9} → {size_text(after):<9}  {growth_text(after - before)}")
    efficiencies = (percent_text(each.waste.efficiency) for each in (old, new))
    yield style.plain("{:<12} {:>9} → {}".format("efficiency", *efficiencies))


def _name(analysis: Analysis) -> str:
    return analysis.image.reference


def _wire(analysis: Analysis) -> int:
    return sum(layer.wire_bytes for layer in analysis.image.layers)


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
    """Layers that both have, a run on one line."""
    first, last = pairs[0], pairs[-1]
    numbers = (f"{one}" if one == other else f"{one}-{other}" for one, other in ((first.old, last.old), (first.new, last.new)))
    return style.plain("  {:>5} → {:<5}  shared".format(*numbers))


def _layer(comparison: Comparison, pair: PairedLayer, style: Style) -> Iterator[str]:
    old, new = comparison.old, comparison.new
    before = old.layer_content_bytes[pair.old - 1] if pair.old else 0
    after = new.layer_content_bytes[pair.new - 1] if pair.new else 0
    start = style.plain(f"  {pair.old or '':>5} → {pair.new or '':<5}  ")
    start += style.paint(f"{pair.state:<7}", _COLOURS[pair.state]) + f"  {growth_text(after - before):>9}  "
    layer = new.image.layers[pair.new - 1] if pair.new else old.image.layers[(pair.old or 1) - 1]
    instruction = style.name(clean_instruction(layer.created_by)) or "(no history)"
    yield start + cut_end(instruction, style.width - 36, mark=style.plain("…"))
    if pair.state is LayerState.CHANGED:
        yield from wrapped(style.name(why_changed(layer_difference(old, new, pair))), style.width, indent=" " * 17)


def _paths(comparison: Comparison, style: Style, limit: int) -> Iterator[str]:
    if not len(comparison):
        yield "A container sees the same files in both."
        return
    yield style.paint("Paths by weight", "bold")
    yield from path_lines(comparison, style, limit=limit)
    if len(comparison) > limit:
        yield f"  and {len(comparison) - limit:,} more (--limit N, --json)"
