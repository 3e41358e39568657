"""What the details say of the layer under the cursor, and of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from layerscope.analysis import Analysis
from layerscope.app.widgets.details import Part
from layerscope.compare.comparison import Comparison
from layerscope.report.causes import EXPLANATIONS
from layerscope.report.comparison import comparison_lines
from layerscope.report.instructions import step_text
from layerscope.report.problems import problem_sentence
from layerscope.report.style import Style
from layerscope.sources.image import Image, StoredLayer
from layerscope.text import escape
from layerscope.tree.tree import Change, View
from layerscope.units import bar, count_text, percent_text, size_text
from layerscope.waste.group import LayerPair

GAUGE = 20
HEAVIEST = 12
PROBLEMS = 20


def layer_parts(
    layer: StoredLayer, analysis: Analysis | None, pairs: Sequence[LayerPair], changes: View | None
) -> Iterator[Part]:
    """One layer: its instruction, what it wastes and buries (of all `pairs`), how many entries it changed, if it was read."""
    yield Part(step_text(layer.history) or "(the history does not say what made it)", colour="bold")
    if layer.absent:
        yield Part(f"not there: {layer.absent}", colour="removed")
    if analysis is not None:
        yield from _layer_figures(layer, analysis, pairs)
    if changes is not None:
        counts = np.bincount(changes.change[1:], minlength=len(Change)).tolist()  # without the root
        yield Part(
            f"+{counts[Change.ADDED]:,} added  ~{counts[Change.MODIFIED]:,} modified  -{counts[Change.REMOVED]:,} removed",
            "entries",
        )


def digest_parts(layer: StoredLayer) -> Iterator[Part]:
    """What the layer is called by programs."""
    yield Part("")
    yield Part(f"Layer {layer.number}", colour="bold")
    yield from _digests(layer)


def _layer_figures(layer: StoredLayer, analysis: Analysis, pairs: Sequence[LayerPair]) -> Iterator[Part]:
    size = analysis.layer_content_bytes[layer.number - 1]
    yield Part(f"{size_text(size)} on disk, {size_text(layer.wire_bytes)} on the wire", "size")
    for pair in pairs:
        if pair.written_by == layer.number:
            yield Part(_pair_text(pair, f"by layer {pair.buried_by}"), "wasted", "wasted")
    for pair in pairs:
        if pair.buried_by == layer.number != pair.written_by:
            yield Part(_pair_text(pair, f"of layer {pair.written_by}"), "buries", "wasted")


def _pair_text(pair: LayerPair, other: str) -> str:
    return f"{size_text(pair.size)} {other}, {count_text(pair.count, 'file')}: {pair.cause.word}, {EXPLANATIONS[pair.cause]}"


def _digests(layer: StoredLayer) -> Iterator[Part]:
    for label, value in (("digest", layer.digest), ("diff_id", layer.diff_id), ("chain_id", layer.chain_id)):
        if value is not None:
            yield Part(str(value), label)
    if layer.media_type:
        yield Part(escape(layer.media_type), "media type")
    if layer.history and layer.history.created:
        yield Part(escape(layer.history.created), "created")


def efficiency_parts(analysis: Analysis) -> Iterator[Part]:
    """The image as a whole: sizes, efficiency, waste by cause."""
    yield Part("")
    yield Part("Image", colour="bold")
    yield from _efficiency(analysis)


def image_parts(image: Image, analysis: Analysis | None) -> Iterator[Part]:
    """What the image is called and how it is run, and what is wrong with it."""
    yield Part("")
    yield Part("Image", colour="bold")
    yield from _names(image)
    yield from _runtime(image)
    if analysis is not None:
        yield from _problems(image, analysis)


def _efficiency(analysis: Analysis) -> Iterator[Part]:
    waste, wire = analysis.waste, sum(layer.wire_bytes for layer in analysis.image.layers)
    yield Part(f"{size_text(waste.content_bytes)} on disk, {size_text(wire)} on the wire", "size")
    yield Part(f"{bar(waste.efficiency, GAUGE):{GAUGE}} {percent_text(waste.efficiency)}", "efficiency", "bar")
    if waste.wasted_bytes:
        hundredths = min(max(round(100 * waste.wasted_bytes / waste.content_bytes), 1), 99 if waste.live_bytes else 100)
        wire_wasted = size_text(sum(analysis.wire_bytes_wasted))
        yield Part(
            f"A container never sees {hundredths} of every 100 bytes in the layers: "
            f"{size_text(waste.wasted_bytes)} on disk, ≈{wire_wasted} on the wire."
        )
    else:
        yield Part("A container sees every byte that the layers carry.")
    own, base = analysis.own_and_base_waste
    if base is not None:
        yield Part(f"{size_text(own)}, the base's {size_text(base)}", "yours", "wasted")
    for cause, size in sorted(waste.by_cause().items(), key=lambda item: -item[1]):
        if size:
            yield Part(f"{size_text(size):>8}  {EXPLANATIONS[cause]}", cause.word, "wasted")


def _names(image: Image) -> Iterator[Part]:
    if image.name:
        yield Part(escape(image.name), "name")
    yield Part(escape(image.reference), "reference")
    yield Part(escape(str(image.platform)), "platform")
    yield Part(str(image.id or image.noun), "image id" if image.id else "not an image")
    if image.manifest_digest is not None:
        yield Part(str(image.manifest_digest), "manifest")
    if image.config.created:
        yield Part(escape(image.config.created), "created")


def _runtime(image: Image) -> Iterator[Part]:
    config = image.config.config
    for label, words in (("entrypoint", config.entrypoint), ("cmd", config.cmd)):
        if words:
            yield Part(escape(" ".join(words)), label)
    for label, text in (("user", config.user), ("workdir", config.working_dir)):
        if text:
            yield Part(escape(text), label)
    for label, names in (("exposes", config.exposed_ports), ("volumes", config.volumes)):
        if names:
            yield Part(escape(" ".join(names)), label)
    for index, variable in enumerate(config.env):
        yield Part(escape(variable), "env" if index == 0 else " ")
    for index, (name, value) in enumerate(config.labels.items()):
        yield Part(f"{escape(name)}={escape(value)}", "labels" if index == 0 else " ")


def comparison_parts(comparison: Comparison) -> Iterator[Part]:
    """What the build that is shown changed against the one before."""
    yield Part("Against the build before", colour="bold")
    for line in islice(comparison_lines(comparison, Style(width=200)), HEAVIEST):
        yield Part(line.strip())
    yield Part("")


def _problems(image: Image, analysis: Analysis) -> Iterator[Part]:
    sentences = [problem_sentence(image, problem) for problem in analysis.problems[:PROBLEMS]]
    if sentences:
        yield Part("")
        yield Part("Problems", colour="removed")
        for sentence in sentences:
            yield Part(sentence)
    if len(analysis.problems) > PROBLEMS:
        yield Part(f"and {len(analysis.problems) - PROBLEMS:,} more (--json lists all)")
