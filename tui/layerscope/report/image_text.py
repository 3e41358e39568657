"""The text report: the image, its layers, what it wastes and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerscope.advice.advice import Advice
from layerscope.analysis import Analysis
from layerscope.layers.compression import Compression
from layerscope.report.fix_lines import fix_lines
from layerscope.sources.image import StoredLayer
from layerscope.units import bar, count_text, percent_text, size_text
from layerscope.waste.find import Cause, Waste, by_layer_pair
from layerscope.wording.findings import EXPLANATIONS, problem_sentence
from layerscope.wording.sentences import fetched_total_text, pull_facts, step_text
from layerscope.wording.style import Style, cells, cut_end, cut_middle, wrapped

WORST = 10
PAIRS = 6
BAR = 10
FIXES = 3


def report_text(analysis: Analysis, style: Style, advice: Advice) -> str:
    """Format the whole report, each line within `style.width` cells. It ends with the biggest fixes."""
    parts = (_heading, _layers, _causes, _pairs, _worst, _verdict, _problems)
    blocks = ["\n".join(part(analysis, style)) for part in parts]
    # Why a Dockerfile that nobody named fits no image is not told here.
    blocks.append("\n".join(fix_lines(replace(advice, notes=()), analysis, style, limit=FIXES)))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(analysis: Analysis, style: Style) -> Iterator[str]:
    image = analysis.image
    mark = style.plain("…")
    platform = cut_end(style.name(str(image.platform)), style.width // 3, mark=mark)
    rest = style.plain(" · ") + platform + style.plain(f" · {image.short_id}")
    name = cut_middle(style.name(image.name or image.reference), style.width - cells(rest), mark=mark)
    yield style.paint(name, "bold") + rest
    facts = [
        f"{size_text(analysis.waste.content_bytes)} on disk",
        *map(style.plain, pull_facts(analysis.pull_size)),
        f"{size_text(analysis.waste.wasted_bytes)} wasted",
        f"{percent_text(analysis.waste.efficiency)} efficient",
    ]
    yield from fact_lines(facts, style)


def fact_lines(facts: list[str], style: Style) -> Iterator[str]:
    """Join facts with dots, as many per line as there is room for."""
    line = ""
    for fact in facts:
        longer = f"{line}{style.plain(' · ')}{fact}" if line else fact
        if line and cells(longer) > style.width:
            yield line
            longer = fact
        line = longer
    yield line


def _layers(analysis: Analysis, style: Style) -> Iterator[str]:
    sizes = analysis.layer_content_bytes
    if not sizes:
        yield "The image has no layers."
        return
    wasted = analysis.waste.by_layer(len(sizes)).tolist()
    largest = max(*sizes, 1)
    yield style.paint(f"{'#':>3}  {'size':>8}  {'':{BAR}}  {'wasted':>8}  instruction", "dim")
    for layer, size, waste in zip(analysis.image.layers, sizes, wasted, strict=True):
        is_base = analysis.base_layers is not None and layer.number <= analysis.base_layers
        figures = f"{layer.number:>3}  {size_text(size):>8}  {bar(size / largest, BAR, is_ascii=style.is_ascii):{BAR}}  "
        room = style.width - cells(figures) - 10
        instruction = _instruction(layer, room, style)
        lost = f"{size_text(waste) if waste else '':>8}"
        yield figures + style.paint(lost, "magenta") + "  " + (style.paint(instruction, "dim") if is_base else instruction)
        if layer.number == analysis.base_layers and layer.number < len(sizes):
            yield style.paint(style.plain("     ─── the base's layers above, yours below ───"), "dim")


def _instruction(layer: StoredLayer, room: int, style: Style) -> str:
    return cut_end(style.name(step_text(layer.history)) or "(no history)", room, mark=style.plain("…"))


def _causes(analysis: Analysis, style: Style) -> Iterator[str]:
    causes = sorted(analysis.waste.by_cause().items(), key=lambda item: -item[1])
    largest = causes[0][1]
    if not largest:
        return
    yield style.paint("Waste by cause", "bold")
    for cause, size in causes:
        if size:
            start = f"  {cause.word:<11}  {size_text(size):>8}  {bar(size / largest, BAR, is_ascii=style.is_ascii):{BAR}}  "
            yield start + cut_end(EXPLANATIONS[cause], style.width - cells(start), mark=style.plain("…"))


def _pairs(analysis: Analysis, style: Style) -> Iterator[str]:
    pairs = by_layer_pair(analysis.waste)
    if not pairs:
        return
    yield style.paint("Where it comes from", "bold") + style.paint(style.plain("  (written by → buried by)"), "dim")
    for pair in pairs[:PAIRS]:
        start = style.plain(f"  {size_text(pair.size):>8}  {pair.cause.word:<11}  {pair.written_by:>3} → {pair.buried_by:<3}  ")
        start += f"{count_text(pair.count, 'file'):>13}  "
        buried_by = analysis.image.layers[pair.buried_by - 1]
        yield start + _instruction(buried_by, style.width - cells(start), style)
    if len(pairs) > PAIRS:
        rest = sum(pair.size for pair in pairs[PAIRS:])
        yield style.paint(f"  {size_text(rest):>8}  in {count_text(len(pairs) - PAIRS, 'more pair')}", "dim")


def _worst(analysis: Analysis, style: Style) -> Iterator[str]:
    waste, paths = analysis.waste, analysis.tree.nodes.paths
    if not len(waste):
        return
    yield style.paint("Worst paths", "bold")
    for index in range(min(WORST, len(waste))):
        start = style.plain(
            f"  {size_text(int(waste.size[index])):>8}  {Cause(waste.cause[index]).word:<11}"
            f"  {waste.written_by[index]:>3} → {waste.buried_by[index]:<3}  "
        )
        path = "/" + style.name(paths[int(waste.node[index])])
        yield start + cut_middle(path, style.width - cells(start), mark=style.plain("…"))
    if len(waste) > WORST:
        rest = int(np.sum(waste.size[WORST:]))
        yield style.paint(f"  {size_text(rest):>8}  in {count_text(len(waste) - WORST, 'more version')}", "dim")


def _verdict(analysis: Analysis, style: Style) -> Iterator[str]:
    for sentence in _sentences(analysis, style):
        yield from wrapped(sentence, style.width)


def _sentences(analysis: Analysis, style: Style) -> Iterator[str]:
    waste = analysis.waste
    efficiency = percent_text(waste.efficiency)
    if waste.wasted_bytes:
        yield f"{efficiency} efficient: a container never sees {_hundredths(waste)} of every 100 bytes in the layers."
        wire = analysis.pull_bytes_wasted
        on_the_wire = "" if wire is None else f", ≈{size_text(wire)} on the wire"
        yield style.plain(f"{size_text(waste.wasted_bytes)} wasted on disk{on_the_wire}.")
    else:
        yield f"{efficiency} efficient: a container sees every byte that the layers carry."
    if waste.estargz_bytes:
        yield f"{size_text(waste.estargz_bytes)} are eStargz's own tables and landmarks, which do not count as waste."
    is_plain = {analysis.contents.compression(layer.number) for layer in analysis.image.layers} == {Compression.NONE}
    if is_plain and analysis.pull_size.is_estimate:
        yield "The layers are stored uncompressed here; a registry would store less."
    if fetched := fetched_total_text(analysis.contents):
        yield f"From the registry: {fetched}."
    yield _base(analysis, style)


def _hundredths(waste: Waste) -> int:
    """Return the percentage of wasted bytes, rounded, but at least 1, and 100 only if every byte is wasted."""
    share = round(100 * waste.wasted_bytes / waste.content_bytes)
    return min(max(share, 1), 99 if waste.live_bytes else 100)


def _base(analysis: Analysis, style: Style) -> str:
    own, base = analysis.own_and_base_waste
    name = cut_middle(style.name(analysis.base_name), style.width, mark=style.plain("…"))
    if base is not None:
        first = f"the first {count_text(analysis.base_layers or 0, 'layer')}"
        how = f", by {analysis.base_known_by}" if analysis.base_known_by else ""
        return f"Yours: {size_text(own)}. The base's ({name or first}{how}): {size_text(base)}."
    if name:
        return f"The image says that its base is {name}, whose layers are not known here (--base N or --base IMAGE)."
    return "Which layers belong to the base is unknown (--base N or --base IMAGE sets it)."


def _problems(analysis: Analysis, style: Style) -> Iterator[str]:
    problems = analysis.problems
    count = len(problems)
    if not count:
        return
    yield style.paint("Problems", "bold", "red")
    for problem in problems[:WORST]:
        yield from wrapped(style.name(problem_sentence(analysis.image, problem)), style.width, indent="  ")
    if count > WORST:
        yield f"  and {count - WORST:,} more (--json lists all)"
