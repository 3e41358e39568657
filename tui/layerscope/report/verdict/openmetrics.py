"""OpenMetrics text (specification 1.0): gauges of an image, its layers and its rules, for tools that draw trends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from layerscope.analysis import Analysis
from layerscope.gate.verdict import Outcome, RuleResult
from layerscope.report.verdict.gate_run import GateRun, image_title
from layerscope.text import escape

Sample = tuple[dict[str, str], float]
"""Labels besides `image`, and a value."""


def openmetrics_report(run: GateRun) -> bytes:
    """Encode the report. Every sample is labeled with the image's name, so that reports of several images can be combined."""
    return openmetrics_of([metric_lines(run)])


def openmetrics_of(images: Iterable[list[str]]) -> bytes:
    """Encode the lines of several images, all samples of a metric together as the specification wants them."""
    families: dict[str, list[str]] = {}
    for lines in images:
        family: list[str] = []
        known = False
        for line in lines:
            if line.startswith("# TYPE "):
                known = line in families
                family = families.setdefault(line, [])
            if not (known and line.startswith("# ")):
                family.append(line)
    return ("".join(f"{line}\n" for family in families.values() for line in family) + "# EOF\n").encode()


def metric_lines(run: GateRun, reference: str = "") -> list[str]:
    """Return the lines of one image; where several are judged, `reference` tells those of one name apart."""
    lines = (line for family in (_image(run), _layers(run), _rules(run), _gate(run)) for line in family)
    return list(_labeled(lines, image_title(run.analysis.image), reference))


def unread_lines(name: str) -> list[str]:
    """Return the lines of an image that could not be read."""
    return list(_labeled(_outcome(has_passed=False, doubts=1), name, name))


def _labeled(lines: Iterable[str | tuple[str, Sample]], image: str, reference: str) -> Iterator[str]:
    named = {"image": image, **({"reference": reference} if reference else {})}
    for line in lines:
        if isinstance(line, str):
            yield line
            continue
        name, (labels, value) = line
        stated = ",".join(f'{label}="{label_text(text)}"' for label, text in {**named, **labels}.items())
        yield f"{name}{{{stated}}} {_number(value)}"


def _image(run: GateRun) -> Iterator[str | tuple[str, Sample]]:
    analysis, image = run.analysis, run.analysis.image
    waste, (own, base) = analysis.waste, analysis.own_and_base_waste
    yield "# TYPE layerscope_image info"
    yield "# HELP layerscope_image The image that was judged."
    yield ("layerscope_image_info", ({"id": image.id or "", "platform": escape(str(image.platform))}, 1))
    sizes = {
        "content": ("Bytes of all files in all layers, as they unpack.", waste.content_bytes),
        "live": ("Bytes of files that a container sees.", waste.live_bytes),
        "wire": ("Bytes of all layers as they are stored.", analysis.pull_size.stored_bytes),
        **_estimate(analysis),
        "wasted": ("Bytes of files that a container never sees.", waste.wasted_bytes),
        "own_wasted": ("Wasted bytes that are not the base's.", own),
        **({} if base is None else {"base_wasted": ("Wasted bytes that the base's own layers buried.", base)}),
    }
    for name, (meaning, size) in sizes.items():
        yield from _gauge(f"layerscope_image_{name}_bytes", "bytes", meaning, [({}, size)])
    yield from _gauge(
        "layerscope_image_efficiency_ratio", "ratio", "Share of content bytes that a container sees.", [({}, waste.efficiency)]
    )
    causes: list[Sample] = [({"cause": cause.word}, size) for cause, size in waste.by_cause().items()]
    yield from _gauge("layerscope_image_waste_by_cause_bytes", "bytes", "Wasted bytes by cause.", causes)


def _estimate(analysis: Analysis) -> dict[str, tuple[str, int]]:
    pull = analysis.pull_size
    if not pull.is_estimate or pull.pull_bytes is None:
        return {}
    return {
        "compressed_estimate": (
            "Estimated bytes that a registry stores for layers that are uncompressed here.",
            pull.pull_bytes,
        )
    }


def _layers(run: GateRun) -> Iterator[str | tuple[str, Sample]]:
    analysis = run.analysis
    layers = analysis.image.layers
    columns = {
        "content": ("Bytes of all files in the layer.", analysis.layer_content_bytes),
        "wire": ("Bytes of the layer as it is stored.", [size.stored_bytes for size in analysis.layer_sizes]),
        "wasted": ("Bytes that the layer wrote and a container never sees.", analysis.waste.by_layer(len(layers)).tolist()),
    }
    for name, (meaning, sizes) in columns.items():
        samples: list[Sample] = [({"layer": str(number)}, size) for number, size in enumerate(sizes, 1)]
        yield from _gauge(f"layerscope_layer_{name}_bytes", "bytes", meaning, samples)


def _rules(run: GateRun) -> Iterator[str | tuple[str, Sample]]:
    results = run.verdict.results
    measured = [(_rule(result), result.measured) for result in results]
    yield from _gauge("layerscope_rule_measured", "", "What a rule measured, in the unit that its label says.", measured)
    limits = [(_rule(result), result.limit) for result in results]
    yield from _gauge("layerscope_rule_limit", "", "A rule's limit, in the unit that its label says.", limits)
    yield "# TYPE layerscope_rule_outcome stateset"
    yield "# HELP layerscope_rule_outcome The outcome of a rule."
    for result in results:
        for outcome in Outcome:
            labels = {"rule": escape(result.name), "layerscope_rule_outcome": str(outcome)}
            yield ("layerscope_rule_outcome", (labels, float(result.outcome is outcome)))


def _rule(result: RuleResult) -> dict[str, str]:
    return {"rule": escape(result.name), "key": result.key, "severity": str(result.severity), "unit": str(result.unit)}


def _gate(run: GateRun) -> Iterator[str | tuple[str, Sample]]:
    yield from _outcome(has_passed=run.verdict.has_passed, doubts=len(run.verdict.doubts))
    fixes: list[Sample] = [({"kind": escape(kind)}, size) for kind, size in _fixes(run).items()]
    yield from _gauge("layerscope_fix_bytes", "bytes", "Bytes that fixes of a kind save.", fixes)


def _outcome(*, has_passed: bool, doubts: int) -> Iterator[str | tuple[str, Sample]]:
    yield from _gauge("layerscope_gate_passed", "", "1 if the gate passed.", [({}, float(has_passed))])
    yield from _gauge("layerscope_gate_doubts", "", "Number of reasons why the image could not be judged.", [({}, doubts)])


def _fixes(run: GateRun) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for fix in run.advice.fixes:
        sizes[fix.kind] = sizes.get(fix.kind, 0) + fix.size
    return sizes


def _gauge(name: str, unit: str, meaning: str, samples: Iterable[Sample]) -> Iterator[str | tuple[str, Sample]]:
    yield f"# TYPE {name} gauge"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {meaning}"
    for sample in samples:
        yield (name, sample)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)


def label_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
