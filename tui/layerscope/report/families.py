"""Images that share layers: a tree with figures for people, one JSON document for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from layerscope.families.figures import FamilyTotals, LayerUsage
from layerscope.families.outline import TRUNK, Row, rows
from layerscope.report.encode import json_line
from layerscope.sources.listing.facts import ImageFacts
from layerscope.text import utf8_text
from layerscope.units import count_text, size_text
from layerscope.wording.style import Style, cells, cut_middle, wrapped

SCHEMA = "layerscope.images/1"
WORST = 5
Sizes = Literal["content", "stored", "mixed"]
SIZES: dict[Sizes, str] = {
    "content": "of what layers hold",
    "stored": "as layers are stored",
    "mixed": "of what layers hold in the engine, and as layers are stored in files",
}
NARROWEST = 22
"""The least cells of a name; levels that would leave it fewer are drawn at the last level that fits."""


def families_text(usage: LayerUsage, style: Style) -> str:
    """Format the whole report, each line within `style.width` cells."""
    parts = (_heading(usage.totals, style), _tree(usage, style), _waste(usage, style), _notes(usage, style))
    blocks = ["\n".join(part) for part in parts]
    return "\n\n".join(block for block in blocks if block) + "\n"


def sizes_of(images: Sequence[ImageFacts]) -> Sizes:
    """Tell what the sizes of these images are of: engines report a layer's content, files take their stored size."""
    places = {bool(image.place) for image in images}
    return "mixed" if len(places) > 1 else "stored" if True in places else "content"


def _heading(totals: FamilyTotals, style: Style) -> Iterator[str]:
    start = f"{count_text(totals.images, 'image')} in {families_count(totals.families)}"
    yield style.paint(start, "bold")
    yield from wrapped(totals_sentence(totals), style.width)


def families_count(count: int) -> str:
    """Format `1 family`, `3 families`."""
    return f"{count:,} famil" + ("y" if count == 1 else "ies")


def totals_sentence(totals: FamilyTotals) -> str:
    """Say in one sentence what sharing saves."""
    if not totals.saved:
        return f"{size_text(totals.stored)} on disk; no two images share a layer."
    sizes = f"{size_text(totals.listed)} as listed, {size_text(totals.stored)} on disk"
    return f"{sizes}: sharing layers saves {size_text(totals.saved)}."


def _tree(usage: LayerUsage, style: Style) -> Iterator[str]:
    has_waste = any(image.wasted_bytes is not None for image in usage.forest.images)
    heads = ["size", "own", "shared", "frees", *(["wasted"] if has_waste else [])]
    yield style.paint("".join(f"{head:>8} " for head in heads) + " image", "dim")
    for row in rows(usage.forest):
        yield _line(usage, row, style, has_waste=has_waste)


def _line(usage: LayerUsage, row: Row, style: Style, *, has_waste: bool) -> str:
    room = style.width - 37 - 9 * has_waste
    shown = row.guides[: max((room - NARROWEST) // 2, 1)]
    guides = style.paint(_guides(shown, is_ascii=style.is_ascii), "dim")
    room -= 2 * len(shown)
    mark = style.plain("…")
    if row.image == TRUNK:
        size = style.paint(f"{size_text(usage.size_to(row.node)):>8}", "dim")
        text = cut_middle(trunk_text(usage, row.node), room, mark=mark)
        return size + " " * (29 + 9 * has_waste) + guides + style.paint(text, "dim")
    figures, image = usage.figures[row.image], usage.forest.images[row.image]
    sizes = (figures.size, figures.own, figures.shared, figures.freed)
    wasted = "" if image.wasted_bytes is None else size_text(image.wasted_bytes)
    lost = style.paint(f"{wasted:>8} ", "magenta") if has_waste else ""
    return "".join(f"{size_text(size):>8} " for size in sizes) + lost + " " + guides + _titles(usage, row.image, style, room)


def _guides(shown: Sequence[bool], *, is_ascii: bool) -> str:
    along, branch, last = ("| ", "|-", "`-") if is_ascii else ("│ ", "├╴", "└╴")
    around = (along if has_next else "  " for has_next in shown[:-1])
    return "".join(around) + "".join(branch if has_next else last for has_next in shown[-1:])


def _titles(usage: LayerUsage, number: int, style: Style, room: int) -> str:
    text = titles_in(tuple(map(style.name, usage.titles(number))), room, mark=style.plain("…"))
    return style.paint(text, "yellow") if usage.forest.images[number].is_dangling else text


def titles_in(titles: tuple[str, ...], room: int, *, mark: str = "…") -> str:
    """Join as many of an image's names as fit into `room` cells, and the number of those left out: `app:1, app:2 +3`."""
    for count in range(len(titles), 0, -1):
        more = f" +{len(titles) - count}" if count < len(titles) else ""
        text = ", ".join(titles[:count]) + more
        if cells(text) <= room:
            return text
    return cut_middle(titles[0], room - len(more), mark=mark) + more


def trunk_text(usage: LayerUsage, node: int) -> str:
    """Describe layers that several images share, although no image consists of exactly these layers."""
    count = usage.forest.new_layers(node)
    return f"{count_text(count, 'shared layer')}; no image has exactly {'this' if count == 1 else 'these'}"


def _waste(usage: LayerUsage, style: Style) -> Iterator[str]:
    """Yield a table of images whose own waste other images inherit, with what mending it would save in all of them."""
    bases = wasteful_bases(usage)
    if not bases:
        return
    yield style.paint("Waste inherited by other images", "bold")
    yield style.paint(f"{'on disk':>8} {'on pulls':>9} {'images':>7}  built on", "dim")
    for number in bases[:WORST]:
        figures = usage.figures[number]
        wasted = figures.own_wasted or 0
        start = f"{size_text(wasted):>8} {size_text(wasted * figures.carriers):>9} {figures.carriers:>7,}  "
        name = cut_middle(style.name(usage.titles(number)[0]), style.width - cells(start), mark=style.plain("…"))
        yield style.paint(start, "magenta") + name
    if len(bases) > WORST:
        yield style.paint(f"{'':28}and {len(bases) - WORST:,} more", "dim")


def wasteful_bases(usage: LayerUsage) -> list[int]:
    """Return the numbers of images whose own waste other images carry too, worst first; one of each set with equal layers."""
    firsts = [node.images[0] for node in usage.forest.nodes if node.images]
    found = [each for each in firsts if usage.figures[each].own_wasted and usage.figures[each].carriers > 1]
    return sorted(found, key=lambda each: -(usage.figures[each].own_wasted or 0) * usage.figures[each].carriers)


def _notes(usage: LayerUsage, style: Style) -> Iterator[str]:
    totals = usage.totals
    if totals.dangling:
        images = count_text(totals.dangling, "dangling image")
        them = "it" if totals.dangling == 1 else "them all"
        yield from wrapped(f"{images}: removing {them} frees {size_text(totals.prunable)}.", style.width)
    sizes = SIZES[sizes_of(usage.forest.images)]
    sentence = f"Sizes are {sizes}; own: layers no other image has; frees: what removing one name frees."
    for line in wrapped(sentence, style.width):
        yield style.paint(line, "dim")


def families_json(usage: LayerUsage, references: Sequence[str], problems: Sequence[str]) -> bytes:
    """Encode families of images as one JSON document, with a newline at its end; `references` open the images. Sizes are bytes.

    `schema` is `layerscope.images/1`; keys may be added to it, none is taken away or means something else. `sizes` says what
    sizes are of: `content` of what layers hold, `stored` of layers as they are stored, `mixed` of both. Then:

    `images`, in the order they were found in, each with: `id`; `tags`; `repo_digests`; `is_dangling`; `place` (the
    archive or layout, null for an engine); `reference` (opens it); `platform`; `created`; `parent` (the chain id of the node
    below in the forest, null for a root) and `built_on` (ids of the images at the nearest node that has any); `size`;
    `shared`, with `shared_with` other images; `own`; `freed_by_removal`; `wasted` and, of it, `own_wasted` (null: not known);
    `carriers`, the images that have all of its layers, itself too; `saved_by_fixing`, what its own waste takes on the disk,
    and `saved_by_fixing_on_pulls`, of all carriers; `chain_ids`, `layers` and `layer_sizes`, base first.

    `layers`: each once, with `id`, `size` and the ids of the `images` that have it. `shared_layers`: the nodes of the forest
    where no image ends (`chain_id`, `parent`, `layers` more than the parent, `size`, `images_above`). `totals`: `images`,
    `families`, `dangling`, `listed`, `stored`, `saved_by_sharing`, `freed_by_pruning`, `wasted`. `problems`: sentences.
    """
    document = {
        "schema": SCHEMA,
        "sizes": sizes_of(usage.forest.images),
        "images": [_image(usage, number, reference) for number, reference in enumerate(references)],
        "layers": [
            {"id": _layer_id(key), "size": size, "images": [usage.forest.images[number].id for number in numbers]}
            for key, size, numbers in usage.layers
        ],
        "shared_layers": _trunks(usage),
        "totals": _totals(usage.totals),
        "problems": [utf8_text(problem) for problem in problems],
    }
    return json_line(document)


def _image(usage: LayerUsage, number: int, reference: str) -> dict[str, Any]:
    image, figures, forest = usage.forest.images[number], usage.figures[number], usage.forest
    parent = forest.nodes[forest.node_of[number]].parent
    return {
        **_named(image, reference),
        "parent": forest.nodes[parent].chain_id if parent >= 0 else None,
        "built_on": [forest.images[each].id for each in usage.images_below(number)],
        "size": figures.size,
        "shared": figures.shared,
        "shared_with": figures.sharing,
        "own": figures.own,
        "freed_by_removal": figures.freed,
        "wasted": image.wasted_bytes,
        "own_wasted": figures.own_wasted,
        "carriers": figures.carriers,
        "saved_by_fixing": figures.own_wasted,
        "saved_by_fixing_on_pulls": None if figures.own_wasted is None else figures.own_wasted * figures.carriers,
        "chain_ids": [layer.chain_id for layer in image.layers],
        "layers": [_layer_id(layer.key) for layer in image.layers],
        "layer_sizes": [layer.size for layer in image.layers],
    }


def _layer_id(key: str) -> str:
    """Return the digest at the end of a layer's key: a chain id for an engine's layer, a blob's digest for a file's."""
    return key.rpartition(" ")[2]


def _named(image: ImageFacts, reference: str) -> dict[str, Any]:
    return {
        "id": image.id,
        "tags": [utf8_text(name) for name in image.names],
        "repo_digests": [utf8_text(name) for name in image.repo_digests],
        "is_dangling": image.is_dangling,
        "place": utf8_text(image.place) or None,
        "reference": utf8_text(reference),
        "platform": image.platform.name,
        "created": utf8_text(image.created) or None,
    }


def _trunks(usage: LayerUsage) -> list[dict[str, Any]]:
    forest = usage.forest
    return [
        {
            "chain_id": node.chain_id,
            "parent": forest.nodes[node.parent].chain_id if node.parent >= 0 else None,
            "layers": forest.new_layers(number),
            "size": usage.size_to(number),
            "images_above": len(forest.images_from(number)),
        }
        for number, node in enumerate(forest.nodes)
        if not node.images
    ]


def _totals(totals: FamilyTotals) -> dict[str, Any]:
    return {
        "images": totals.images,
        "families": totals.families,
        "dangling": totals.dangling,
        "listed": totals.listed,
        "stored": totals.stored,
        "saved_by_sharing": totals.saved,
        "freed_by_pruning": totals.prunable,
        "wasted": totals.wasted,
    }
