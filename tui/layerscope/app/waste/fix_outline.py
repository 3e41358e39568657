"""What to change, as the waste view lists it: fixes one a line, those too small to be told folded, and where each leads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from layerscope.advice.advice import Advice, Adviser, Fix
from layerscope.advice.advise import advise, taken_alone
from layerscope.analysis import Analysis
from layerscope.app.waste.outline import Heading
from layerscope.app.widgets.jump import Jump
from layerscope.errors import LayerscopeError
from layerscope.report.fix_lines import split_trifles
from layerscope.units import count_text, size_text

LOOKED_AT = 1000
"""The most paths of a fix among which the largest is looked for."""


def without_dockerfile(analysis: Analysis, _only: Collection[str]) -> Advice:
    """Find what can be told of an image from its history alone."""
    return advise(analysis, None)


@dataclass(frozen=True, slots=True)
class Trifles:
    """All fixes that are too small to be told one by one."""

    count: int
    size: int


FixLine = Heading | Fix | Trifles


class FixOutline:
    """The lines of what to change. It keeps what was found, and the cursor, while the screen is closed.

    `advice` is None until `find` is done, or where it failed: `problem` then says why. `is_begun` says whether
    it was started, `is_shown` whether the screen shows what to change, and not waste.
    """

    def __init__(self, analysis: Analysis, adviser: Adviser = without_dockerfile) -> None:
        self.analysis = analysis
        self._adviser = adviser
        self.advice: Advice | None = None
        self.problem = ""
        self.is_begun = False
        self.is_shown = True
        self.cursor = -1
        self.has_trifles = False
        """Whether the trifles are unfolded."""

    def find(self) -> None:
        """Find the fixes. This reads files of the image, and takes seconds: call it in a thread."""
        try:
            self.advice = self._adviser(self.analysis, ())
        except LayerscopeError as error:
            self.problem = str(error)

    @property
    def lines(self) -> list[FixLine]:
        """Return what is known: the sum, the fixes, the trifles folded or not, and notes on what could not be told."""
        return list(self._lines(self.advice)) if self.advice else []

    def _lines(self, advice: Advice) -> Iterator[FixLine]:
        told, trifles = split_trifles(advice.fixes, self.analysis.waste.content_bytes)
        yield Heading(_sum_text(advice))
        yield from told
        if trifles:
            yield Trifles(len(trifles), sum(fix.size for fix in trifles))
        if self.has_trifles:
            yield from trifles
        yield from map(Heading, advice.notes)
        if not advice.dockerfile and advice.fixes:
            yield Heading("No Dockerfile was found: with --dockerfile FILE, fixes have lines and edits.")

    def patch(self, fix: Fix) -> str:
        """Return the patch that makes one fix, with those that it needs, and none of the others. Call it in a thread.

        That is what `layerscope fix --only` prints, without comments; empty for a fix that has no edit. Raises LayerscopeError.
        """
        if self.advice is None or not fix.has_edit:
            return ""
        only = (fix.id, *fix.needs)
        advice, chosen = taken_alone(self.advice, only, partial(self._adviser, self.analysis))
        edited = [each.id for each in advice.fixes if each.has_edit and each.id in chosen]
        return advice.plan.patch(edited) if advice.plan else ""

    def jump(self, fix: Fix) -> Jump | None:
        """Return where the largest file that a fix is about stands in the tree: at the lowest of its layers that has one."""
        tree = self.analysis.tree
        found = np.array([node for path in fix.paths[:LOOKED_AT] if (node := tree.nodes.find(path)) is not None], np.int64)
        for layer in sorted(fix.layers):
            view = tree.view(layer)
            nodes = found[view.is_visible[found]]
            if len(nodes):
                return Jump(layer, int(nodes[np.argmax(view.size[nodes])]))
        return Jump(fix.layers[0], 0) if fix.layers else None


def _sum_text(advice: Advice) -> str:
    edited = sum(fix.has_edit for fix in advice.fixes)
    by_hand = len(advice.fixes) - edited
    if not advice.fixes:
        return "Nothing to change was found."
    parts = [f"{size_text(advice.edited_bytes)} by {count_text(edited, 'edit')}"] if edited else []
    if by_hand:
        parts.append(f"{size_text(sum(fix.size for fix in advice.fixes) - advice.edited_bytes)} by hand in {by_hand}")
    return f"What to change saves {', '.join(parts)}"
