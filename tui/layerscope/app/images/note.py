"""The note below the list: everything about the image under the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerscope.app.widgets.lines import Detail
from layerscope.families.figures import ImageFigures, LayerUsage
from layerscope.families.outline import TRUNK, Row
from layerscope.report.families import trunk_text
from layerscope.text import escape
from layerscope.units import count_text, size_text

MOST_NAMED = 5


def image_note(usage: LayerUsage, row: Row) -> Iterator[Detail]:
    """Yield the note on a row of the list."""
    if row.image == TRUNK:
        yield from _trunk(usage, row.node)
        return
    image, figures = usage.forest.images[row.image], usage.figures[row.image]
    yield Detail(", ".join(usage.titles(row.image)), color="bold")
    created = f" · created {escape(image.created[:16].replace('T', ' '))}" if image.created else ""
    yield Detail(f"{escape(str(image.platform))} · {image.id.short}{created}")
    yield Detail(removal_sentence(figures, len(image.names)), "removing it")
    yield Detail(waste_sentence(image.wasted_bytes, figures), "waste", "wasted" if image.wasted_bytes else "")
    yield Detail(_layers(usage, row), "layers")
    yield Detail(_shared(usage, row.image, figures), "shares")


def _trunk(usage: LayerUsage, node: int) -> Iterator[Detail]:
    forest = usage.forest
    numbers = forest.images_from(node)
    yield Detail(trunk_text(usage, node), color="bold")
    parent = forest.nodes[node].parent
    below = usage.size_to(parent) if parent >= 0 else 0
    whole = f", {size_text(usage.size_to(node))} with all below" if below else ""
    yield Detail(size_text(usage.size_to(node) - below) + whole, "size")
    yield Detail(f"{count_text(len(numbers), 'image')}: {_names(usage, numbers)}", "of")


def _layers(usage: LayerUsage, row: Row) -> str:
    image = usage.forest.images[row.image]
    below, twins = usage.images_below(row.image), [each for each in usage.forest.nodes[row.node].images if each != row.image]
    parts = [str(len(image.layers))]
    if below:
        new = len(image.layers) - len(usage.forest.images[below[0]].layers)
        parts.append(f"{new} of them on {_names(usage, below)}")
    if twins and image.layers:
        parts.append(f"the same as {_names(usage, twins)}")
    return ", ".join(parts)


def _shared(usage: LayerUsage, number: int, figures: ImageFigures) -> str:
    if not figures.sharing:
        return "nothing"
    others = usage.sharing(number)
    return f"{size_text(figures.shared)} with {count_text(len(others), 'image')}: {_names(usage, others)}"


def _names(usage: LayerUsage, numbers: Sequence[int]) -> str:
    names = ", ".join(usage.titles(number)[0] for number in numbers[:MOST_NAMED])
    return names + (f" and {len(numbers) - MOST_NAMED:,} more" if len(numbers) > MOST_NAMED else "")


def removal_sentence(figures: ImageFigures, names: int) -> str:
    """Say what removing an image frees."""
    if names > 1:
        return f"removing one of its {names} names frees nothing; the last one frees {size_text(figures.own)}"
    return f"frees {size_text(figures.freed)}" + ("" if figures.freed else ": other images need all its layers")


def waste_sentence(wasted: int | None, figures: ImageFigures) -> str:
    """Say what an image wastes, and what fixing its own layers would save."""
    if wasted is None:
        return "unknown: open the image, or press `a` to read all images"
    own = figures.own_wasted
    if not wasted or own is None or figures.carriers < 2:
        return size_text(wasted) + (f", {size_text(own)} of it by its own layers" if own not in (None, wasted) else "")
    of_own = "" if own == wasted else f", {size_text(own)} of it by its own layers"
    pulls = f"{size_text(own * figures.carriers)} on pulls of the {figures.carriers} images that have them"
    return f"{size_text(wasted)}{of_own}; fixing them saves {size_text(own)} on disk, and {pulls}"
