"""What each single-value key measures, and what contributes most to it. Each is a function of the subject and of the waived
nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from layerscope.gate.offenders import entry_findings, layer_findings, own_files, waste_findings
from layerscope.gate.subject import NodeMask, Subject
from layerscope.gate.verdict import Finding
from layerscope.units import size_text
from layerscope.waste.find import Waste


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure and its findings. `remark` is said behind the result; `doubt`, where not empty, says why there is no figure.

    `is_each`: only findings beyond the limit break the rule, and others need not be told. `is_estimate`: the figure is told
    with a ≈. `is_most`: the true figure is not known, but no more than this; beyond the limit that is a doubt.
    """

    value: float
    findings: tuple[Finding, ...] = ()
    remark: str = ""
    doubt: str = ""
    is_each: bool = False
    is_estimate: bool = False
    is_most: bool = False


Measure = Callable[[Subject, NodeMask | None], Measured]


def _own_waste(subject: Subject, excluded: NodeMask | None) -> Waste:
    waste = subject.own_waste
    return waste if excluded is None else waste.part(~excluded[waste.node])


def _base_remark(subject: Subject) -> str:
    base = subject.base_wasted_bytes
    return f"the base's own {size_text(base)} of waste are not counted" if base else ""


def efficiency(subject: Subject, excluded: NodeMask | None) -> Measured:
    """Measure the share of the content bytes that the author's layers did not bury."""
    waste = _own_waste(subject, excluded)
    content = waste.content_bytes
    share = (content - waste.wasted_bytes) / content if content else 1.0
    return Measured(share, waste_findings(subject, waste), _base_remark(subject))


def wasted(subject: Subject, excluded: NodeMask | None) -> Measured:
    """Measure the bytes that the author's layers buried."""
    waste = _own_waste(subject, excluded)
    return Measured(waste.wasted_bytes, waste_findings(subject, waste), _base_remark(subject))


def wasted_share(subject: Subject, excluded: NodeMask | None) -> Measured:
    """Measure the bytes that the author's layers buried, as a share of their own bytes; 1 if they hold none and bury the
    base's.
    """
    waste, own = _own_waste(subject, excluded), subject.own_content_bytes
    share = waste.wasted_bytes / own if own else float(waste.wasted_bytes > 0)
    return Measured(share, waste_findings(subject, waste), _base_remark(subject))


def size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    return Measured(subject.analysis.waste.content_bytes, layer_findings(subject))


def own_size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    unknown = "" if subject.analysis.base_layers is not None else "the base is not known, so this is the whole image"
    return Measured(subject.own_content_bytes, layer_findings(subject), unknown)


def wire_size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    """Measure the bytes that a pull of all layers moves, estimated for uncompressed layers. A doubt where they are unknown."""
    analysis = subject.analysis
    unknown = [
        number
        for number, (size, table) in enumerate(zip(analysis.layer_sizes, analysis.contents.stack.tables, strict=True), 1)
        if table.unpacked_bytes and not size.stored_bytes
    ]
    if unknown:
        numbers = ", ".join(map(str, unknown))
        return Measured(0, doubt=f"the size on the wire is not known here (layer {numbers})")
    pull = analysis.pull_size
    is_unknown = pull.pull_bytes is None
    sizes = [size.stored_bytes if is_unknown else size.pull_bytes for size in analysis.layer_sizes]
    found = [Finding(layer=number, size=size or 0) for number, size in enumerate(sizes, 1)]
    findings = tuple(sorted(found, key=lambda each: -each.size))
    plain = f"{size_text(pull.stored_bytes)} stored, with layers that are uncompressed here"
    if pull.pull_bytes is None:
        remark = f"{plain}; a registry would store less, but how much is unknown"
        return Measured(pull.stored_bytes, findings, remark, is_most=True)
    return Measured(pull.pull_bytes, findings, f"estimated: {plain}" if pull.is_estimate else "", is_estimate=pull.is_estimate)


def layers(subject: Subject, _excluded: NodeMask | None) -> Measured:
    return Measured(len(subject.analysis.image.layers))


def layer_size(subject: Subject, _excluded: NodeMask | None) -> Measured:
    found = layer_findings(subject)
    return Measured(found[0].size if found else 0, found, is_each=True)


def file_size(subject: Subject, excluded: NodeMask | None) -> Measured:
    found = entry_findings(subject, own_files(subject, excluded))
    return Measured(found[0].size if found else 0, found, is_each=True)


MEASURES: dict[str, Measure] = {
    "min-efficiency": efficiency,
    "max-wasted": wasted,
    "max-wasted-percent": wasted_share,
    "max-size": size,
    "max-wire-size": wire_size,
    "max-own-size": own_size,
    "max-layers": layers,
    "max-layer-size": layer_size,
    "max-file-size": file_size,
}
