"""One run of the gate: everything that its reports need."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.advice.advice import Advice
from layerscope.analysis import Analysis
from layerscope.gate.verdict import Verdict


@dataclass(frozen=True, eq=False)
class GateRun:
    """An analyzed image, the verdict of the rules, and what to change."""

    analysis: Analysis
    verdict: Verdict
    advice: Advice
