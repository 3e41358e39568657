"""The gate's verdicts on several images: one table, and one report of each kind.

Of each image only its lines and its part of the reports are kept, and not its tree: there may be hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from layerscope.errors import UsageError
from layerscope.report.verdict.alerts import Alert, alerts, distinct, gitlab_issues, gitlab_of, unread_alert
from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.junit import junit_of, suite_of, unread_suite
from layerscope.report.verdict.markdown import code, folded_run, markdown_of, plain
from layerscope.report.verdict.openmetrics import metric_lines, openmetrics_of, unread_lines
from layerscope.report.verdict.sarif import sarif_of, sarif_part, unread_part
from layerscope.report.verdict.verdict_json import json_of, unread_document, verdict_document
from layerscope.report.verdict.verdict_text import verdict_sentence
from layerscope.text import escape
from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.style import Style, cut_middle, wrapped


@dataclass(frozen=True, slots=True)
class Parts:
    """How one kind of report is made: the part of a judged image, that of one that could not be read, and all parts joined.

    The first takes the run, its alerts and the image's escaped name, the second that name, the reason and the alert.
    """

    of_run: Callable[[GateRun, list[Alert], str], Any]
    of_unread: Callable[[str, str, Alert], Any]
    joined: Callable[[list[Any]], bytes]


PARTS = {
    "junit": Parts(lambda run, _found, _name: suite_of(run), lambda name, reason, _: unread_suite(name, reason), junit_of),
    "sarif": Parts(sarif_part, lambda name, _, alert: unread_part(name, alert), sarif_of),
    "gitlab": Parts(
        lambda _, found, name: gitlab_issues(found, name), lambda name, _, alert: gitlab_issues([alert], name), gitlab_of
    ),
    "openmetrics": Parts(lambda run, _, name: metric_lines(run, name), lambda name, *_: unread_lines(name), openmetrics_of),
    "json": Parts(lambda run, *_: verdict_document(run), lambda name, reason, _: unread_document(name, reason), json_of),
}
WRITTEN = ("markdown", "comment")
MOST_TOLD = 10
SIGNS = (("passed", "green", "✅"), ("FAILED", "red", "❌"), ("-", "red", "⚠️"))
"""An image's word, its color and Markdown's emoji, by its exit code."""


@dataclass(frozen=True, slots=True)
class ImageLine:
    """One image's line: its escaped name, as the user gave it, its exit code, sizes and efficiency as text, a sentence.

    The figures are empty where the image could not be read.
    """

    name: str
    exit_code: int
    sentence: str
    size: str = ""
    wasted: str = ""
    efficiency: str = ""


@dataclass
class ManyRuns:
    """Verdicts on images as they come, and what reports of some `kinds` say of each."""

    kinds: Collection[str] = ()
    lines: list[ImageLine] = field(default_factory=list)
    _parts: dict[str, list[Any]] = field(default_factory=dict)
    _details: list[str] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _fingerprints: set[str] = field(default_factory=set)

    @property
    def exit_code(self) -> int:
        """Return 0 if all passed, 2 if one could not be judged, else 1."""
        return max((line.exit_code for line in self.lines), default=0)

    @property
    def sentence(self) -> str:
        """Say how many images passed, failed and could not be judged."""
        words = ("passed", "FAILED", "could not be judged")
        counts = [sum(line.exit_code == code for line in self.lines) for code in range(len(words))]
        told = ", ".join(f"{count:,} {word}" for count, word in zip(counts, words, strict=True) if count)
        return f"{count_text(len(self.lines), 'image')}: {told}"

    def add(self, run: GateRun) -> None:
        """Take what is told of a judged image."""
        verdict, waste, name = run.verdict, run.analysis.waste, escape(run.analysis.image.reference)
        sentence = escape(verdict.doubts[0]) if verdict.doubts else verdict_sentence(verdict).partition(": ")[2]
        self._notes = [note for note in verdict.notes if note in self._notes or not self.lines]
        figures = size_text(waste.content_bytes), size_text(waste.wasted_bytes), percent_text(waste.efficiency)
        self.lines.append(ImageLine(name, verdict.exit_code, sentence, *figures))
        found = list(distinct(alerts(run), name, self._fingerprints))
        self._keep(lambda parts: parts.of_run(run, found, name))
        if not verdict.has_passed:
            self._details.append(folded_run(run))

    def add_unread(self, reference: str, reason: str) -> None:
        """Take what is told of an image that could not be read."""
        name, alert = escape(reference), unread_alert(reference, reason)
        self.lines.append(ImageLine(name, 2, escape(reason)))
        self._keep(lambda parts: parts.of_unread(name, reason, alert))

    def _keep(self, part: Callable[[Parts], object]) -> None:
        for kind in self.kinds:
            if kind in PARTS:
                self._parts.setdefault(kind, []).append(part(PARTS[kind]))

    def report(self, kind: str) -> bytes:
        """Encode one of the `kinds` of report."""
        if kind in WRITTEN:
            return self.markdown(is_comment=kind == "comment").encode()
        return PARTS[kind].joined(self._parts[kind])

    def markdown(self, *, is_comment: bool = False) -> str:
        """Format a table of the images, those that passed last, and what is wrong with each of the others."""
        rows = [
            (SIGNS[line.exit_code][2], code(line.name), line.size, line.wasted, line.efficiency, plain(line.sentence))
            for line in sorted(self.lines, key=lambda line: not line.exit_code)
        ]
        return markdown_of(self.sentence, rows, self._details, is_comment=is_comment)

    def text(self, style: Style) -> str:
        """Format a line for each image, below it why it did not pass, and how many did."""
        return "".join(f"{line}\n" for line in self._text(style))

    def _text(self, style: Style) -> Iterator[str]:
        yield style.paint(f"{'':<6}  {'on disk':>8}  {'wasted':>8}  {'efficient':>9}  image", "dim")
        for line in self.lines:
            word, color, _ = SIGNS[line.exit_code]
            figures = f"{line.size:>8}  {line.wasted:>8}  {line.efficiency:>9}"
            name = cut_middle(style.name(line.name), style.width - 37, mark=style.plain("…"))
            yield f"{style.paint(f'{word:<6}', color)}  {style.plain(figures)}  {name}"
            if line.exit_code:
                yield from (f"{'':<8}{each}" for each in wrapped(style.name(style.plain(line.sentence)), style.width - 8))
        yield ""
        yield style.paint(self.sentence, "bold", SIGNS[min(self.exit_code, 1)][1])
        for note in self._notes:
            yield from wrapped(style.name(style.plain(note)), style.width)

    def talk(self) -> str:
        """Return what standard error tells even if all reports go to files: why images did not pass."""
        told = [f"{line.name}: {line.sentence}" if line.size else line.sentence for line in self.lines if line.exit_code]
        rest = [f"and {len(told) - MOST_TOLD:,} more images"] if len(told) > MOST_TOLD else []
        return "".join(f"layerscope: {line}\n" for line in (*told[:MOST_TOLD], *rest))


def checked_kinds(kinds: Collection[str]) -> None:
    """Raise UsageError for a kind of report that is of one image only."""
    for kind in kinds:
        if kind not in PARTS and kind not in WRITTEN:
            raise UsageError(f"--report {kind} is of one image, and several are named")
