"""Markdown as GitHub and GitLab show it (GFM): for a file, a step's summary, and a comment on a pull request.

Nothing of an image's text acts as markup, a link, a mention or the end of a table's cell. Beyond the specification, GitHub and
GitLab turn mentions, numbers of issues and bare addresses into links, in text but not in code. So names are written as code,
and in sentences a zero-width space breaks what would become a link.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from layerscope.advice.advice import Fix
from layerscope.analysis import Analysis
from layerscope.gate.verdict import Finding, Outcome, RuleResult
from layerscope.report.fix_lines import edit_lines, more_fixes_text, split_trifles
from layerscope.report.verdict.gate_run import (
    LONGEST_NAME,
    OUTCOMES,
    GateRun,
    figures,
    image_title,
    lasting_name,
    path_text,
    verdict_word,
)
from layerscope.text import escape
from layerscope.units import percent_text, size_text
from layerscope.waste.find import Cause
from layerscope.wording.sentences import pull_facts, step_text
from layerscope.wording.style import cut_end, cut_middle

SUMMARY_LIMIT = 1 << 20
"""Bytes of a step's summary; GitHub refuses a longer one whole."""
COMMENT_LIMIT = 1 << 16
"""Characters of a comment; a byte is never more than one, so bytes are counted."""
FULL, BRIEF, MANY = 200, 10, 1000
"""Rows of a table."""

Row = Sequence[str]

_FINDING = ("Size", "Cause", "Layers", "Path")
LONGEST = 1000
"""Characters of a sentence."""
_TICKS = re.compile(r"`+")
_QUOTED = re.compile(r"`([^`]+)`")
_LIVE = re.compile(r"[\\`*_{}\[\]<>|~&!$#]")
_LINKED = re.compile(r"(?<=@)|(?<=#)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=mailto:)|(?<=xmpp:)", re.IGNORECASE)
_GAP = "&#8203;"


def markdown_report(run: GateRun) -> bytes:
    """Encode the whole report, with tables cut at 200 rows."""
    return "\n".join(_blocks(run, FULL)).encode()


def step_summary(run: GateRun) -> str:
    """Format the whole report for the summary of a GitHub Actions step, kept below 1 MiB."""
    return _fitting(_blocks(run, FULL), SUMMARY_LIMIT)


def pr_comment(run: GateRun) -> str:
    """Format a short report for a comment on a pull request, kept below 64 KiB.

    Its first line is an HTML comment that readers do not see, the same in every build of this image: by it a later run finds
    the comment to replace.
    """
    mark = re.sub(r"[^A-Za-z0-9._/: -]|--+", "_", lasting_name(run.analysis.image))
    return _fitting([f"<!-- layerscope {cut_end(mark, LONGEST_NAME)} -->\n", *_blocks(run, BRIEF)], COMMENT_LIMIT)


def folded_run(run: GateRun) -> str:
    """Format what a comment has of one of several images, to be unfolded."""
    title = f"<code>{html.escape(image_title(run.analysis.image))}</code> {verdict_word(run.verdict)}"
    return _folded(title, "\n".join(islice(_blocks(run, BRIEF), 1, None)))


def markdown_of(heading: str, rows: Sequence[Row], details: Sequence[str], *, is_comment: bool = False) -> str:
    """Format the verdicts on several images, each a row, and details of some, kept below the limit of a summary or comment."""
    heads = ("", "Image", "On disk", "Wasted", "Efficient", "Result")
    table = _table(heads, "llrrrl", iter(rows), len(rows), BRIEF if is_comment else MANY)
    mark = ["<!-- layerscope images -->\n"] if is_comment else []
    return _fitting([*mark, f"### {heading}\n", table, *details], COMMENT_LIMIT if is_comment else SUMMARY_LIMIT)


def _fitting(blocks: Sequence[str] | Iterator[str], limit: int) -> str:
    """Join as many whole blocks as fit into `limit` bytes: half a table or an open `<details>` would spoil what follows."""
    rest = "\n_The rest of this report was too long to be shown here._\n"
    kept, room = [], limit - len(rest.encode()) - 1
    for block in blocks:
        room -= len(block.encode()) + 1
        if room < 0:
            kept.append(rest)
            break
        kept.append(block)
    return "\n".join(kept)


def _blocks(run: GateRun, rows: int) -> Iterator[str]:
    yield _heading(run)
    yield _rules(run, rows)
    yield from _doubts(run)
    yield from _fixes(run, rows)
    yield from _offenders(run, rows)
    yield from _notes(run)
    yield _folded("Layers", _layers(run.analysis, rows))


def _heading(run: GateRun) -> str:
    verdict, waste = run.verdict, run.analysis.waste
    mark = "⚠️" if verdict.doubts else "✅" if verdict.has_passed else "❌"
    facts = (
        f"**{size_text(waste.content_bytes)}** on disk",
        *(re.sub(r"^(\S+ \S+)", r"**\1**", fact) for fact in pull_facts(run.analysis.pull_size)),
        f"**{size_text(waste.wasted_bytes)}** wasted",
        f"**{percent_text(waste.efficiency)}** efficient",
    )
    return f"### {mark} {code(image_title(run.analysis.image))} {verdict_word(verdict)}\n\n{' · '.join(facts)}\n"


def _rules(run: GateRun, rows: int) -> str:
    results = sorted(run.verdict.results, key=lambda result: result.outcome not in (Outcome.FAILED, Outcome.WARNED))
    heads = ("", "Rule", "Measured", "Limit", "Margin", "Result")
    return _table(heads, "llrrrl", (_rule(result) for result in results), len(results), max(rows, 50))


def _rule(result: RuleResult) -> Row:
    outcome = OUTCOMES[result.outcome].word
    waived = f": {plain('; '.join(result.waivers))}" if result.waivers else ""
    told = ("—",) * 3 if result.outcome is Outcome.UNJUDGED else figures(result)
    return (OUTCOMES[result.outcome].emoji, code(cut_middle(escape(result.name), LONGEST_NAME)), *told, outcome + waived)


def _doubts(run: GateRun) -> Iterator[str]:
    if run.verdict.doubts:
        yield "#### Why it could not be judged\n\n" + _list(run.verdict.doubts)


def _notes(run: GateRun) -> Iterator[str]:
    notes = (*run.verdict.notes, *run.advice.notes)
    if notes:
        yield _list(notes)


def _list(sentences: Sequence[str]) -> str:
    return "".join(f"- {plain(sentence)}\n" for sentence in sentences[:BRIEF])


def _fixes(run: GateRun, rows: int) -> Iterator[str]:
    """Yield a table of the fixes, with trifles in one line, then the edit of each that has one."""
    fixes, trifles = split_trifles(run.advice.fixes, run.analysis.waste.content_bytes)
    if not fixes:
        return
    heads = ("Saves", "Line", "What to change")
    lines = [(size_text(fix.size), str(fix.line or "—"), plain(fix.sentence)) for fix in fixes]
    if trifles:
        lines.append((size_text(sum(fix.size for fix in trifles)), "—", f"in {more_fixes_text(len(trifles))}"))
    yield "#### What to change\n\n" + _table(heads, "rrl", iter(lines), len(lines), rows)
    for fix in fixes[:rows]:
        if fix.patch:
            yield _folded(f"Edit: {html.escape(escape(fix.id))}, {size_text(fix.size)}", _diff(fix))


def _diff(fix: Fix) -> str:
    """Return a fix's edit as a fenced block, whose fence is longer than any in it."""
    lines = [escape(line) for line in edit_lines(fix)]
    longest = max((len(run) for line in lines for run in _TICKS.findall(line)), default=0)
    fence = "`" * max(longest + 1, 3)
    return "".join(f"{line}\n" for line in (f"{fence}diff", *lines, fence))


def _offenders(run: GateRun, rows: int) -> Iterator[str]:
    """Yield blocks on what broke each rule, or on the biggest waste if no rule is broken."""
    broken = [result for result in run.verdict.results if result.outcome in (Outcome.FAILED, Outcome.WARNED)]
    told: set[tuple[Finding, ...]] = {()}
    for result in broken[:BRIEF]:
        name = code(cut_middle(escape(result.name), LONGEST_NAME))
        yield f"#### {OUTCOMES[result.outcome].emoji} {name}\n\n{plain(result.sentence)}\n\n{_findings(result, rows, told)}"
    if not broken and len(run.analysis.waste):
        yield _folded("Worst paths", _worst(run.analysis, rows))


def _findings(result: RuleResult, rows: int, told: set[tuple[Finding, ...]]) -> str:
    """Return a table of a rule's findings, or a reference to an equal table above, which `told` remembers.

    Rules about waste share their worst offenders.
    """
    if result.findings in told:
        return "The same as above.\n" if result.findings else ""
    told.add(result.findings)
    return _table(_FINDING, "rlll", (_offender(finding) for finding in result.findings), len(result.findings), rows)


def _offender(finding: Finding) -> Row:
    layers = " → ".join(str(layer) for layer in (finding.layer, finding.buried_by) if layer is not None)
    path = code(path_text(finding.path)) if finding.path is not None else ""
    note = " ".join(filter(None, (path, plain(finding.note), "(the base's)" if finding.is_base else "")))
    return size_text(finding.size), finding.cause.word if finding.cause is not None else "", layers, note


def _worst(analysis: Analysis, rows: int) -> str:
    waste, paths = analysis.waste, analysis.tree.nodes.paths
    lines = (
        (
            size_text(int(waste.size[row])),
            Cause(waste.cause[row]).word,
            f"{waste.written_by[row]} → {waste.buried_by[row]}",
            code(path_text(paths[int(waste.node[row])])),
        )
        for row in range(min(len(waste), rows))
    )
    return _table(_FINDING, "rlll", lines, len(waste), rows)


def _layers(analysis: Analysis, rows: int) -> str:
    layers = analysis.image.layers
    wasted = analysis.waste.by_layer(len(layers)).tolist()
    columns = zip(layers, analysis.layer_content_bytes, wasted, strict=True)
    base = analysis.base_layers or 0
    lines = (
        (
            str(layer.number),
            size_text(size),
            size_text(waste) if waste else "",
            code(cut_end(step_text(layer.history), LONGEST_NAME)) + (" (base)" if layer.number <= base else ""),
        )
        for layer, size, waste in columns
    )
    return _table(("#", "Size", "Wasted", "Instruction"), "rrrl", lines, len(layers), max(rows, 130))


def _table(heads: Row, sides: str, rows: Iterator[Row], count: int, limit: int) -> str:
    """Return a Markdown table of at most `limit` of `count` rows; `sides` aligns each column with a letter, `l` or `r`."""
    rules = ("--:" if side == "r" else "---" for side in sides)
    lines = [_line(heads), _line(tuple(rules)), *(_line(row) for row in islice(rows, limit))]
    if count > limit:
        lines.append(f"\n_and {count - limit:,} more_")
    return "".join(f"{line}\n" for line in lines)


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n</details>\n"


def code(text: str | bytes) -> str:
    """Format a name as Markdown code that is safe in a table's cell, too.

    A `|` ends a cell even in code, and readers differ on `\\|` after another backslash, so it stands between two code spans.
    """
    return "&#124;".join(_span(part) for part in escape(text).split("|"))


def _span(text: str) -> str:
    if not text:
        return ""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    # One space on both sides is taken away again (CommonMark, section 6.1).
    gap = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{gap}{text}{gap}{fence}" if text.strip() else f"{fence}{text}{fence}"


def plain(sentence: str) -> str:
    """Escape a sentence for Markdown, cut where it is absurdly long; what it quotes in backticks becomes code."""
    parts = _QUOTED.split(cut_end(escape(sentence), LONGEST))
    texts = [code(part) if index % 2 else _text(part) for index, part in enumerate(parts)]
    # Backticks of two codes side by side would be taken as one fence.
    return texts[0] + "".join(text or _GAP for text in texts[1:-1]) + (texts[-1] if len(texts) > 1 else "")


def _text(text: str) -> str:
    pieces = _LINKED.split(text)
    return _GAP.join(_LIVE.sub(lambda match: f"&#{ord(match[0])};", piece) for piece in pieces)
