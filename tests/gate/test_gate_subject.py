"""What rules see of an image: globs as `find` has them, and sums that add up whatever the base."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.gate.baseline import baseline_of, baseline_text, read_baseline
from layerscope.gate.evaluate import evaluate
from layerscope.gate.subject import Subject
from layerscope.layers.table import Kind
from layerscope.search.find_nodes import find_nodes, nodes_that_fit
from support.gating import TODAY, analyzed, config
from support.image_builder import Layer
from support.strategies import stacks

GLOBS = (
    "a",
    "*",
    "?",
    "**",
    "/a",
    "/a/*",
    "a/b",
    "**/b",
    "/**/b",
    "a/**",
    "**/a/**",
    "[ab]",
    "[!a]",
    "/[!a]/*",
    "/*/*/c",
    "*a*",
    "a*/b",
)
globs = st.sampled_from(GLOBS)
few = settings(max_examples=50)


@pytest.mark.slow
@few
@given(stacks, globs)
def test_globs_fit_what_find_finds(layers: list[Layer], glob: str) -> None:
    nodes = analyzed(*layers).tree.nodes
    assert nodes_that_fit(nodes, glob).tolist() == find_nodes(nodes, glob).tolist()


@pytest.mark.slow
@few
@given(stacks, globs)
def test_a_glob_stands_for_all_that_lies_below(layers: list[Layer], glob: str) -> None:
    analysis = analyzed(*layers)
    paths = analysis.tree.nodes.paths.tolist()
    tops = [paths[node] for node in find_nodes(analysis.tree.nodes, glob)]
    expected = [path for path in paths if any(path == top or path.startswith(top + b"/") for top in tops)]
    assert [paths[node] for node in np.flatnonzero(Subject(analysis).fitting(glob))] == expected


@pytest.mark.slow
@few
@given(stacks)
def test_all_that_a_container_sees_is_the_live_bytes(layers: list[Layer]) -> None:
    subject = Subject(analyzed(*layers))
    everything = np.ones(len(subject.analysis.tree), bool)
    assert subject.content_bytes_of(everything) == subject.last.subtree_bytes[0]


@pytest.mark.slow
@few
@given(stacks, st.data())
def test_own_and_base_waste_add_up(layers: list[Layer], data: st.DataObject) -> None:
    base = data.draw(st.integers(0, len(layers)))
    subject = Subject(analyzed(*layers, base=base))
    assert (subject.own_waste.wasted_bytes, subject.base_wasted_bytes) == subject.analysis.own_and_base_waste


@pytest.mark.slow
@few
@given(stacks, globs)
def test_anywhere_finds_every_entry_and_visible_no_more_than_that(layers: list[Layer], glob: str) -> None:
    analysis = analyzed(*layers)
    text = "".join(f"[[forbid]]\npath = '{glob}'\nwhere = '{where}'\n" for where in ("visible", "anywhere"))
    visible, anywhere = evaluate(analysis, config(text), today=TODAY).results
    assert visible.measured <= anywhere.measured
    assert (visible.measured > 0) == bool((Subject(analysis).fitting(glob) & Subject(analysis).last.is_visible).any())
    entries = Subject(analysis).fitting(glob)[analysis.tree.entry_node]
    assert anywhere.measured >= np.count_nonzero(entries & (analysis.tree.entries.kind != Kind.DIRECTORY))


@pytest.mark.slow
@few
@given(stacks)
def test_an_image_has_not_grown_beyond_itself(layers: list[Layer]) -> None:
    analysis = analyzed(*layers)
    before = read_baseline(baseline_text(baseline_of(Subject(analysis))).encode())
    rules = config('max-growth = 0\nmax-own-growth = 0\nmax-waste-growth = 0\n[[directory-growth]]\npath = "/a/b"\nmax = 0')
    verdict = evaluate(analysis, rules, today=TODAY, baseline=before)
    assert verdict.failed == ()
    assert [result.measured for result in verdict.results] == [0, 0, 0, 0]
