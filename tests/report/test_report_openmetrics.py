"""The metrics, read by Prometheus' own client library."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from layerscope.gate.verdict import Verdict
from layerscope.oci.platform import Platform
from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.openmetrics import openmetrics_report
from layerscope.text import escape
from support import gate_runs
from support.gate_runs import HOSTILE


def parsed(run: GateRun) -> list[Metric]:
    return list(text_string_to_metric_families(openmetrics_report(run).decode()))  # type: ignore[no-untyped-call]


def families(run: GateRun) -> dict[str, list[Sample]]:
    return {each.name: each.samples for each in parsed(run)}


def only(run: GateRun, name: str) -> float:
    (sample,) = families(run)[name]
    return float(sample.value)


@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many])
def test_a_parser_reads_it(tmp_path: Path, make: object) -> None:
    assert callable(make)
    run = make(tmp_path)
    assert openmetrics_report(run).endswith(b"\n# EOF\n")
    assert all(sample.labels["image"] for samples in families(run).values() for sample in samples)


@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile])
def test_every_family_has_help_and_sizes_have_their_unit(tmp_path: Path, make: object) -> None:
    assert callable(make)
    for family in parsed(make(tmp_path)):
        assert family.documentation
        assert not family.name.endswith("_bytes") or family.unit == "bytes"


def test_the_figures_are_those_of_the_analysis(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    waste = run.analysis.waste
    own, base = run.analysis.own_and_base_waste
    assert only(run, "layerscope_image_content_bytes") == waste.content_bytes
    assert only(run, "layerscope_image_wasted_bytes") == waste.wasted_bytes
    assert (only(run, "layerscope_image_own_wasted_bytes"), only(run, "layerscope_image_base_wasted_bytes")) == (own, base)
    assert only(run, "layerscope_image_efficiency_ratio") == waste.efficiency
    layers = families(run)["layerscope_layer_content_bytes"]
    assert [(each.labels["layer"], each.value) for each in layers] == [("1", 340_900), ("2", 290_000), ("3", 200_000)]


def test_a_rule_has_its_figures_and_one_outcome(tmp_path: Path) -> None:
    found = families(gate_runs.ordinary(tmp_path))
    measured = {each.labels["rule"]: (each.value, each.labels["unit"]) for each in found["layerscope_rule_measured"]}
    assert measured["max-wasted"] == (2_500_000, "bytes")
    assert measured["min-efficiency"] == (0.97, "share")
    outcomes = {
        each.labels["rule"]: each.labels["layerscope_rule_outcome"]
        for each in found["layerscope_rule_outcome"]
        if each.value == 1
    }
    assert outcomes["max-wasted"] == "failed"
    assert outcomes["budget /opt"] == "unjudged"


def test_the_gate_passes_or_not(tmp_path: Path) -> None:
    assert only(gate_runs.ordinary(tmp_path), "layerscope_gate_passed") == 0
    assert only(gate_runs.empty(tmp_path), "layerscope_gate_passed") == 1
    assert only(gate_runs.hostile(tmp_path), "layerscope_gate_doubts") == len(HOSTILE)


def test_figures_that_are_no_numbers_are_written_as_the_format_has_them(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    odd = dataclasses.replace(run.verdict.results[0], measured=math.nan, limit=math.inf)
    found = families(GateRun(run.analysis, Verdict((odd,)), run.advice))
    assert math.isnan(found["layerscope_rule_measured"][0].value)
    assert found["layerscope_rule_limit"][0].value == math.inf


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    run = gate_runs.hostile(tmp_path)
    image = dataclasses.replace(run.analysis.image, platform=Platform("li\x1b[31mnux", 'a"\\\n\u202e'))
    contents = dataclasses.replace(run.analysis.contents, image=image)
    hostile = dataclasses.replace(run, analysis=dataclasses.replace(run.analysis, contents=contents))
    (about,) = families(hostile)["layerscope_image"]
    assert about.labels["platform"] == escape(str(image.platform))
    assert openmetrics_report(hostile).replace(b"\n", b"").decode().isprintable()
    rules = {each.labels["rule"] for each in families(run)["layerscope_rule_measured"]}
    assert rules >= {escape(f"forbid {name}") for name in HOSTILE}
