"""What a new build changed, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.compare.comparison import Aspect, Comparison
from layerscope.tree.tree import Change
from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.marks import CHANGE_MARKS
from layerscope.wording.style import Style, cells, cut_middle

HEAVIEST = 10


def growth_text(grown: int) -> str:
    """Format a change of size: `+1.20 MB`, `-3 B`, `+0 B`."""
    return f"{'+' if grown >= 0 else ''}{size_text(grown)}"


def summary_sentence(comparison: Comparison) -> str:
    """Summarize on one line: `+1.2 MB on disk, +0 B wasted; 3 of 10 layers new; 12 files added, ...`."""
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
    """List the paths that differ, biggest difference first: ` + +3.00 kB /b`, ` ~ +0 B /a (mode)`."""
    for row in range(min(limit, len(comparison))):
        grown = int(comparison.new_size[row] - comparison.old_size[row])
        start = f"  {CHANGE_MARKS[Change(comparison.change[row])]} {growth_text(grown):>9}  "
        words = Aspect(int(comparison.aspects[row])).words if not grown else []
        end = f"  ({', '.join(words)})" if words else ""
        room = style.width - cells(start + end)
        yield start + cut_middle("/" + style.name(comparison.path(row)), room, mark=style.plain("…")) + end
