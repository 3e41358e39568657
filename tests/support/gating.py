"""Verdicts on images from literals: `judged('max-size = "1kB"', layer(...))`."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.gate.baseline import Baseline, baseline_of
from layerscope.gate.config import GateConfig, with_defaults
from layerscope.gate.config_document import read_document
from layerscope.gate.config_sources import Flags, read_config
from layerscope.gate.evaluate import evaluate
from layerscope.gate.subject import Subject
from layerscope.gate.verdict import RuleResult, Verdict
from layerscope.sources.open import open_image
from support.image_builder import Layer, image

TODAY = date(2026, 11, 25)
NO_VARIABLES: Mapping[str, str] = {}


def analyzed(*layers: Layer, base: int | None = None) -> Analysis:
    opened = open_image("-", stdin=io.BytesIO(image(*layers)))
    return analyze(read_image(opened), base_layers=base)


def config(text: str) -> GateConfig:
    """A layerscope.toml by itself: no defaults."""
    return read_document(tomllib.loads(text), origin="layerscope.toml")


def judged(
    text: str, *layers: Layer, base: int | None = None, today: date = TODAY, baseline: Baseline | None = None
) -> Verdict:
    """The verdict of a layerscope.toml on an image."""
    return evaluate(analyzed(*layers, base=base), with_defaults(config(text)), today=today, baseline=baseline)


def result(verdict: Verdict) -> RuleResult:
    """The only result there is."""
    (only,) = verdict.results
    return only


def baseline(*layers: Layer, base: int | None = None, named: tuple[str, ...] = ()) -> Baseline:
    return baseline_of(Subject(analyzed(*layers, base=base)), named=named)


def stated(directory: Path, flags: Flags | None = None, environment: Mapping[str, str] = NO_VARIABLES) -> GateConfig:
    """All that holds for a command that runs in `directory`."""
    return read_config(flags or Flags(), directory=directory, environment=environment)
