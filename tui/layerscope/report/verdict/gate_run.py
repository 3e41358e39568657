"""One run of the gate: all that a report may tell."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.advice.advice import Advice
from layerscope.analysis import Analysis
from layerscope.gate.verdict import Verdict


@dataclass(frozen=True, eq=False)
class GateRun:
    """An image that was analyzed, what the rules say of it, and what to change."""

    analysis: Analysis
    verdict: Verdict
    advice: Advice
