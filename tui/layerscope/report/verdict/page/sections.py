"""The page's sections from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.analysis import Analysis
from layerscope.gate.verdict import Finding, Outcome, RuleResult
from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.measures import (
    OUTCOMES,
    figures,
    image_title,
    path_text,
    verdict_word,
)
from layerscope.report.verdict.page.markup import Cell, bar, sentence, shown, table
from layerscope.text import escape
from layerscope.units import count_text, percent_text, size_text
from layerscope.waste.find import Cause
from layerscope.wording.instructions import step_text
from layerscope.wording.marks import EXPLANATIONS
from layerscope.wording.style import cut_end

WORST, FINDINGS, FIXES, LAYERS, BROKEN = 200, 50, 100, 1000, 20
LONGEST_INSTRUCTION = 300


def sections(run: GateRun) -> str:
    """Return the body's content."""
    parts = (_header(run), _tiles(run.analysis), "<main>", *_main(run), "</main>", _footer())
    return "\n".join(filter(None, parts))


def _main(run: GateRun) -> Iterator[str]:
    yield _sentences("Why it could not be judged", run.verdict.doubts, "bad")
    yield _rules(run)
    yield _fixes(run)
    yield _drawing()
    yield from _findings(run)
    yield _layers(run.analysis)
    yield _causes(run.analysis)
    yield _worst(run.analysis)
    yield _sentences("Notes", (*run.verdict.notes, *run.advice.notes), "")


def _section(title: str, content: str, *, look: str = "") -> str:
    return f'<section class="{look}"><h2>{shown(title)}</h2>\n{content}\n</section>' if content else ""


def _header(run: GateRun) -> str:
    verdict, image = run.verdict, run.analysis.image
    look = "warn" if verdict.doubts else "good" if verdict.has_passed else "bad"
    mark = {"good": "✓", "bad": "✗", "warn": "?"}[look]
    facts = " · ".join(filter(None, (str(image.platform), image.short_id, image.config.created[:10])))
    sign = f'<span class="mark" aria-hidden="true">{mark}</span>'
    return (
        f'<header class="{look}"><p class="verdict">{sign}{verdict_word(verdict)}</p>'
        f"<div><h1>{shown(image_title(image))}</h1><p>{shown(facts)}</p></div></header>"
    )


def _tiles(analysis: Analysis) -> str:
    waste, (own, base) = analysis.waste, analysis.own_and_base_waste
    pull = analysis.pull_size
    wire = "unknown" if pull.pull_bytes is None else size_text(pull.pull_bytes)
    estimated = f"estimated, {size_text(pull.stored_bytes)} stored uncompressed"
    whose = "" if base is None else f"{size_text(own)} yours, {size_text(base)} the base's"
    tiles = (
        ("on disk", size_text(waste.content_bytes), count_text(len(analysis.image.layers), "layer")),
        ("on the wire", f"≈{wire}", estimated) if pull.is_estimate else ("on the wire", wire, "as its layers are stored"),
        ("wasted", size_text(waste.wasted_bytes), whose or "no container sees these"),
        ("efficient", percent_text(waste.efficiency), "of the layers' bytes are seen by a container"),
    )
    items = "".join(f"<li><b>{value}</b><span>{name}</span><small>{note}</small></li>" for name, value, note in tiles)
    return f'<ul class="tiles">{items}</ul>'


def _sentences(title: str, sentences: tuple[str, ...], look: str) -> str:
    items = "".join(f"<li>{sentence(text)}</li>" for text in sentences[:FINDINGS])
    return _section(title, f"<ul>{items}</ul>" if items else "", look=look)


def _rules(run: GateRun) -> str:
    rows = [_rule(result) for result in run.verdict.results]
    heads = ("Result", "Rule", "#Measured", "#Limit", "#Margin", "Explanation")
    return _section("Rules", table("All rules", heads, rows) if rows else "")


def _rule(result: RuleResult) -> tuple[Cell, ...]:
    says = " ".join((result.sentence, *result.waivers))
    mark = OUTCOMES[result.outcome]
    outcome = Cell(mark.word, look=f"tag {mark.look}")
    if result.outcome is Outcome.UNJUDGED:
        told = (Cell("—", 0.0),) * 3
    else:
        measured, limit, margin = figures(result)
        told = (
            Cell(measured, float(result.measured)),
            Cell(limit, float(result.limit)),
            Cell(margin, float(result.margin), look=mark.look),
        )
    return (outcome, Cell(result.name, look="mono"), *told, Cell(says, look="says"))


def _fixes(run: GateRun) -> str:
    fixes, where = run.advice.fixes, run.advice.dockerfile
    rows = [
        (
            Cell(size_text(fix.size), float(fix.size), look="lost"),
            Cell(str(fix.line or "—"), float(fix.line or 0)),
            Cell(fix.sentence, look="says"),
        )
        for fix in fixes[:FIXES]
    ]
    caption = f"Lines refer to {escape(where)}" if where else "Line numbers need a Dockerfile (--dockerfile)"
    heads = ("#Saves", "#Line", "Change")
    return _section("What to change", table(caption, heads, rows, more=len(fixes) - FIXES) if rows else "")


def _findings(run: GateRun) -> Iterator[str]:
    """Yield the findings of each broken rule. Rules about waste share their worst offenders, so only the first list is
    unfolded.
    """
    broken = [each for each in run.verdict.results if each.findings and each.outcome in (Outcome.FAILED, Outcome.WARNED)]
    for place, result in enumerate(broken[:BROKEN]):
        heads = ("#Size", "Cause", "Written → buried", "Path", "")
        rows = [_finding(finding) for finding in result.findings[:FINDINGS]]
        content = table(result.sentence, heads, rows, more=len(result.findings) - FINDINGS)
        is_open = "" if place else " open"
        yield f"<details{is_open}><summary>{shown(result.name)}: worst offenders</summary>\n{content}\n</details>"


def _finding(finding: Finding) -> tuple[Cell, ...]:
    layers = " → ".join(str(layer) for layer in (finding.layer, finding.buried_by) if layer is not None)
    return (
        Cell(size_text(finding.size), float(finding.size)),
        Cell(finding.cause.word if finding.cause is not None else ""),
        Cell(layers),
        Cell(path_text(finding.path) if finding.path is not None else "", look="mono"),
        Cell(" ".join(filter(None, (finding.note, "the base's" if finding.is_base else ""))), look="says"),
    )


def _drawing() -> str:
    """Return the place that the script fills; hidden where no script runs."""
    return """<section id="drawing" hidden><h2>Where the bytes are</h2>
<div class="tools"><div role="group" aria-label="Divided by"><button type="button" data-by="directory">By directory</button>\
<button type="button" data-by="layer">By layer</button></div><nav aria-label="Shown directory" id="trail"></nav></div>
<div id="map" tabindex="-1"></div>
<p id="told" role="status"></p>
<p class="legend"><span><i class="lost"></i>wasted: no container sees these bytes</span>\
<span>Areas are bytes in all layers. Click to zoom in, Esc to go back.</span></p></section>"""


def _layers(analysis: Analysis) -> str:
    layers, sizes = analysis.image.layers, analysis.layer_content_bytes
    wasted = analysis.waste.by_layer(len(layers)).tolist()
    largest = max([1, *sizes])
    base = analysis.base_layers or 0
    rows = [
        (
            Cell(str(layer.number), float(layer.number)),
            Cell(size_text(size), float(size)),
            Cell("", markup=bar((size - lost) / largest, lost / largest)),
            Cell(size_text(lost) if lost else "", float(lost), look="lost"),
            Cell("base" if layer.number <= base else "", look="dim"),
            Cell(cut_end(step_text(layer.history), LONGEST_INSTRUCTION) or "(no history)", look="mono"),
        )
        for layer, size, lost in list(zip(layers, sizes, wasted, strict=True))[:LAYERS]
    ]
    heads = ("#Layer", "#Size", "", "#Wasted", "", "Instruction")
    return _section("Layers", table("Base first", heads, rows, more=len(layers) - LAYERS) if rows else "")


def _causes(analysis: Analysis) -> str:
    sizes = sorted(analysis.waste.by_cause().items(), key=lambda item: -item[1])
    most = max(1, *(size for _, size in sizes))
    rows = [
        (
            Cell(cause.word),
            Cell(size_text(size), float(size), look="lost"),
            Cell("", markup=bar(0, size / most)),
            Cell(EXPLANATIONS[cause]),
        )
        for cause, size in sizes
        if size
    ]
    heads = ("Cause", "#Wasted", "", "What it means")
    return _section("Waste by cause", table("Why bytes are wasted", heads, rows) if rows else "")


def _worst(analysis: Analysis) -> str:
    waste, paths = analysis.waste, analysis.tree.nodes.paths
    part = slice(WORST)
    columns = (waste.size[part], waste.cause[part], waste.written_by[part], waste.buried_by[part], waste.node[part])
    rows = [
        (
            Cell(size_text(size), float(size), look="lost"),
            Cell(Cause(cause).word),
            Cell(str(written_by), float(written_by)),
            Cell(str(buried_by), float(buried_by)),
            Cell(path_text(paths[node]), look="mono"),
        )
        for size, cause, written_by, buried_by, node in zip(*(column.tolist() for column in columns), strict=True)
    ]
    heads = ("#Size", "Cause", "#Written by", "#Buried by", "Path")
    return _section("Worst paths", table("Largest waste", heads, rows, more=len(waste) - WORST) if rows else "")


def _footer() -> str:
    return (
        "<footer>Sizes are bytes of files as they unpack, in decimal units. <b>Wasted</b> is what a pull carries and a "
        "container never sees. Written by layerscope.</footer>"
    )
