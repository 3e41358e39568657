"""What differs between two platforms of an image, for people: what only one has, and what is much bigger on one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.compare.architecture_names import NameRule
from layerscope.compare.comparison import METADATA, Aspect, Comparison
from layerscope.compare.platforms import OneSided, much_bigger, one_sided
from layerscope.tree.tree import Change
from layerscope.units import count_text, size_text
from layerscope.wording.style import Style, cells, cut_middle, wrapped


def platform_lines(comparison: Comparison, style: Style, *, limit: int) -> Iterator[str]:
    """Yield what only one platform has, and what is much bigger on one, at most `limit` lines each; then the rest in words."""
    for change, analysis in ((Change.REMOVED, comparison.old), (Change.ADDED, comparison.new)):
        found = one_sided(comparison, change)
        platform = style.name(str(analysis.image.platform))
        if found:
            files = count_text(sum(each.files for each in found), "file")
            total = style.plain(f"  ({size_text(sum(each.size for each in found))} in {files})")
            yield style.paint(f"Only on {platform}", "bold") + total
            yield from _limited([_one_sided(each, style) for each in found[:limit]], len(found))
            yield ""
    for in_old, analysis in ((True, comparison.old), (False, comparison.new)):
        rows = much_bigger(comparison, in_old=in_old).tolist()
        if rows:
            yield style.paint(f"Much bigger on {style.name(str(analysis.image.platform))}", "bold")
            yield from _limited([_bigger(comparison, row, style) for row in rows[:limit]], len(rows))
            yield ""
    for sentence in _rest(comparison):
        yield from wrapped(style.plain(sentence), style.width)


def _limited(lines: list[str], count: int) -> Iterator[str]:
    yield from lines
    if count > len(lines):
        yield f"  and {count - len(lines):,} more (--limit N, --json)"


def _one_sided(found: OneSided, style: Style) -> str:
    start = f"  {size_text(found.size):>9}  "
    end = f"/ ({count_text(found.files, 'file')})" if found.is_directory else ""
    room = style.width - cells(start + end)
    return start + cut_middle("/" + style.name(found.path), room, mark=style.plain("…")) + end


def _bigger(comparison: Comparison, row: int, style: Style) -> str:
    old, new = int(comparison.old_size[row]), int(comparison.new_size[row])
    more, less = max(old, new), min(old, new)
    times = style.plain(f"{more / less:.1f} times") if less else "from 0 B"
    start = f"  {'+' + size_text(more - less):>9}  {times:>10}  "
    path = comparison.path(row) if new > old else comparison.old_path(row)
    return start + cut_middle("/" + style.name(path), style.width - cells(start), mark=style.plain("…"))


def _rest(comparison: Comparison) -> Iterator[str]:
    """Yield sentences on what is not listed: how paths were paired, and what differs of pairs in other ways."""
    is_pair = comparison.change == Change.MODIFIED
    if not len(comparison):
        yield "Both platforms have the same paths, and nothing differs in them."
    if comparison.mapped_paths:
        used = NameRule(int(np.bitwise_or.reduce(comparison.rules, initial=0))).words
        by = f" ({', '.join(used)})" if used else ""
        yield f"Paired under another name of the architecture: {count_text(comparison.mapped_paths, 'path')}{by}."
    aspects = comparison.aspects[is_pair]
    counts = {
        "in size": np.count_nonzero(aspects & np.uint16(Aspect.SIZE)),
        "in content of equal size": np.count_nonzero(aspects & np.uint16(Aspect.CONTENT)),
        "in kind or target": np.count_nonzero(aspects & np.uint16(Aspect.KIND | Aspect.TARGET | Aspect.DEVICE)),
        "in mode, owner or attributes": np.count_nonzero(aspects & np.uint16(METADATA)),
        "in time alone": np.count_nonzero(aspects == np.uint16(Aspect.TIME)),
    }
    words = [f"{count:,} {what}" for what, count in counts.items() if count]
    if words:
        yield f"Of the paths that both have, there differ: {', '.join(words)}."
