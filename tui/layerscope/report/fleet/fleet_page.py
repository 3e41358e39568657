"""A fleet as one HTML page without scripts: a treemap of its distinct bytes, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerscope.fleet.answers import FleetAnswers
from layerscope.report.fleet.fleet_text import EXPLAINED
from layerscope.report.verdict.html import Cell, section, sentence, shown, table, whole_page
from layerscope.sizes.boxes import squarified
from layerscope.sizes.colors import HUES
from layerscope.text import escape
from layerscope.units import count_text, growth_text, size_text
from layerscope.wording.sentences import clean_instruction
from layerscope.wording.style import cut_end, cut_middle

WIDTH, HEIGHT, HEAD = 1000, 520, 16
MOST_GROUPS, MOST_BOXES, MOST_ROWS, MOST_IMAGES = 24, 60, 50, 2000
LETTER = 6.2
"""The width of a letter in the treemap."""
SHARED = "shared layers"
STYLE = """
.fleet { display: block; width: 100%; height: auto; }
.fleet rect { stroke: var(--page, #fff); stroke-width: 1; }
.fleet rect.group { fill: none; stroke-width: 2; }
.fleet text { font: 10px var(--mono); fill: #10151a; pointer-events: none; }
.fleet g:hover > rect { opacity: 0.75; }
"""


def fleet_page(answers: FleetAnswers) -> bytes:
    """Encode the page. 1,000 images take 1 MB: of images and layers only the largest have a row."""
    totals = answers.totals
    title = f"{count_text(totals.images, 'image')}, {count_text(totals.distinct_layers, 'distinct layer')}"
    parts = (
        f"<header><div><h1>Fleet</h1><p>{shown(title)}</p></div></header>",
        _tiles(answers),
        "<main>",
        section("Where the distinct bytes are", _treemap(answers)),
        section("What to mend first", _fixes(answers)),
        section("What can be deleted", "".join(_reclaimable(answers))),
        section("Since the baseline", _growth(answers)),
        section("Bases", _bases(answers)),
        section("By the prefix of names", _teams(answers)),
        section("The same large files in several images", _duplicates(answers)),
        section("Images that stand out", _outliers(answers)),
        section("Images", _images(answers)),
        section("Could not be read or judged", _sentences(answers.failed)),
        section("No images, left out", _sentences(answers.fleet.skipped)),
        "</main>",
        "<footer>Decimal units. As stored: compressed in registries. Distinct: a layer counts once, whatever images have it. "
        "On pulls: one pull of each image. Written by layerscope.</footer>",
    )
    return whole_page(f"Fleet: {title}", "\n".join(filter(None, parts)), more_style=STYLE)


def _tiles(answers: FleetAnswers) -> str:
    totals = answers.totals
    tiles = [
        ("stored in all images", size_text(totals.stored_bytes), count_text(totals.layers, "layer")),
        (
            "distinct as stored",
            size_text(totals.unique_stored_bytes),
            f"{size_text(totals.shared_stored_bytes)} in several images",
        ),
    ]
    if totals.wasted_bytes is not None and totals.unique_bytes is not None:
        tiles.append(("wasted", size_text(totals.wasted_bytes), "no container sees these"))
        tiles.append(("distinct content", size_text(totals.unique_bytes), "files as they unpack"))
    tiles.append(
        ("can be deleted", size_text(answers.reclaimable.freed_bytes), count_text(len(answers.reclaimable.images), "image"))
    )
    items = "".join(
        f"<li><b>{shown(value)}</b><span>{name}</span><small>{shown(note)}</small></li>" for name, value, note in tiles
    )
    return f'<ul class="tiles">{items}</ul>'


# The treemap.


@dataclass(frozen=True, slots=True)
class FleetBox:
    """A named part of the distinct bytes, and the parts it is made of."""

    name: str
    size: int
    parts: tuple[FleetBox, ...] = ()


def _treemap(answers: FleetAnswers) -> str:
    groups = _most(_groups(answers), MOST_GROUPS)
    if not groups:
        return ""
    drawn = []
    for number, (group, (left, top, right, bottom)) in enumerate(
        zip(groups, squarified([each.size for each in groups], WIDTH, HEIGHT), strict=True)
    ):
        hue = HUES[number % len(HUES)]
        drawn.append(_rectangle(group, left, top, right - left, bottom - top, f"hsl({hue} 45% 62%)"))
        height = bottom - top - HEAD
        if height > 2 * HEAD and group.parts:
            inner = squarified([each.size for each in group.parts], right - left, height)
            for part, (x, y, end, below) in zip(group.parts, inner, strict=True):
                drawn.append(_rectangle(part, left + x, top + HEAD + y, end - x, below - y, f"hsl({hue} 45% 76%)"))
    label = "Distinct bytes by prefix and repository; layers that several images have by base"
    return f'<svg class="fleet" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(drawn)}</svg>'


def _rectangle(box: FleetBox, left: int, top: int, width: int, height: int, fill: str) -> str:
    if width < 1 or height < 1:
        return ""
    room = int((width - 6) / LETTER)
    text = ""
    if room > 3 and height >= HEAD:
        words = cut_middle(f"{box.name} {size_text(box.size)}", room)
        text = f'<text x="{left + 3}" y="{top + 12}">{shown(words)}</text>'
    title = f"<title>{shown(f'{box.name}: {size_text(box.size)}')}</title>"
    return f'<g>{title}<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{fill}"/>{text}</g>'


def _groups(answers: FleetAnswers) -> list[FleetBox]:
    """Return the bytes of layers that one image has by prefix and repository, and those of all others by base."""
    fleet, own = answers.fleet, dict[str, dict[str, int]]()
    for layer in fleet.layers.values():
        image = fleet.images[layer.images[0]]
        if len(layer.images) == 1:
            group, part = image.team, image.repository.rpartition("/")[2] or image.name
        else:
            depth = next(depth for depth, each in enumerate(image.facts.layers, 1) if each.key == layer.key)
            base = answers.bases.owner_of(layer.images[0], depth)
            group, part = SHARED, "by no base" if base is None else answers.bases.bases[base].title
        parts = own.setdefault(group, {})
        parts[part] = parts.get(part, 0) + layer.size
    return [
        FleetBox(group, sum(parts.values()), tuple(_most([FleetBox(name, size) for name, size in parts.items()], MOST_BOXES)))
        for group, parts in own.items()
    ]


def _most(boxes: Sequence[FleetBox], most: int) -> list[FleetBox]:
    """Return the biggest boxes, and one for all others; none without bytes."""
    ordered = sorted((box for box in boxes if box.size), key=lambda box: (-box.size, box.name))
    rest = ordered[most:]
    return ordered[:most] + ([FleetBox(f"{len(rest):,} more", sum(box.size for box in rest))] if rest else [])


# The tables.


def _size(size: int | None, look: str = "") -> Cell:
    return Cell("" if size is None else size_text(size), float(size or 0), look)


def _fixes(answers: FleetAnswers) -> str:
    fixes = [fix for fix in answers.fixes if fix.content_bytes]
    rows = [
        (
            _size(fix.disk_bytes, "lost"),
            _size(fix.pull_bytes, "lost"),
            Cell(f"{len(fix.images):,}", float(len(fix.images))),
            Cell(answers.place_of(fix), look="mono"),
            Cell(", ".join(fix.causes)),
            Cell(escape(b"/" + fix.path), look="mono"),
            Cell(cut_end(clean_instruction(fix.instruction), 200), look="mono"),
        )
        for fix in fixes[:MOST_ROWS]
    ]
    heads = ("#Spared on disk", "#Spared on pulls", "#Images", "Layer", "Causes", "Largest file", "Instruction")
    return table("Layers that bury bytes", heads, rows, more=len(fixes) - MOST_ROWS) if rows else ""


def _reclaimable(answers: FleetAnswers) -> Iterator[str]:
    for each in answers.reclaimable.by_reason:
        rows = [
            (
                _size(freed),
                Cell(answers.fleet.images[number].name, look="mono"),
                Cell(answers.fleet.images[number].facts.created[:10]),
            )
            for number, freed in list(zip(each.images, each.freed_alone, strict=True))[:MOST_ROWS]
        ]
        caption = f"{EXPLAINED[each.reason]}; deleting all {len(each.images):,} frees {size_text(each.freed_bytes)}"
        yield table(caption, ("#Frees alone", "Image", "Built"), rows, more=len(each.images) - MOST_ROWS)


def _growth(answers: FleetAnswers) -> str:
    growth = answers.growth
    if growth is None or not growth.changes:
        return ""
    rows = [
        (Cell(growth_text(each.bytes), float(each.bytes)), _size(each.old), _size(each.new), Cell(each.name, look="mono"))
        for each in growth.changes[:MOST_ROWS]
    ]
    return table("As stored", ("#Growth", "#Before", "#Now", "Image"), rows, more=len(growth.changes) - MOST_ROWS)


def _bases(answers: FleetAnswers) -> str:
    bases = answers.bases.bases
    wasted = answers.wasted_by_base
    rows = [
        (
            _size(base.stored_bytes),
            Cell(f"{len(base.images):,}", float(len(base.images))),
            _size(base.spared_bytes),
            _size(wasted[number] if wasted else None, "lost"),
            Cell(str(base.depth), float(base.depth)),
            Cell(base.title, look="mono"),
        )
        for number, base in enumerate(bases[:MOST_ROWS])
    ]
    heads = ("#Size", "#Images", "#Spared by sharing", "#Wasted", "#Layers", "Base")
    return table("Layers that several images begin with", heads, rows, more=len(bases) - MOST_ROWS) if rows else ""


def _teams(answers: FleetAnswers) -> str:
    teams = answers.teams
    rows = [
        (
            _size(team.freed_bytes),
            Cell(f"{len(team.images):,}", float(len(team.images))),
            _size(team.stored_bytes),
            _size(team.wasted_bytes, "lost"),
            Cell(team.team, look="mono"),
        )
        for team in teams[:MOST_ROWS]
    ]
    heads = ("#Deleting all frees", "#Images", "#Stored", "#Wasted", "Prefix")
    return table("Whose images", heads, rows, more=len(teams) - MOST_ROWS) if rows else ""


def _duplicates(answers: FleetAnswers) -> str:
    found = answers.duplicates
    rows = [
        (
            _size(each.extra_bytes),
            _size(each.size),
            Cell(f"{len(each.keys):,}", float(len(each.keys))),
            Cell(f"{len(each.images):,}", float(len(each.images))),
            Cell(escape(b"/" + each.path), look="mono"),
        )
        for each in found[:MOST_ROWS]
    ]
    heads = ("#Extra", "#Size", "#Layers", "#Images", "Path")
    return table("Same content, stored once for each layer", heads, rows, more=len(found) - MOST_ROWS) if rows else ""


def _outliers(answers: FleetAnswers) -> str:
    rows = [
        (_size(each.bytes), Cell(answers.fleet.images[each.image].name, look="mono"), Cell(each.text))
        for each in answers.outliers[:MOST_ROWS]
    ]
    more = len(answers.outliers) - MOST_ROWS
    return table("Beyond what is usual", ("#By", "Image", "In what"), rows, more=more) if rows else ""


def _images(answers: FleetAnswers) -> str:
    fleet = answers.fleet
    order = sorted(range(len(fleet.images)), key=lambda number: -fleet.size_of(number))
    rows = []
    for number in order[:MOST_IMAGES]:
        image, summary, base = fleet.images[number], answers.summary(number), answers.bases.of_image(number)
        rows.append(
            (
                _size(fleet.size_of(number)),
                _size(fleet.freed_by((number,))),
                _size(summary.content_bytes if summary else None),
                _size(summary.wasted_bytes if summary else None, "lost"),
                Cell(image.facts.created[:10]),
                Cell(base.title if base else "", look="mono"),
                Cell(image.name, look="mono"),
            )
        )
    heads = ("#Stored", "#Deleting frees", "#Content", "#Wasted", "Built", "Base", "Image")
    return table("Largest first", heads, rows, more=len(order) - MOST_IMAGES) if rows else ""


def _sentences(sentences: Sequence[str]) -> str:
    items = "".join(f"<li>{sentence(each)}</li>" for each in sentences[:MOST_ROWS])
    more = f"<li>and {len(sentences) - MOST_ROWS:,} more</li>" if len(sentences) > MOST_ROWS else ""
    return f"<ul>{items}{more}</ul>" if items else ""
