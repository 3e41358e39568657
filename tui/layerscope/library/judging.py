"""The gate as programs ask it: rules from a mapping or a file, and a verdict of plain values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from layerscope.analysis import Analysis
from layerscope.errors import BadSettings
from layerscope.gate.baseline import MAX_FILE, Baseline, baseline_of, is_baseline, read_baseline
from layerscope.gate.config import GateConfig
from layerscope.gate.config_sources import rules_of
from layerscope.gate.evaluate import evaluate, refuse_guessed
from layerscope.gate.quantities import named
from layerscope.gate.subject import Subject
from layerscope.library.facts import JudgedRule, Judgment
from layerscope.text import escape


def judged(
    analysis: Analysis,
    rules: Mapping[str, Any] | Path | None,
    baseline: Analysis | str | os.PathLike[str] | None,
    today: date | None,
) -> Judgment:
    """Judge an image. Raises BadSettings, and NotAnImage for a root filesystem that was not named as layer:FILE."""
    refuse_guessed(analysis.image)
    config = rules_of(rules)
    verdict = evaluate(
        analysis,
        config,
        today=today or datetime.now(UTC).date(),
        baseline=_baseline(config, baseline or config.limit("baseline")),
    )
    results = tuple(
        JudgedRule(
            key=each.key,
            name=each.name,
            outcome=str(each.outcome),
            severity=str(each.severity),
            unit=str(each.unit),
            measured=each.measured,
            limit=each.limit,
            margin=each.margin,
            sentence=each.sentence,
        )
        for each in verdict.results
    )
    return Judgment(verdict.outcome, verdict.exit_code, results, verdict.doubts, verdict.notes)


def _baseline(config: GateConfig, given: object) -> Baseline | None:
    """Return the baseline of an image, or read the file of one. Raises BadSettings."""
    if isinstance(given, Analysis):
        return baseline_of(Subject(given), named=[each.about for each in config.rows("directory-growth")])
    if not isinstance(given, str | os.PathLike):
        return None
    with named(f"the baseline {escape(os.fspath(given))}"):
        try:
            with Path(given).open("rb") as file:
                raw = file.read(MAX_FILE + 1)
        except (OSError, ValueError) as error:
            raise BadSettings(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if len(raw) > MAX_FILE or not is_baseline(raw[:64]):
            raise BadSettings("not a file of `layerscope baseline`; an image is analyzed first, and given as `baseline`")
        return read_baseline(raw)
