"""The HTML report: one page that loads nothing, with verdict, figures, a treemap by directory and by layer, and tables.

Text becomes HTML in `shown` and `sentence` alone, where everything is escaped.

Its policy (CSP) allows one style and one script, by their hashes, and no connection, so that even a name that found its way
around the escaping could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from layerscope.advice.advice import Fix
from layerscope.analysis import Analysis
from layerscope.gate.verdict import Finding, Outcome, RuleResult
from layerscope.report.encode import json_line
from layerscope.report.fix_lines import edit_lines, more_fixes_text, split_trifles
from layerscope.report.verdict.gate_run import (
    OUTCOMES,
    GateRun,
    figures,
    image_title,
    path_text,
    verdict_word,
)
from layerscope.report.verdict.treemap import treemap, treemap_fields
from layerscope.sizes.colors import STYLE
from layerscope.text import escape
from layerscope.units import count_text, percent_text, size_text
from layerscope.waste.find import Cause
from layerscope.wording.findings import EXPLANATIONS
from layerscope.wording.sentences import step_text
from layerscope.wording.style import cut_end

_PARTS = Path(__file__).parent / "page"
LONGEST_DRAWN = 200

WORST, FINDINGS, FIXES, LAYERS, BROKEN = 200, 50, 100, 1000, 20
LONGEST_INSTRUCTION = 300
_QUOTED = re.compile(r"`([^`]+)`")
_DRAWING = """<section id="drawing" hidden><h2>Where the bytes are</h2>
<div class="tools"><div role="group" aria-label="Divided by"><button type="button" data-by="directory">By directory</button>\
<button type="button" data-by="layer">By layer</button></div><nav aria-label="Shown directory" id="trail"></nav></div>
<div id="map" tabindex="-1"></div>
<p id="told" role="status"></p>
<p class="legend"><span><i class="lost"></i>wasted: no container sees these bytes</span>\
<span>Areas are bytes in all layers. Click to zoom in, Esc to go back.</span></p></section>"""
"""The place that the script fills; hidden where no script runs."""
_FOOTER = (
    "<footer>Sizes are bytes of files as they unpack, in decimal units. <b>Wasted</b> is what a pull carries and a "
    "container never sees. Written by layerscope.</footer>"
)


def html_report(run: GateRun) -> bytes:
    """Encode the page. Where its script is missing or may not run, the tables still stand."""
    script = (_PARTS / "script.js").read_text("utf-8")
    data = f'<script type="application/json" id="image">{_drawn(run)}</script>'
    return whole_page(image_title(run.analysis.image), f"{sections(run)}\n{data}", more_style=STYLE, script=script)


def whole_page(title: str, body: str, *, more_style: str = "", script: str = "") -> bytes:
    """Encode a page of a `title`, escaped here, and a `body` of HTML, which loads nothing and runs no script but `script`."""
    style = (_PARTS / "style.css").read_text("utf-8") + more_style
    policy = f"default-src 'none'; style-src '{_hash(style)}'; " + (f"script-src '{_hash(script)}'; " if script else "")
    run = f"<script>{script}</script>\n" if script else ""
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{shown(title)} · layerscope</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
{run}</body>
</html>
"""
    return page.encode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _drawn(run: GateRun) -> str:
    analysis = run.analysis
    base = analysis.base_layers or 0
    fields = {
        **treemap_fields(analysis, treemap(analysis)),
        "layers": [
            {
                "instruction": cut_end(step_text(layer.history), LONGEST_DRAWN),
                "is_base": layer.number <= base,
            }
            for layer in analysis.image.layers
        ],
    }
    # A script's content ends at the first `</script`, whatever is around it, and `<!--` changes how it is read.
    return json_line(fields).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").strip()


def sections(run: GateRun) -> str:
    """Return the HTML of the page's body, from top to bottom."""
    parts = (
        _header(run),
        _tiles(run.analysis),
        "<main>",
        _sentences("Why it could not be judged", run.verdict.doubts, "bad"),
        _rules(run),
        _fixes(run),
        _DRAWING,
        *_findings(run),
        _layers(run.analysis),
        _causes(run.analysis),
        _worst(run.analysis),
        _sentences("Notes", (*run.verdict.notes, *run.advice.notes), ""),
        "</main>",
        _FOOTER,
    )
    return "\n".join(filter(None, parts))


def section(title: str, content: str, *, look: str = "") -> str:
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
    return section(title, f"<ul>{items}</ul>" if items else "", look=look)


def _rules(run: GateRun) -> str:
    rows = [_rule(result) for result in run.verdict.results]
    heads = ("Result", "Rule", "#Measured", "#Limit", "#Margin", "Explanation")
    return section("Rules", table("All rules", heads, rows) if rows else "")


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
    told, trifles = split_trifles(run.advice.fixes, run.analysis.waste.content_bytes)
    where = run.advice.dockerfile
    rows = [
        (
            Cell(size_text(fix.size), float(fix.size), look="lost"),
            Cell(str(fix.line or "—"), float(fix.line or 0)),
            Cell(fix.sentence, look="says"),
        )
        for fix in told[:FIXES]
    ]
    if trifles:
        saved = sum(fix.size for fix in trifles)
        more = Cell(f"in {more_fixes_text(len(trifles))}", look="says")
        rows.append((Cell(size_text(saved), float(saved), look="lost"), Cell("—", 0.0), more))
    caption = f"Lines refer to {escape(where)}" if where else "Line numbers need a Dockerfile (--dockerfile)"
    heads = ("#Saves", "#Line", "Change")
    edits = "".join(_edit(fix) for fix in told[:FIXES] if fix.patch)
    return section("What to change", table(caption, heads, rows, more=len(told) - FIXES) + edits if rows else "")


def _edit(fix: Fix) -> str:
    """Return a fix's edit, folded, each line marked by its sign."""
    looks = {"+": ' class="good"', "-": ' class="bad"', "@": ' class="dim"'}
    lines = "\n".join(f"<span{looks.get(line[:1], '')}>{shown(line)}</span>" for line in edit_lines(fix))
    name = f"Edit: {fix.id}, {size_text(fix.size)}"
    return f"\n<details><summary>{shown(name)}</summary>\n<pre>{lines}</pre>\n</details>"


def _findings(run: GateRun) -> Iterator[str]:
    """Yield a foldable table of the findings of each broken rule.

    Rules about waste share their worst offenders, so only the first table is unfolded.
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
    return section("Layers", table("Base first", heads, rows, more=len(layers) - LAYERS) if rows else "")


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
    return section("Waste by cause", table("Why bytes are wasted", heads, rows) if rows else "")


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
    return section("Worst paths", table("Largest waste", heads, rows, more=len(waste) - WORST) if rows else "")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: its text, a number to sort it by (None: by its text), and how it looks.

    `look` is a CSS class: `mono` for a name, `says` for a sentence, `lost`, ... `markup` stands before the text and is HTML of
    ours, which is not escaped.
    """

    text: str
    value: float | None = None
    look: str = ""
    markup: str = ""


def shown(text: str | bytes) -> str:
    """Escape text for HTML, as content of an element or as an attribute in quotes."""
    return html.escape(escape(text))


def sentence(text: str) -> str:
    """Escape a sentence for HTML; what it quotes in backticks becomes code."""
    return _QUOTED.sub(r"<code>\1</code>", shown(text))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, more: int = 0) -> str:
    """Build an HTML table. Columns whose head starts with `#` hold figures; the foot says that `more` rows are left out."""
    names = "".join(_head(head) for head in heads)
    body = "\n".join(_row(row) for row in rows)
    foot = f'<tfoot><tr><td colspan="{len(heads)}">and {more:,} more</td></tr></tfoot>' if more > 0 else ""
    return (
        f'<div class="scroll"><table><caption>{sentence(caption)}</caption>\n<thead><tr>{names}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>{foot}</table></div>"
    )


def _head(head: str) -> str:
    figures = ' class="figure"' if head.startswith("#") else ""
    name = shown(head.removeprefix("#"))
    return f'<th scope="col"{figures}>{name}</th>'


def _row(cells: Sequence[Cell]) -> str:
    return f"<tr>{''.join(_cell(cell) for cell in cells)}</tr>"


def _cell(cell: Cell) -> str:
    look = " ".join(filter(None, ("figure" if cell.value is not None else "", cell.look)))
    value = f' data-value="{cell.value!r}"' if cell.value is not None else ""
    looks = f' class="{look}"' if look else ""
    text = sentence(cell.text) if cell.look == "says" else shown(cell.text)
    return f"<td{looks}{value}>{cell.markup}{text}</td>"


def bar(live: float, wasted: float) -> str:
    """Draw an SVG bar of the live and the wasted share (0 to 1), without inline styles, which the page's policy forbids."""
    solid, lost = round(1000 * live), round(1000 * wasted)
    return (
        '<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="live" width="{solid}" height="10"/><rect class="waste" x="{solid}" width="{lost}" height="10"/></svg>'
    )
