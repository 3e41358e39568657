"""The text of the details: the layer under the cursor, and the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from layerscope.analysis import Analysis
from layerscope.app.explorer.layers import placed
from layerscope.app.widgets.lines import Detail
from layerscope.compare.comparison import Comparison
from layerscope.oci.digest import Digest
from layerscope.report.diff_text import comparison_lines
from layerscope.sources.image import Image, StoredLayer
from layerscope.text import escape
from layerscope.tree.tree import Change, View
from layerscope.units import bar, count_text, efficiency_grade, efficiency_word, percent_text, size_text
from layerscope.waste.find import LayerPair
from layerscope.wording.findings import EXPLANATIONS, problem_sentence
from layerscope.wording.sentences import (
    comment_and_author,
    fetched_text,
    fetched_total_text,
    instruction_lines,
    layer_text,
    pull_text,
)
from layerscope.wording.style import Style

GAUGE = 20
HEAVIEST = 12
PROBLEMS = 20


def layer_details(
    layer: StoredLayer, analysis: Analysis | None, pairs: Sequence[LayerPair], changes: View | None
) -> Iterator[Detail]:
    """Yield a layer's instruction, its sizes and waste, and how many entries it changed, as far as that is known.

    `pairs` are all layer pairs of the image's waste; `changes` is the view of this layer alone, None until it was read.
    """
    yield from _history(layer)
    if layer.reader.unreadable:
        what = "missing" if layer.reader.missing_bytes else "not readable"
        yield Detail(f"{what}: {layer.reader.unreadable}", color="removed")
    if analysis is not None:
        yield from _layer_figures(layer, analysis, pairs)
    if changes is not None:
        counts = np.bincount(changes.change[1:], minlength=len(Change)).tolist()  # without the root
        yield Detail(
            f"+{counts[Change.ADDED]:,} added  ~{counts[Change.MODIFIED]:,} modified  -{counts[Change.REMOVED]:,} removed",
            "entries",
        )


def _history(layer: StoredLayer) -> Iterator[Detail]:
    """Yield the instruction as it was written, and what else the history says."""
    lines = instruction_lines(layer.history)
    if layer.written is not None and len(lines) < 2:
        lines = [layer_text(layer)]
    first, *more = lines or ["(the history does not say what made it)"]
    yield Detail(first, color="bold")
    for line in more:
        yield Detail(line)
    if place := placed(layer):
        yield Detail(place, "Dockerfile")
    for label, text in zip(("comment", "author"), comment_and_author(layer.history), strict=True):
        if text:
            yield Detail(text, label)


def digest_details(layer: StoredLayer) -> Iterator[Detail]:
    """Yield a layer's digests, shortened (copying has them whole), its media type and date."""
    yield Detail("")
    yield Detail(f"Layer {layer.number}", color="bold")
    for label, value in (("digest", layer.digest), ("diff_id", layer.diff_id), ("chain_id", layer.chain_id)):
        if value is not None:
            yield Detail(_short(value), label)
    if layer.media_type:
        yield Detail(escape(layer.media_type), "media type")
    if layer.history and layer.history.created:
        yield Detail(escape(layer.history.created), "created")


def _short(digest: Digest) -> str:
    return f"{digest.algorithm}:{digest.short}…"


def _layer_figures(layer: StoredLayer, analysis: Analysis, pairs: Sequence[LayerPair]) -> Iterator[Detail]:
    size = analysis.layer_content_bytes[layer.number - 1]
    yield Detail(f"{size_text(size)} on disk, {pull_text(analysis.layer_sizes[layer.number - 1])}", "size")
    fetched = analysis.contents.fetched_by(layer.number)
    if fetched is not None:
        yield Detail(fetched_text(fetched, layer.reader.stored_bytes), "read")
    wasted = [(pair, pair.buried_by) for pair in pairs if pair.written_by == layer.number]
    buried = [(pair, pair.written_by) for pair in pairs if pair.buried_by == layer.number != pair.written_by]
    yield from _pair_table("wasted by", wasted)
    yield from _pair_table("buries of", buried)


def _pair_table(label: str, pairs: Sequence[tuple[LayerPair, int]]) -> Iterator[Detail]:
    """Yield a line for each pair: bytes, the other layer, files, and the cause, which the image's details explain."""
    if pairs:
        yield Detail(f"{'bytes':>7} layer {'files':>5} cause", label, "dim")
    for pair, number in pairs:
        yield Detail(f"{size_text(pair.size):>7} {number:>5} {pair.count:>5,} {pair.cause.word}", " ", "wasted")


def efficiency_details(analysis: Analysis) -> Iterator[Detail]:
    """Yield the image's sizes, efficiency and waste by cause."""
    yield Detail("")
    yield Detail("Image", color="bold")
    waste = analysis.waste
    yield Detail(f"{size_text(waste.content_bytes)} on disk, {pull_text(analysis.pull_size)}", "size")
    if fetched := fetched_total_text(analysis.contents):
        yield Detail(fetched, "read")
    yield Detail(
        f"{bar(waste.efficiency, GAUGE):{GAUGE}} {percent_text(waste.efficiency)} ({efficiency_word(waste.efficiency)})",
        "efficiency",
        efficiency_grade(waste.efficiency),
    )
    if waste.wasted_bytes:
        hundredths = min(max(round(100 * waste.wasted_bytes / waste.content_bytes), 1), 99 if waste.live_bytes else 100)
        wire = analysis.pull_bytes_wasted
        on_the_wire = "" if wire is None else f", ≈{size_text(wire)} on the wire"
        yield Detail(
            f"A container never sees {hundredths} of every 100 bytes in the layers: "
            f"{size_text(waste.wasted_bytes)} on disk{on_the_wire}."
        )
    else:
        yield Detail("A container sees every byte that the layers carry.")
    own, base = analysis.own_and_base_waste
    if base is not None:
        yield Detail(f"{size_text(own)}, the base's {size_text(base)}", "yours", "wasted")
        layers = f"the first {count_text(analysis.base_layers or 0, 'layer')}"
        known_by = f"by {analysis.base_known_by}" if analysis.base_known_by else "as you said"
        yield Detail(", ".join(filter(None, [escape(analysis.base_name), layers, known_by])), "base")
    for cause, size in sorted(waste.by_cause().items(), key=lambda item: -item[1]):
        if size:
            yield Detail(f"{size_text(size):>8}  {EXPLANATIONS[cause]}", cause.word, "wasted")


def image_details(image: Image, analysis: Analysis | None) -> Iterator[Detail]:
    """Yield the image's names, how it is run, and its problems."""
    yield Detail("")
    yield Detail("Image", color="bold")
    yield from _names(image)
    yield from _runtime(image)
    if analysis is not None:
        yield from _problems(image, analysis)


def _names(image: Image) -> Iterator[Detail]:
    if image.name:
        yield Detail(escape(image.name), "name")
    yield Detail(escape(image.reference), "reference")
    yield Detail(escape(str(image.platform)), "platform")
    yield Detail(_short(image.id), "image id") if image.id else Detail(image.noun, "what")
    if image.manifest_digest is not None:
        yield Detail(_short(image.manifest_digest), "manifest")
    if image.config.created:
        yield Detail(escape(image.config.created), "created")


def _runtime(image: Image) -> Iterator[Detail]:
    config = image.config.config
    for label, words in (("entrypoint", config.entrypoint), ("cmd", config.cmd)):
        if words:
            yield Detail(escape(" ".join(words)), label)
    for label, text in (("user", config.user), ("workdir", config.working_dir)):
        if text:
            yield Detail(escape(text), label)
    for label, names in (("exposes", config.exposed_ports), ("volumes", config.volumes)):
        if names:
            yield Detail(escape(" ".join(names)), label)
    for index, variable in enumerate(config.env):
        yield Detail(escape(variable), "env" if index == 0 else " ")
    for index, (name, value) in enumerate(config.labels.items()):
        yield Detail(f"{escape(name)}={escape(value)}", "labels" if index == 0 else " ")


def comparison_details(comparison: Comparison) -> Iterator[Detail]:
    """Yield what changed since the previous build of the image, in at most HEAVIEST lines."""
    yield Detail("Compared with the previous build", color="bold")
    for line in islice(comparison_lines(comparison, Style(width=200)), HEAVIEST):
        yield Detail(line.strip())
    yield Detail("")


def _problems(image: Image, analysis: Analysis) -> Iterator[Detail]:
    sentences = [problem_sentence(image, problem) for problem in analysis.problems[:PROBLEMS]]
    if sentences:
        yield Detail("")
        yield Detail("Problems", color="removed")
        for sentence in sentences:
            yield Detail(sentence)
    if len(analysis.problems) > PROBLEMS:
        yield Detail(f"and {len(analysis.problems) - PROBLEMS:,} more (--json lists all)")
